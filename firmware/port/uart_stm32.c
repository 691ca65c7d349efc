/* USART of the STM32F1, F2 and F4 (ST RM0041 and RM0090, "USART"): one byte of buffer each way.
 * Clocks and pins are the board file's business. */
#include "board.h"
#include "cpu.h"
#include "port.h"
#include "ring.h"

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

void pqk_uart_init(void) {
    USART->divider = (PQK_UART_CLOCK + PQK_UART_BAUD / 2u) / PQK_UART_BAUD; /* sampled 16 times */
    USART->control = CONTROL_ENABLE | CONTROL_TX_ENABLE | CONTROL_RX_ENABLE | CONTROL_RX_INTERRUPT;
    pqk_cpu_enable_interrupt(PQK_UART_IRQ);
}

/* An overrun, too, asks for the interrupt, and goes when status and data have been read. */
static int received(void) {
    uint32_t status = USART->status;
    if ((status & STATUS_OVERRUN) && !(status & STATUS_RECEIVED)) {
        (void)USART->data;
    }
    return (status & STATUS_RECEIVED) != 0;
}

/* With the ring full the byte stays in the USART, and its interrupt, which would come again and
 * again, is not delivered until pqk_uart_read has made room. */
void pqk_uart_interrupt(void) {
    while (!pqk_ring_full() && received()) {
        pqk_ring_put((uint8_t)USART->data);
    }
    if (pqk_ring_full()) {
        pqk_cpu_disable_interrupt(PQK_UART_IRQ);
    }
}

int32_t pqk_uart_read(void) {
    int32_t byte = -1;
    uint32_t mask = pqk_cpu_mask_interrupts();
    if (!pqk_ring_empty()) {
        byte = pqk_ring_take();
        pqk_cpu_enable_interrupt(PQK_UART_IRQ);
    } else if (received()) {
        byte = (uint8_t)USART->data;
    }
    pqk_cpu_restore_interrupts(mask);
    return byte;
}

void pqk_uart_write(const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        while (!(USART->status & STATUS_TX_EMPTY)) {
        }
        USART->data = bytes[i];
    }
}

void pqk_uart_wait(void) {
    uint32_t mask = pqk_cpu_mask_interrupts(); /* else a byte could arrive between look and sleep */
    if (pqk_ring_empty() && !received()) {
        pqk_cpu_wait();
    }
    pqk_cpu_restore_interrupts(mask);
}
