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

#define RUBBISH 0xA5A5A5A5u
#define PRIME 16777619u

extern uint32_t pqk_arena[];
uint32_t pqk_arena[BATTERY_ARENA / 4] __attribute__((aligned(8)));

static uint32_t before[BATTERY_ARENA / 4];

static uint8_t *arena(uint32_t offset) {
    return (uint8_t *)pqk_arena + offset;
}

/* From here to `damage`, only what the step may touch can be touched without a report. */
static void prepare(const battery_case *test, const battery_step *step) {
    for (uint32_t i = 0; i < test->arena_bytes / 4; i++) {
        before[i] = pqk_arena[i];
    }
    FORBID(pqk_arena, sizeof pqk_arena);
    for (uint32_t i = 0; i < step->count; i++) {
        ALLOW(arena(step->regions[i].offset), step->regions[i].size);
    }
}

static uint32_t damage(const battery_case *test, const battery_step *step) {
    const battery_region *own = &step->regions[0];
    uint32_t count = 0;
    ALLOW(pqk_arena, sizeof pqk_arena);
    for (uint32_t i = 0; i < test->arena_bytes; i++) {
        if (i % 4 == 0 && pqk_arena[i / 4] == before[i / 4]) {
            i += 3; /* most words */
        } else if (*arena(i) != ((const uint8_t *)before)[i]) {
            count += i < own->offset || i >= own->offset + own->size;
        }
    }
    return count;
}

static void set_input(const battery_case *test, const uint8_t *clip) {
    const uint32_t half = test->input_bytes / 2;
    test->begin_input();
    test->set_input(0, clip, half);
    test->set_input(half, clip + half, test->input_bytes - half);
}

static uint32_t checksum(const uint8_t *bytes, uint32_t size, const uint8_t *mask) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < size; i++) {
        sum = (sum + (mask ? bytes[i] & mask[i] : bytes[i])) * PRIME;
    }
    return sum;
}

battery_result battery_run(const battery_case *test, uint32_t clip, uint32_t step) {
    const battery_step *what = &test->steps[step];
    if (step == 0) {
        for (uint32_t i = 0; i < test->arena_bytes / 4; i++) {
            pqk_arena[i] = RUBBISH;
        }
    }
    prepare(test, what);
    if (step == 0) {
        set_input(test, test->clips + clip * test->input_bytes);
    } else {
        test->run(step - 1);
    }
    battery_result result = {.damaged = damage(test, what)};
    result.written = arena(what->regions[0].offset);
    result.size = what->regions[0].size;
    result.is_right = checksum(result.written, result.size, what->mask) ==
                      test->checksums[clip * test->step_count + step];
    return result;
}
