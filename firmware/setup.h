/* What the board's clocks and pins need. */
#ifndef PQK_SETUP_H
#define PQK_SETUP_H

/* Sets the registers that the board's TOML file lists, in its order. Waits for what a step waits
 * for, but not for ever. */
void pqk_setup(void);

#endif
