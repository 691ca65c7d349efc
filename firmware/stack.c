#include "stack.h"

#include "memory.h"

#define PAINT 0xA5A5A5A5u
#define OWN_WORDS 16u /* the compiler may save registers after the stack pointer was read */

void pqk_stack_paint(void) {
    uint32_t *pointer;
    __asm volatile("mov %0, sp" : "=r"(pointer));
    for (uint32_t *word = pqk_stack_bottom; word < pointer - OWN_WORDS; word++) {
        *word = PAINT;
    }
}

uint32_t pqk_stack_high_water(void) {
    const uint32_t *word = pqk_stack_bottom;
    while (word < pqk_stack_top && *word == PAINT) {
        word++;
    }
    return (uint32_t)((uintptr_t)pqk_stack_top - (uintptr_t)word);
}
