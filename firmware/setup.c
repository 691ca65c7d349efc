#include "setup.h"

#include "board.h"

static uint32_t stuck;

#ifdef PQK_SETUP

#include "cpu.h"

/* Looks at a register before it is taken for one that never gets there: a crystal or a PLL is
 * steady after milliseconds, and these last longer on every core, 10 ms and more. A firmware that
 * hung here would be silent. One that goes on runs from whatever clock the chip kept: it says so
 * where the host understands it all the same, and a debugger finds it in its loop. */
#define LOOKS 1000000u

typedef struct {
    uint32_t address, clear, set, wait, needed;
} step;

static const step steps[] = {PQK_SETUP};

static int gets_there(const volatile uint32_t *place, uint32_t bits) {
    for (uint32_t i = 0; i < LOOKS; i++) {
        if ((*place & bits) == bits) {
            return 1;
        }
    }
    return 0;
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
        if (!gets_there(place, steps[i].wait) && steps[i].needed && !stuck) {
            stuck = i + 1u;
        }
    }
}

#else /* all is ready after reset */

void pqk_setup(void) {
}

#endif

uint32_t pqk_setup_stuck(void) {
    return stuck;
}
