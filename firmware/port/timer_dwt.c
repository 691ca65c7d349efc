/* Cycle counter of the Data Watchpoint and Trace unit (ARMv7-M ARM, C1.8): 32 bits, counts up at
 * the core's clock. Cortex-M3 and larger have it, Cortex-M0 has not, and not every emulator. */
#include "board.h"
#include "port.h"

#define CONTROL (*(volatile uint32_t *)PQK_TIMER_BASE)
#define CYCLES (*(volatile uint32_t *)(PQK_TIMER_BASE + 0x4u))
#define LOCK (*(volatile uint32_t *)(PQK_TIMER_BASE + 0xFB0u))

#define CONTROL_COUNT 0x1u
#define LOCK_KEY 0xC5ACCE55u /* a Cortex-M7 keeps its registers locked (CoreSight, "LAR") */

/* Debug Exception and Monitor Control Register: the unit is off until trace is let in. */
#define DEBUG_CONTROL (*(volatile uint32_t *)0xE000EDFCu)
#define DEBUG_CONTROL_TRACE (1u << 24)

void pqk_port_timer_init(void) {
    DEBUG_CONTROL |= DEBUG_CONTROL_TRACE;
    LOCK = LOCK_KEY;
    CYCLES = 0;
    CONTROL |= CONTROL_COUNT;
}

uint32_t pqk_port_timer_ticks(void) {
    return CYCLES;
}
