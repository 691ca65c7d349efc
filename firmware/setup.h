/* What the board's clocks and pins need. */
#ifndef PQK_SETUP_H
#define PQK_SETUP_H

#include <stdint.h>

/* Sets the registers that the board's TOML file lists, in its order. Waits for what a step waits
 * for, but not for ever. */
void pqk_setup(void);

/* The first step, counted from 1, that waited for what is needed and never came; 0 when there was
 * none. What the board's file says of its clock may then not be so. */
uint32_t pqk_setup_stuck(void);

#endif
