/* Received bytes that nobody has read yet: the UART's interrupt puts them in, the main loop takes
 * them out. */
#ifndef PQK_RING_H
#define PQK_RING_H

#include <stdint.h>

int pqk_ring_empty(void);
int pqk_ring_full(void);

/* Only while there is room, and only from the interrupt. */
void pqk_ring_put(uint8_t byte);

/* The oldest byte; only while there is one, and never from the interrupt. */
uint8_t pqk_ring_take(void);

#endif
