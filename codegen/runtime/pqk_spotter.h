/* Listens for words: samples in, detections out.
 *
 *     pqk_init();
 *     for (;;) {
 *         pqk_push(samples, count);            // int16 at PQK_SAMPLE_RATE, as many as there are
 *         pqk_detection heard;
 *         while (pqk_poll(&heard)) {
 *             act_on(pqk_network_labels[heard.word], heard.samples);
 *         }
 *     }
 *
 * How samples are cut into calls makes no difference. All state is static and nothing is
 * reentrant: call everything from one context, for instance the main loop, and hand samples to it
 * from an interrupt through a buffer of your own. spotter.h, made by pqk-mcu, has the defaults. */
#ifndef PQK_SPOTTER_H
#define PQK_SPOTTER_H

#include <stdint.h>

#include "pqk_decision.h"
#include "pqk_frames.h"

#define PQK_MOST_WAITING 8u /* detections that wait for pqk_poll */

/* Since pqk_init or pqk_clip_begin; ticks are the clock's, if there is one. */
typedef struct {
    uint64_t samples;
    uint64_t frames;
    uint64_t inferences;
    uint64_t front_end_ticks; /* all of pqk_push but the next */
    uint64_t network_ticks;   /* inferences, and the decisions on them */
    uint32_t dropped;         /* detections that were never polled */
} pqk_counters;

/* Forgets all audio; default settings. Call it first. */
void pqk_init(void);

/* Takes `count` samples and computes the frames and inferences that become due. */
void pqk_push(const int16_t *samples, uint32_t count);

/* Takes the oldest detection that was not polled yet: returns 1, or 0 where there is none. When
 * PQK_MOST_WAITING wait, the oldest is dropped for the next. */
int pqk_poll(pqk_detection *detection);

void pqk_get_settings(pqk_settings *settings);

/* Returns 0 and changes nothing when a value is out of its range, or when there is chunk.h and the
 * stride is no multiple of PQK_CHUNK_HOP. A change forgets the inferences so far (smoothing begins
 * anew) but no frames. */
int pqk_set_settings(const pqk_settings *settings);

/* Always the same place, whose values change with every call of pqk_push. */
const pqk_counters *pqk_get_counters(void);

/* `ticks` counts up, modulo 2^32; 0, the default, for no clock. */
void pqk_set_clock(uint32_t (*ticks)(void));

/* One clip instead of a stream: begin, push PQK_CLIP_SAMPLES samples, end. Between begin and end
 * nothing is inferred; end adds the zeros that follow a clip, and pqk_frames_read then reads the
 * frames of the clip. Forgets all audio before it, but not the settings; pqk_init goes back to
 * streaming. */
void pqk_clip_begin(void);
void pqk_clip_end(void);

/* Copies the last PQK_FRAMES frames to the network's input. */
void pqk_window_input(void);

/* Runs the network on the last PQK_FRAMES frames and returns its PQK_OUTPUTS logits, which are
 * valid until the next frame. What every inference of a stream does, unless there is chunk.h, which
 * computes only what is new in a window. */
const int32_t *pqk_window_logits(void);

#endif
