/* CMSDK APB UART (Arm DDI 0479, "APB UART"): one byte of buffer each way. */
#include "board.h"
#include "port.h"

typedef struct {
    volatile uint32_t data;
    volatile uint32_t state;
    volatile uint32_t control;
    volatile uint32_t interrupt; /* reads as status, writing ones clears */
    volatile uint32_t divider;
} cmsdk_uart;

#define UART ((cmsdk_uart *)PQK_UART_BASE)

#define STATE_TX_FULL 0x1u
#define STATE_RX_FULL 0x2u
#define CONTROL_TX_ENABLE 0x1u
#define CONTROL_RX_ENABLE 0x2u
#define CONTROL_RX_INTERRUPT 0x8u
#define INTERRUPT_RX 0x2u

void pqk_port_uart_init(void) {
    UART->divider = PQK_UART_CLOCK / PQK_UART_BAUD;
    UART->control = CONTROL_TX_ENABLE | CONTROL_RX_ENABLE | CONTROL_RX_INTERRUPT;
}

int pqk_port_uart_received(void) {
    return (UART->state & STATE_RX_FULL) != 0;
}

/* The interrupt is cleared before the byte is fetched: the next byte sets it again at once. */
uint8_t pqk_port_uart_take(void) {
    UART->interrupt = INTERRUPT_RX;
    return (uint8_t)UART->data;
}

void pqk_port_uart_send(uint8_t byte) {
    while (UART->state & STATE_TX_FULL) {
    }
    UART->data = byte;
}
