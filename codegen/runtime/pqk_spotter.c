/* Samples to detections; contract in pqk_spotter.h. */
#include "pqk_spotter.h"

#include "front_end.h"
#include "network.h"
#include "spotter.h"

#if PQK_REUSE
#include "chunk.h"

/* A window's logits from what is new in it: every PQK_CHUNK_HOP frames a run is due. */
static uint32_t until_run; /* frames */
static uint32_t turn;
#endif

/* Zeros pushed at once: too few for two frames. */
#define SILENCE (PQK_HOP < 32u ? PQK_HOP : 32u)

static const pqk_settings defaults = PQK_DEFAULT_SETTINGS;

static pqk_settings settings;
static pqk_counters counters;
static uint32_t until_inference; /* frames */
static int in_clip;

/* The queue of detections: `waiting` of them, from place `first` on. */
static pqk_detection queue[PQK_MOST_WAITING];
static uint32_t first;
static uint32_t waiting;

static uint32_t (*clock_ticks)(void);
static uint32_t lap_start;

/* Ticks since the last lap ended. */
static uint32_t lap(void) {
    if (!clock_ticks) {
        return 0;
    }
    const uint32_t now = clock_ticks();
    const uint32_t ticks = now - lap_start;
    lap_start = now;
    return ticks;
}

/* Runs are due at the first whole window and before it, too: they see the frames that windows
 * share. */
static void forget_runs(void) {
#if PQK_REUSE
    pqk_chunk_reset();
    until_run = (PQK_FRAMES - 1u) % PQK_CHUNK_HOP + 1u;
    turn = 0;
#endif
}

static void forget(void) {
    pqk_frames_reset();
    forget_runs();
    pqk_decision_reset();
    __builtin_memset(&counters, 0, sizeof counters);
    until_inference = PQK_FRAMES;
    first = 0;
    waiting = 0;
}

void pqk_init(void) {
    forget();
    settings = defaults;
    in_clip = 0;
}

void pqk_set_clock(uint32_t (*ticks)(void)) {
    clock_ticks = ticks;
}

const pqk_counters *pqk_get_counters(void) {
    return &counters;
}

static void announce(const pqk_detection *detection) {
    queue[(first + waiting) % PQK_MOST_WAITING] = *detection;
    if (waiting < PQK_MOST_WAITING) {
        waiting++;
    } else {
        first = (first + 1u) % PQK_MOST_WAITING; /* the oldest has been overwritten */
        counters.dropped++;
    }
}

int pqk_poll(pqk_detection *detection) {
    if (!waiting) {
        return 0;
    }
    *detection = queue[first];
    first = (first + 1u) % PQK_MOST_WAITING;
    waiting--;
    return 1;
}

void pqk_window_input(void) {
    pqk_network_begin_input();
    pqk_frames_read(pqk_network_set_input);
}

const int32_t *pqk_window_logits(void) {
    pqk_window_input();
    for (uint32_t layer = 0; layer < PQK_LAYERS; layer++) {
        pqk_network_run_layer(layer);
    }
    return pqk_network_logits();
}

#if PQK_REUSE
__attribute__((noinline)) static void run_chunk(void) {
    counters.front_end_ticks += lap();
    pqk_chunk_begin(turn);
    pqk_frames_read_some(PQK_CHUNK_FIRST_FRAME, PQK_CHUNK_FRAMES, pqk_chunk_set_input);
    for (uint32_t layer = 0; layer < PQK_CHUNK_LAYERS; layer++) {
        pqk_chunk_run_layer(layer);
    }
    turn = (turn + 1u) % PQK_CHUNK_PHASES;
    counters.network_ticks += lap();
}

static void run_if_due(void) {
    if (--until_run == 0) {
        until_run = PQK_CHUNK_HOP;
        run_chunk();
    }
}

/* A run was due at this frame, because strides are multiples of PQK_CHUNK_HOP. */
static const int32_t *latest_logits(void) {
    return pqk_chunk_logits();
}

static int stride_fits(uint32_t stride) {
    return stride % PQK_CHUNK_HOP == 0;
}
#else
static void run_if_due(void) {
}

static const int32_t *latest_logits(void) {
    return pqk_window_logits();
}

static int stride_fits(uint32_t stride) {
    (void)stride;
    return 1;
}
#endif

/* Not inlined, because what it keeps on the stack would lie under the front end's, too. */
__attribute__((noinline)) static void infer(void) {
    pqk_detection detection;
    counters.front_end_ticks += lap();
    counters.inferences++;
    if (pqk_decide(&settings, latest_logits(), counters.samples, &detection)) {
        announce(&detection);
    }
    counters.network_ticks += lap();
}

static void end_frame(void) {
    counters.frames++;
    if (in_clip) {
        return;
    }
    run_if_due();
    if (--until_inference == 0) {
        until_inference = settings.stride;
        infer();
    }
}

void pqk_push(const int16_t *samples, uint32_t count) {
    lap();
    while (count) {
        int complete;
        const uint32_t taken = pqk_frames_take(samples, count, &complete);
        samples += taken;
        count -= taken;
        counters.samples += taken;
        if (complete) {
            end_frame();
        }
    }
    counters.front_end_ticks += lap();
}

void pqk_clip_begin(void) {
    forget();
    in_clip = 1;
}

void pqk_clip_end(void) {
    static const int16_t silence[SILENCE];
    while (counters.frames < PQK_FRAMES) {
        pqk_push(silence, SILENCE);
    }
}

/* value % divisor for divisors below 2^16, without the library's division of 64-bit numbers. */
static uint32_t modulo(uint64_t value, uint32_t divisor) {
    uint32_t rest = 0;
    for (int32_t shift = 48; shift >= 0; shift -= 16) {
        rest = (rest << 16 | (uint32_t)(value >> shift & 0xFFFFu)) % divisor;
    }
    return rest;
}

void pqk_get_settings(pqk_settings *out) {
    *out = settings;
}

int pqk_set_settings(const pqk_settings *wanted) {
    if (!pqk_settings_valid(wanted) || !stride_fits(wanted->stride)) {
        return 0;
    }
    settings = *wanted;
    pqk_decision_forget();
    /* Strides count from the first window, whenever they change. */
    if (counters.frames < PQK_FRAMES) {
        until_inference = PQK_FRAMES - (uint32_t)counters.frames;
    } else {
        until_inference = settings.stride - modulo(counters.frames - PQK_FRAMES, settings.stride);
    }
    return 1;
}
