#include "battery.h"

#include "cases.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define FORBID(start, bytes) ASAN_POISON_MEMORY_REGION(start, bytes)
#define ALLOW(start, bytes) ASAN_UNPOISON_MEMORY_REGION(start, bytes)
#else
#define FORBID(start, bytes) (void)(start), (void)(bytes)
#define ALLOW(start, bytes) (void)(start), (void)(bytes)
#endif

#define RUBBISH 0xA5u

extern uint32_t pqk_arena[];
uint32_t pqk_arena[BATTERY_ARENA / 4] __attribute__((aligned(8)));

static uint8_t before[BATTERY_ARENA];

static uint8_t *arena(uint32_t offset) {
    return (uint8_t *)pqk_arena + offset;
}

/* From here to `after`, only what the step may touch can be touched without a report. */
static void prepare(const battery_step *step) {
    for (uint32_t i = 0; i < BATTERY_ARENA; i++) {
        before[i] = *arena(i);
    }
    FORBID(pqk_arena, sizeof pqk_arena);
    for (uint32_t i = 0; i < step->count; i++) {
        ALLOW(arena(step->regions[i].offset), step->regions[i].size);
    }
}

static uint32_t damage(const battery_step *step) {
    const battery_region *own = &step->regions[0];
    uint32_t count = 0;
    ALLOW(pqk_arena, sizeof pqk_arena);
    for (uint32_t i = 0; i < BATTERY_ARENA; i++) {
        count += *arena(i) != before[i] && (i < own->offset || i >= own->offset + own->size);
    }
    return count;
}

uint32_t battery_begin(const battery_case *test, const uint8_t *clip) {
    for (uint32_t i = 0; i < BATTERY_ARENA; i++) {
        *arena(i) = RUBBISH;
    }
    prepare(&test->step[0]);
    test->begin_input();
    test->set_input(0, clip, test->input_bytes / 2);
    test->set_input(test->input_bytes / 2, clip + test->input_bytes / 2,
                    test->input_bytes - test->input_bytes / 2);
    return damage(&test->step[0]);
}

uint32_t battery_run(const battery_case *test, uint32_t index) {
    const battery_step *step = &test->step[1 + index];
    prepare(step);
    test->run(index);
    return damage(step);
}

const uint8_t *battery_written(const battery_case *test, int32_t index, uint32_t *size) {
    const battery_region *written = &test->step[1 + index].regions[0];
    *size = written->size;
    return arena(written->offset);
}
