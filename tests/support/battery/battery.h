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
} battery_step;

typedef struct {
    uint32_t input_bytes;
    uint32_t steps;           /* without the one that sets the input */
    const battery_step *step; /* the first one sets the input */
    void (*begin_input)(void);
    void (*set_input)(uint32_t offset, const uint8_t *bytes, uint32_t n);
    void (*run)(uint32_t step);
} battery_case;

extern const battery_case *const battery_cases[];

/* Fills the arena with rubbish and sets the input. Returns the number of bytes changed elsewhere.
 */
uint32_t battery_begin(const battery_case *test, const uint8_t *clip);

/* Runs step `index`, from 0 on. Returns the number of bytes changed outside of what it writes. */
uint32_t battery_run(const battery_case *test, uint32_t index);

/* What step `index` has written; -1 for the input. */
const uint8_t *battery_written(const battery_case *test, int32_t index, uint32_t *size);

#endif
