/* One inference, measured layer by layer. */
#ifndef PQK_INFER_H
#define PQK_INFER_H

#include <stdint.h>

/* Runs every layer on the input that was set. Writes the timer ticks of each layer to `ticks`
 * (PQK_LAYERS entries) and returns the ticks from the first layer's start to the last one's end.
 * Interrupts wait until the end, so that a number is the network's alone. */
uint32_t pqk_infer(uint32_t *ticks);

#endif
