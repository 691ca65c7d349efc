#include "usage.h"

#include "memory.h"
#include "stack.h"

static uint32_t distance(const void *from, const void *to) {
    return (uint32_t)((uintptr_t)to - (uintptr_t)from);
}

pqk_memory_usage pqk_usage(void) {
    pqk_memory_usage usage = {
        .flash = distance(pqk_flash_start, pqk_flash_end),
        .ram = distance(pqk_stack_bottom, pqk_stack_top) + distance(pqk_data_start, pqk_data_end) +
               distance(pqk_bss_start, pqk_bss_end),
        .stack = distance(pqk_stack_bottom, pqk_stack_top),
        .stack_high_water = pqk_stack_high_water(),
    };
    return usage;
}
