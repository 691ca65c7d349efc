/* Cycle counter of the FPGA system control and I/O block of MPS2 and MPS3 boards (Arm DAI 0547,
 * "FPGA system control and I/O"): 32 bits, counts up, behind a prescaler. */
#include "board.h"
#include "port.h"

#define COUNTER (*(volatile uint32_t *)(PQK_TIMER_BASE + 0x18u))
#define PRESCALE (*(volatile uint32_t *)(PQK_TIMER_BASE + 0x1Cu))

void pqk_port_timer_init(void) {
    PRESCALE = 0; /* every tick counts */
    COUNTER = 0;
}

uint32_t pqk_port_timer_ticks(void) {
    return COUNTER;
}
