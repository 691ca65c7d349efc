/* USART of the STM32F1, F2 and F4 (ST RM0041 and RM0090, "USART"): one byte of buffer each way.
 * Clocks and pins are the board file's business. */
#include "board.h"
#include "port.h"

typedef struct {
    volatile uint32_t status;
    volatile uint32_t data;
    volatile uint32_t divider;
    volatile uint32_t control;
} stm32_usart;

#define USART ((stm32_usart *)PQK_UART_BASE)

#define STATUS_OVERRUN (1u << 3)
#define STATUS_RECEIVED (1u << 5)
#define STATUS_TX_EMPTY (1u << 7)
#define CONTROL_RX_ENABLE (1u << 2)
#define CONTROL_TX_ENABLE (1u << 3)
#define CONTROL_RX_INTERRUPT (1u << 5)
#define CONTROL_ENABLE (1u << 13)

void pqk_port_uart_init(void) {
    USART->divider = (PQK_UART_CLOCK + PQK_UART_BAUD / 2u) / PQK_UART_BAUD; /* sampled 16 times */
    USART->control = CONTROL_ENABLE | CONTROL_TX_ENABLE | CONTROL_RX_ENABLE | CONTROL_RX_INTERRUPT;
}

/* An overrun, too, asks for the interrupt, and goes when status and data have been read. */
int pqk_port_uart_received(void) {
    uint32_t status = USART->status;
    if ((status & STATUS_OVERRUN) && !(status & STATUS_RECEIVED)) {
        (void)USART->data;
    }
    return (status & STATUS_RECEIVED) != 0;
}

uint8_t pqk_port_uart_take(void) {
    return (uint8_t)USART->data;
}

void pqk_port_uart_send(uint8_t byte) {
    while (!(USART->status & STATUS_TX_EMPTY)) {
    }
    USART->data = byte;
}
