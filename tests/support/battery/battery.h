/* Runs generated networks step by step in one arena and tells what a step has changed that is not
 * its own: guard bytes, inputs, buffers of other steps. tests/support/battery.py writes the cases.
 */
#ifndef BATTERY_H
#define BATTERY_H

#include <stdint.h>

#define BATTERY_REGIONS 4

/* Bytes of the arena. */
typedef struct {
    uint32_t offset;
    uint32_t size;
} battery_region;

/* What a step may touch: the first it writes, the others it reads. */
typedef struct {
    battery_region regions[BATTERY_REGIONS];
    uint32_t count;
    const uint8_t *mask; /* bits that mean something in what it writes; all do if it is 0 */
} battery_step;

/* Step 0 sets the input, step i runs step i - 1 of the network. */
typedef struct {
    uint32_t clip_count;
    const uint8_t *clips;
    const uint32_t *checksums; /* for each clip, of what every step writes */
    uint32_t input_bytes;
    uint32_t arena_bytes; /* a multiple of 4 */
    uint32_t step_count;
    const battery_step *steps;
    void (*begin_input)(void);
    void (*set_input)(uint32_t offset, const uint8_t *bytes, uint32_t n);
    void (*run)(uint32_t layer);
} battery_case;

extern const battery_case *const battery_cases[];

/* What a step did: how many bytes it changed outside of what it writes; what it has written. */
typedef struct {
    uint32_t damaged;
    uint32_t is_right;
    const uint8_t *written;
    uint32_t size;
} battery_result;

/* Runs a step; all of a clip in order. Step 0 fills the arena with rubbish first. */
battery_result battery_run(const battery_case *test, uint32_t clip, uint32_t step);

#endif
