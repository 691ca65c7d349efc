/* One inference, measured: the input's way into the network's memory, then layer by layer. */
#ifndef PQK_INFER_H
#define PQK_INFER_H

#include <stdint.h>

#include "network.h"

/* Hands bytes of the input, from `offset` on, to the network. Offset 0 begins a new input; the
 * network may lay the bytes out as its first layer wants them. */
void pqk_take_input(uint32_t offset, const uint8_t *bytes, uint32_t count);

#if PQK_WITH_AUDIO
/* Hands the frames of the clip that pqk_clip_end has ended to the network. */
void pqk_take_clip(void);
#endif

/* Runs every layer on the input that was taken. Writes the timer ticks of each layer to `ticks`
 * (PQK_LAYERS entries) and returns the ticks of the whole: those that taking the input took, and
 * those from the first layer's start to the last one's end. Here and above the caller has the UART
 * wait (pqk_uart_hold), so that a number is the network's alone; a timer's interrupt may come, for
 * it may have to count. */
uint32_t pqk_infer(uint32_t *ticks);

#endif
