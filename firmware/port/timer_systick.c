/* The processor's own timer (ARMv7-M ARM, B3.3): 24 bits, counts down. Its interrupt counts what
 * does not fit in them. */
#include "board.h"
#include "cpu.h"
#include "port.h"

typedef struct {
    volatile uint32_t control;
    volatile uint32_t reload;
    volatile uint32_t value;
} systick;

#define SYSTICK ((systick *)PQK_TIMER_BASE)

#define CONTROL_ENABLE 0x1u
#define CONTROL_INTERRUPT 0x2u
#define CONTROL_CORE_CLOCK 0x4u
#define BITS 24u
#define LARGEST ((1u << BITS) - 1u)

/* Interrupt Control and State Register (ARMv7-M ARM, B3.2.4). */
#define SCB_ICSR (*(volatile uint32_t *)0xE000ED04u)
#define ICSR_TICK_PENDING (1u << 26)

static volatile uint32_t wraps;

void pqk_port_timer_init(void) {
    SYSTICK->reload = LARGEST;
    SYSTICK->value = 0; /* any value clears it */
    SYSTICK->control = CONTROL_ENABLE | CONTROL_INTERRUPT | CONTROL_CORE_CLOCK;
}

void pqk_port_timer_interrupt(void) {
    wraps++;
}

/* While interrupts are masked, one that is pending counts; more than one would be lost. */
uint32_t pqk_port_timer_ticks(void) {
    uint32_t mask = pqk_cpu_mask_interrupts();
    uint32_t left = SYSTICK->value;
    uint32_t high = wraps;
    if (SCB_ICSR & ICSR_TICK_PENDING) {
        high++;
        left = SYSTICK->value; /* the first one may be from before */
    }
    pqk_cpu_restore_interrupts(mask);
    return (high << BITS) +
           ((0u - left) & LARGEST); /* the interrupt comes with 0, a tick later all is left */
}
