/* PL011 UART (Arm DDI 0183, "Programmer's model"): sixteen bytes of buffer each way or, as in the
 * RP2040 and RP2350, 32. Clocks and pins are the board file's business. */
#include "board.h"
#include "port.h"

#define REGISTER(offset) (*(volatile uint32_t *)(PQK_UART_BASE + (offset)))

#define DATA REGISTER(0x00u)
#define FLAGS REGISTER(0x18u)
#define BAUD_INTEGER REGISTER(0x24u)
#define BAUD_FRACTION REGISTER(0x28u) /* in 64ths */
#define LINE_CONTROL REGISTER(0x2Cu)
#define CONTROL REGISTER(0x30u)
#define INTERRUPT_MASK REGISTER(0x38u)

#define FLAG_RX_EMPTY (1u << 4)
#define FLAG_TX_FULL (1u << 5)
#define LINE_BUFFERED (1u << 4)
#define LINE_8_BITS (3u << 5)
#define CONTROL_ENABLE (1u << 0)
#define CONTROL_TX_ENABLE (1u << 8)
#define CONTROL_RX_ENABLE (1u << 9)
#define INTERRUPT_RX (1u << 4)         /* the buffer has filled up to a level */
#define INTERRUPT_RX_TIMEOUT (1u << 6) /* or something has lain in it for a while */

/* The clock is divided by 16 times the baud rate, in 64ths. */
#define DIVIDER ((PQK_UART_CLOCK * 4ull + PQK_UART_BAUD / 2u) / PQK_UART_BAUD)

void pqk_port_uart_init(void) {
    CONTROL = 0;
    BAUD_INTEGER = (uint32_t)(DIVIDER / 64u);
    BAUD_FRACTION = (uint32_t)(DIVIDER % 64u);
    LINE_CONTROL = LINE_8_BITS | LINE_BUFFERED; /* takes over the divider */
    CONTROL = CONTROL_ENABLE | CONTROL_TX_ENABLE | CONTROL_RX_ENABLE;
    INTERRUPT_MASK = INTERRUPT_RX | INTERRUPT_RX_TIMEOUT;
}

int pqk_port_uart_received(void) {
    return !(FLAGS & FLAG_RX_EMPTY);
}

uint8_t pqk_port_uart_take(void) {
    return (uint8_t)DATA;
}

void pqk_port_uart_send(uint8_t byte) {
    while (FLAGS & FLAG_TX_FULL) {
    }
    DATA = byte;
}
