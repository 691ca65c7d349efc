/* What runs before main: the vector table and the reset handler. */
#include "board.h"
#include "cpu.h"
#include "fault.h"
#include "memory.h"
#include "port.h"
#include "stack.h"
#include "uart.h"

#define EXCEPTIONS 16u /* stack pointer, reset, and the processor's own (ARMv7-M ARM, B1.5.2) */

typedef void (*handler)(void);

typedef struct {
    uint32_t *stack;
    handler handlers[EXCEPTIONS - 1u + PQK_UART_IRQ + 1u];
} vector_table;

int main(void);
void pqk_reset(void);

/* Up to the one interrupt in use. An entry left empty leads to address 0 without the Thumb bit,
 * which is a usage fault and reported as one. */
extern const vector_table pqk_vectors;
__attribute__((section(".vectors"), used)) const vector_table pqk_vectors = {
    pqk_stack_top,
    {
        [0] = pqk_reset,
        [1] = pqk_fault_entry,           /* non-maskable interrupt */
        [2] = pqk_fault_entry,           /* hard fault */
        [3] = pqk_fault_entry,           /* memory management */
        [4] = pqk_fault_entry,           /* bus */
        [5] = pqk_fault_entry,           /* usage */
        [6] = pqk_fault_entry,           /* secure fault (ARMv8-M) */
        [10] = pqk_fault_entry,          /* supervisor call */
        [11] = pqk_fault_entry,          /* debug monitor */
        [13] = pqk_fault_entry,          /* pended service */
        [14] = pqk_port_timer_interrupt, /* system tick */
        [EXCEPTIONS - 1u + PQK_UART_IRQ] = pqk_uart_interrupt,
    },
};

/* Floating point and vectors (MVE) fault until they are let in, and the compiler may use them
 * anywhere: CPACR, full access to coprocessors 10 and 11 (Armv8-M ARM, "CPACR"). */
static inline void enable_vectors(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;
    __asm volatile("dsb\n\tisb" ::: "memory");
#endif
}

/* Whoever started the firmware, a boot loader for one, may have left another table in force: VTOR
 * (ARMv7-M ARM, B3.2.5). A Cortex-M0, which has no such register, ignores this. */
static inline void use_these_exceptions(void) {
    *(volatile uint32_t *)0xE000ED08u = (uint32_t)&pqk_vectors;
}

void pqk_reset(void) {
    use_these_exceptions();
    enable_vectors();
    const uint32_t *load = pqk_data_load;
    for (uint32_t *word = pqk_data_start; word < pqk_data_end; word++) {
        *word = *load++;
    }
    for (uint32_t *word = pqk_bss_start; word < pqk_bss_end; word++) {
        *word = 0;
    }
    pqk_cpu_trap_unaligned();
    pqk_stack_paint();
    main();
    for (;;) { /* main does not return */
    }
}
