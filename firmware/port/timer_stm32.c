/* General-purpose timer of the STM32 (ST RM0090, "General-purpose timers"): counts up, 32 bits
 * wide, which TIM2 and TIM5 are. Its clock is the board file's business. */
#include "board.h"
#include "port.h"

#define REGISTER(offset) (*(volatile uint32_t *)(PQK_TIMER_BASE + (offset)))

#define CONTROL REGISTER(0x00u)
#define EVENT REGISTER(0x14u)
#define COUNTER REGISTER(0x24u)
#define PRESCALER REGISTER(0x28u)
#define RELOAD REGISTER(0x2Cu)

#define CONTROL_ENABLE 0x1u
#define EVENT_UPDATE 0x1u /* takes over prescaler and reload, and begins at 0 */

void pqk_port_timer_init(void) {
    PRESCALER = PQK_TIMER_PRESCALER - 1u;
    RELOAD = 0xFFFFFFFFu;
    EVENT = EVENT_UPDATE;
    CONTROL = CONTROL_ENABLE;
}

uint32_t pqk_port_timer_ticks(void) {
    return COUNTER;
}
