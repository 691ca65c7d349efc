/* CMSDK APB timer (Arm DDI 0479, "APB timer"): a 32-bit down counter, here free-running. */
#include "board.h"
#include "port.h"

typedef struct {
    volatile uint32_t control;
    volatile uint32_t value;
    volatile uint32_t reload;
    volatile uint32_t interrupt;
} cmsdk_timer;

#define TIMER ((cmsdk_timer *)PQK_TIMER_BASE)

#define CONTROL_ENABLE 0x1u

void pqk_port_timer_init(void) {
    TIMER->control = 0;
    TIMER->reload = 0xFFFFFFFFu;
    TIMER->value = 0xFFFFFFFFu;
    TIMER->control = CONTROL_ENABLE;
}

uint32_t pqk_port_timer_ticks(void) {
    return ~TIMER->value;
}
