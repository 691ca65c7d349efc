/* CMSDK APB UART (Arm DDI 0479, "APB UART"): one byte of buffer each way. */
#include "board.h"
#include "cpu.h"
#include "port.h"
#include "ring.h"

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

void pqk_uart_init(void) {
    UART->divider = PQK_UART_CLOCK / PQK_UART_BAUD;
    UART->control = CONTROL_TX_ENABLE | CONTROL_RX_ENABLE | CONTROL_RX_INTERRUPT;
    pqk_cpu_enable_interrupt(PQK_UART_IRQ);
}

/* With the ring full the byte stays in the UART: an emulator then holds the next ones back, and
 * pqk_uart_read fetches it once the ring is empty. */
void pqk_uart_interrupt(void) {
    UART->interrupt = INTERRUPT_RX;
    while ((UART->state & STATE_RX_FULL) && !pqk_ring_full()) {
        pqk_ring_put((uint8_t)UART->data);
    }
}

int32_t pqk_uart_read(void) {
    if (!pqk_ring_empty()) {
        return pqk_ring_take();
    }
    int32_t byte = -1;
    uint32_t mask = pqk_cpu_mask_interrupts();
    if (pqk_ring_empty() && (UART->state & STATE_RX_FULL)) {
        byte = (uint8_t)UART->data;
    }
    pqk_cpu_restore_interrupts(mask);
    return byte;
}

void pqk_uart_write(const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        while (UART->state & STATE_TX_FULL) {
        }
        UART->data = bytes[i];
    }
}

void pqk_uart_wait(void) {
    uint32_t mask = pqk_cpu_mask_interrupts(); /* else a byte could arrive between look and sleep */
    if (pqk_ring_empty() && !(UART->state & STATE_RX_FULL)) {
        pqk_cpu_wait();
    }
    pqk_cpu_restore_interrupts(mask);
}
