/* USART and LPUART of newer STM32: F0, F3, F7, G, H, L, U, W (ST RM0432, "USART" and "LPUART"),
 * without their FIFOs: one byte of buffer each way. Clocks and pins are the board file's business.
 */
#include "board.h"
#include "port.h"

typedef struct {
    volatile uint32_t control[3];
    volatile uint32_t divider;
    volatile uint32_t unused[3];
    volatile uint32_t status;
    volatile uint32_t clear;
    volatile uint32_t received;
    volatile uint32_t sent;
} stm32_usart;

#define USART ((stm32_usart *)PQK_UART_BASE)

#define CONTROL_ENABLE (1u << 0)
#define CONTROL_RX_ENABLE (1u << 2)
#define CONTROL_TX_ENABLE (1u << 3)
#define CONTROL_RX_INTERRUPT (1u << 5)
#define STATUS_OVERRUN (1u << 3)
#define STATUS_RECEIVED (1u << 5)
#define STATUS_TX_EMPTY (1u << 7)

void pqk_port_uart_init(void) {
    USART->divider = (PQK_UART_CLOCK + PQK_UART_BAUD / 2u) / PQK_UART_BAUD;
    USART->control[0] =
        CONTROL_ENABLE | CONTROL_TX_ENABLE | CONTROL_RX_ENABLE | CONTROL_RX_INTERRUPT;
}

/* An overrun asks for the interrupt, too, until it is cleared. */
int pqk_port_uart_received(void) {
    uint32_t status = USART->status;
    if (status & STATUS_OVERRUN) {
        USART->clear = STATUS_OVERRUN;
    }
    return (status & STATUS_RECEIVED) != 0;
}

uint8_t pqk_port_uart_take(void) {
    return (uint8_t)USART->received;
}

void pqk_port_uart_send(uint8_t byte) {
    while (!(USART->status & STATUS_TX_EMPTY)) {
    }
    USART->sent = byte;
}
