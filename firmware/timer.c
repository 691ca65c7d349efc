#include "timer.h"

#include "port.h"

#define LOOKS 10000u /* many times a microsecond on any core */

int pqk_timer_moves(void) {
    uint32_t first = pqk_port_timer_ticks();
    for (uint32_t i = 0; i < LOOKS; i++) {
        if (pqk_port_timer_ticks() != first) {
            return 1;
        }
    }
    return 0;
}
