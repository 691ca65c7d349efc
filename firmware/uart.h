/* The serial line, on top of the port's UART. */
#ifndef PQK_UART_H
#define PQK_UART_H

#include <stdint.h>

/* Reception is by interrupt into a ring, so nothing is lost while the main loop is busy, up to the
 * ring's size. */
void pqk_uart_begin(void);

/* The next received byte, or -1 when there is none. Works with interrupts masked, too. */
int32_t pqk_uart_read(void);

/* Sends `count` bytes; returns when the last one has been handed to the hardware. */
void pqk_uart_write(const uint8_t *bytes, uint32_t count);

/* From `hold` to `release` received bytes wait in the UART, and no interrupt comes between, so that
 * what is timed there is exact. What a UART cannot hold is lost: see uart.in_flight in the board's
 * file. */
void pqk_uart_hold(void);
void pqk_uart_release(void);

/* Sleeps until there may be a byte to read. */
void pqk_uart_wait(void);

/* The interrupt handler that the vector table names. */
void pqk_uart_interrupt(void);

#endif
