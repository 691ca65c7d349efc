#include "setup.h"

#include <stdint.h>

#include "board.h"

#ifdef PQK_SETUP

typedef struct {
    uint32_t address, clear, set, wait;
} step;

static const step steps[] = {PQK_SETUP};

void pqk_setup(void) {
    for (uint32_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        volatile uint32_t *place = (volatile uint32_t *)steps[i].address;
        if (steps[i].clear | steps[i].set) {
            *place = (*place & ~steps[i].clear) | steps[i].set;
        }
        while ((*place & steps[i].wait) != steps[i].wait) {
        }
    }
}

#else /* all is ready after reset */

void pqk_setup(void) {
}

#endif
