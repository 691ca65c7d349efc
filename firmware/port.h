/* The port: everything the firmware asks of a board. One driver file for the UART and one for the
 * timer, chosen by the board's TOML file; a host test supplies its own.
 */
#ifndef PQK_PORT_H
#define PQK_PORT_H

#include <stdint.h>

/* 8N1, no flow control, with an interrupt while there is a received byte, at the latest when the
 * line pauses. */
void pqk_port_uart_init(void);

/* Whether there is a received byte, and that byte. Asking also clears whatever keeps the UART from
 * receiving more, such as an overrun. */
int pqk_port_uart_received(void);
uint8_t pqk_port_uart_take(void);

/* Returns when the byte has been handed to the hardware. */
void pqk_port_uart_send(uint8_t byte);

/* A free-running counter, up, modulo 2^32. It may stand still while the core sleeps. */
void pqk_port_timer_init(void);
uint32_t pqk_port_timer_ticks(void);

/* The handler of the processor's own timer. A driver that uses another leaves it out. */
void pqk_port_timer_interrupt(void);

#endif
