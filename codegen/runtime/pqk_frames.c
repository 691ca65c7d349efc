/* Samples to frames; contract in pqk_frames.h. */
#include "pqk_frames.h"

#include "front_end.h"
#include "network.h"
#include "pqk_front_end.h"
#include "spotter.h"

#if PQK_HOP > PQK_WINDOW
#error "windows leave gaps"
#endif

/* Windows lie in one piece: samples are appended, and what later windows need moves to the start
 * only when the buffer is full, after every (SPARE_HOPS + 1)th frame. A window begins at a word, so
 * odd hops move after every frame. */
#define SPARE_HOPS (PQK_HOP % 2u ? 0u : PQK_SPARE_HOPS)
#define CAPACITY (PQK_WINDOW + SPARE_HOPS * PQK_HOP)
#define BEFORE (PQK_CENTER ? PQK_WINDOW / 2u : 0u) /* zeros before the first sample */
#define RING_BYTES (PQK_FRAMES * PQK_FRAME_FEATURES)

static int16_t samples[CAPACITY] __attribute__((aligned(4)));
static uint32_t start = 0;    /* of the window that is next to be complete */
static uint32_t end = BEFORE; /* where the next sample goes */

static uint8_t frames[RING_BYTES];
static uint32_t oldest; /* byte where the oldest frame lies, and the next one will */

#if PQK_ARENA_BYTES >= 4 * PQK_FRONT_END_SCRATCH
/* The network's memory is idle while a frame is computed. */
static uint32_t *scratch(void) {
    return pqk_network_memory();
}
#else
static uint32_t *scratch(void) {
    static uint32_t words[PQK_FRONT_END_SCRATCH] __attribute__((aligned(8)));
    return words;
}
#endif

void pqk_frames_reset(void) {
    start = 0;
    end = BEFORE;
    oldest = 0;
    __builtin_memset(samples, 0, sizeof samples);
}

static void compute_frame(void) {
    pqk_front_end_frame(&pqk_front_end_tables, samples + start, frames + oldest, scratch());
    oldest += PQK_FRAME_FEATURES;
    if (oldest == RING_BYTES) {
        oldest = 0;
    }
}

static void next_window(void) {
    start += PQK_HOP;
    if (start + PQK_WINDOW > CAPACITY) {
        end -= start;
        __builtin_memmove(samples, samples + start, end * sizeof samples[0]);
        start = 0;
    }
}

uint32_t pqk_frames_take(const int16_t *from, uint32_t count, int *complete) {
    const uint32_t missing = start + PQK_WINDOW - end;
    const uint32_t taken = count < missing ? count : missing;
    __builtin_memcpy(samples + end, from, taken * sizeof samples[0]);
    end += taken;
    *complete = taken == missing;
    if (*complete) {
        compute_frame();
        next_window();
    }
    return taken;
}

void pqk_frames_read(pqk_window_reader read) {
    pqk_frames_read_some(0, PQK_FRAMES, read);
}

void pqk_frames_read_some(uint32_t first, uint32_t count, pqk_window_reader read) {
    uint32_t at = oldest + first * PQK_FRAME_FEATURES;
    at -= at < RING_BYTES ? 0 : RING_BYTES;
    const uint32_t bytes = count * PQK_FRAME_FEATURES;
    const uint32_t before_end = bytes < RING_BYTES - at ? bytes : RING_BYTES - at;
    read(0, frames + at, before_end);
    if (before_end < bytes) {
        read(before_end, frames, bytes - before_end);
    }
}
