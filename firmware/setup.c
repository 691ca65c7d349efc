#include "setup.h"

#include <stdint.h>

#include "board.h"

#ifdef PQK_SETUP

#include "cpu.h"

/* Looks at a register before it is taken for one that never gets there: a crystal or a PLL is
 * steady after milliseconds, and these last longer on every core, 10 ms and more. A firmware that
 * hung here would be silent. One that goes on runs from whatever clock the chip kept: a debugger
 * finds it in its loop, and where only the core's clock is another one, the host hears garbage. */
#define LOOKS 1000000u

typedef struct {
    uint32_t address, clear, set, wait;
} step;

static const step steps[] = {PQK_SETUP};

static void wait(const volatile uint32_t *place, uint32_t bits) {
    for (uint32_t i = 0; i < LOOKS && (*place & bits) != bits; i++) {
    }
}

/* What a step has written has arrived before the next one: a peripheral that gets its clock by one
 * step may be written to by the next. */
void pqk_setup(void) {
    for (uint32_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        volatile uint32_t *place = (volatile uint32_t *)steps[i].address;
        if (steps[i].clear | steps[i].set) {
            *place = (*place & ~steps[i].clear) | steps[i].set;
            pqk_cpu_barrier();
        }
        wait(place, steps[i].wait);
    }
}

#else /* all is ready after reset */

void pqk_setup(void) {
}

#endif
