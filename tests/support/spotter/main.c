/* A spotter driven by commands on stdin, each a letter and binary values; see support/spotting.py.
 * The source is included so that a test can be where a stream gets after days. */
#include "pqk_spotter.c"

#include <stdio.h>
#include <stdlib.h>

static uint32_t ticks;

static uint32_t tick(void) {
    return ticks += 0x10000001u;
}

static void take(void *to, size_t count) {
    if (fread(to, 1, count, stdin) != count) {
        abort();
    }
}

/* The samples lie in a block of their own size, so that the sanitizer notices a read beyond it. */
static void push(void) {
    uint32_t count;
    take(&count, sizeof count);
    int16_t *const samples = malloc(count * sizeof *samples + 1u);
    take(samples, count * sizeof *samples);
    pqk_push(samples, count);
    free(samples);
}

static void set(void) {
    pqk_settings wanted;
    take(wanted.thresholds, sizeof wanted.thresholds);
    take(&wanted.smoothing, sizeof wanted.smoothing);
    take(&wanted.stride, sizeof wanted.stride);
    take(&wanted.refractory, sizeof wanted.refractory);
    printf("set %d\n", pqk_set_settings(&wanted));
}

static void get(void) {
    pqk_settings now;
    pqk_get_settings(&now);
    printf("settings %d %d %u", now.smoothing, now.stride, (unsigned)now.refractory);
    for (uint32_t i = 0; i < PQK_OUTPUTS; i++) {
        printf(" %d", now.thresholds[i]);
    }
    printf("\n");
}

static void jump(void) {
    uint64_t samples, frames;
    take(&samples, sizeof samples);
    take(&frames, sizeof frames);
    counters.samples += samples;
    counters.frames += frames;
}

static void print_piece(uint32_t offset, const uint8_t *bytes, uint32_t count) {
    (void)offset;
    for (uint32_t i = 0; i < count; i++) {
        printf("%02x", bytes[i]);
    }
}

static void window(void) {
    printf("window ");
    pqk_frames_read(print_piece);
    printf("\nlogits");
    const int32_t *logits = pqk_window_logits();
    for (uint32_t i = 0; i < PQK_OUTPUTS; i++) {
        printf(" %ld", (long)logits[i]);
    }
    printf("\n");
}

static void poll_all(void) {
    pqk_detection found;
    while (pqk_poll(&found)) {
        printf("detection %u %u %llu\n", (unsigned)found.word, (unsigned)found.score,
               (unsigned long long)found.samples);
    }
}

static void count(void) {
    const pqk_counters now = *pqk_get_counters();
    printf("counters %llu %llu %llu %llu %llu %u\n", (unsigned long long)now.samples,
           (unsigned long long)now.frames, (unsigned long long)now.inferences,
           (unsigned long long)now.front_end_ticks, (unsigned long long)now.network_ticks,
           (unsigned)now.dropped);
}

static void clock_on(void) {
    pqk_set_clock(tick);
}

int main(void) {
    static void (*const commands[256])(void) = {
        ['i'] = pqk_init, ['p'] = push,           ['s'] = set,          ['g'] = get,
        ['j'] = jump,     ['w'] = window,         ['d'] = poll_all,     ['c'] = count,
        ['t'] = clock_on, ['b'] = pqk_clip_begin, ['e'] = pqk_clip_end,
    };
    for (int letter = getchar(); letter != EOF; letter = getchar()) {
        if (!commands[letter]) {
            abort();
        }
        commands[letter]();
    }
    return 0;
}
