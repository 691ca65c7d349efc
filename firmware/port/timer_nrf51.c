/* nRF51 TIMER (nRF51 Series Reference Manual, "TIMER"): free-running at 16 MHz, 32 bits wide,
 * which only TIMER0 is. */
#include "board.h"
#include "port.h"

#define REGISTER(base, offset) (*(volatile uint32_t *)((base) + (offset)))

#define TASKS_START REGISTER(PQK_TIMER_BASE, 0x000u)
#define TASKS_STOP REGISTER(PQK_TIMER_BASE, 0x004u)
#define TASKS_CLEAR REGISTER(PQK_TIMER_BASE, 0x00Cu)
#define TASKS_CAPTURE REGISTER(PQK_TIMER_BASE, 0x040u)
#define MODE REGISTER(PQK_TIMER_BASE, 0x504u)
#define BITMODE REGISTER(PQK_TIMER_BASE, 0x508u)
#define PRESCALER REGISTER(PQK_TIMER_BASE, 0x510u)
#define CAPTURED REGISTER(PQK_TIMER_BASE, 0x540u)

#define MODE_TIMER 0u
#define BITMODE_32 3u

void pqk_port_timer_init(void) {
    TASKS_STOP = 1;
    MODE = MODE_TIMER;
    BITMODE = BITMODE_32;
    PRESCALER = 0;
    TASKS_CLEAR = 1;
    TASKS_START = 1;
}

uint32_t pqk_port_timer_ticks(void) {
    TASKS_CAPTURE = 1;
    return CAPTURED;
}
