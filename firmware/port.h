/* The port: everything the firmware asks of a board. One driver file for the UART and one for the
 * timer, chosen by the board's TOML file; a host test supplies its own.
 */
#ifndef PQK_PORT_H
#define PQK_PORT_H

#include <stdint.h>

/* 8N1, no flow control. Reception is by interrupt into a ring, so nothing is lost while the main
 * loop is busy, up to the ring's size. */
void pqk_uart_init(void);

/* The next received byte, or -1 when there is none. Works with interrupts masked, too. */
int32_t pqk_uart_read(void);

/* Sends `count` bytes; returns when the last one has been handed to the hardware. */
void pqk_uart_write(const uint8_t *bytes, uint32_t count);

/* Sleeps until there may be a byte to read. */
void pqk_uart_wait(void);

/* The interrupt handler that the vector table names. */
void pqk_uart_interrupt(void);

/* A free-running counter, up, modulo 2^32. */
void pqk_timer_init(void);
uint32_t pqk_timer_ticks(void);

/* The handler of the processor's own timer. A driver that uses another leaves it out. */
void pqk_timer_interrupt(void);

#endif
