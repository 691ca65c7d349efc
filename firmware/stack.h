/* How deep the stack has ever been: it is painted at reset and looked at later. */
#ifndef PQK_STACK_H
#define PQK_STACK_H

#include <stdint.h>

/* Fills what is free of the stack with a pattern. */
void pqk_stack_paint(void);

/* Bytes from the stack's top to the deepest word that no longer holds the pattern. */
uint32_t pqk_stack_high_water(void);

#endif
