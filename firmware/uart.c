/* Reception by interrupt into the ring, whatever the UART. */
#include "uart.h"
#include "board.h"
#include "cpu.h"
#include "port.h"
#include "ring.h"

void pqk_uart_begin(void) {
    pqk_port_uart_init();
    pqk_cpu_enable_interrupt(PQK_UART_IRQ);
}

static volatile int held_back; /* the ring was full; asking the controller for every byte costs */

/* With the ring full the next byte stays in the UART, which then holds back or loses what follows.
 * Its interrupt, which would come again and again, is not delivered until there is room. */
void pqk_uart_interrupt(void) {
    while (!pqk_ring_full() && pqk_port_uart_received()) {
        pqk_ring_put(pqk_port_uart_take());
    }
    if (pqk_ring_full()) {
        held_back = 1;
        pqk_cpu_disable_interrupt(PQK_UART_IRQ);
    }
}

static void let_in(void) {
    if (held_back) {
        held_back = 0;
        pqk_cpu_enable_interrupt(PQK_UART_IRQ);
    }
}

int32_t pqk_uart_read(void) {
    int32_t byte = -1;
    uint32_t mask = pqk_cpu_mask_interrupts();
    if (!pqk_ring_empty()) {
        byte = pqk_ring_take();
        let_in();
    } else if (pqk_port_uart_received()) {
        byte = pqk_port_uart_take();
    }
    pqk_cpu_restore_interrupts(mask);
    return byte;
}

void pqk_uart_write(const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        pqk_port_uart_send(bytes[i]);
    }
}

void pqk_uart_hold(void) {
    pqk_cpu_disable_interrupt(PQK_UART_IRQ);
}

void pqk_uart_release(void) {
    pqk_cpu_enable_interrupt(PQK_UART_IRQ);
}

void pqk_uart_wait(void) {
    uint32_t mask = pqk_cpu_mask_interrupts(); /* else a byte could arrive between look and sleep */
    if (pqk_ring_empty() && !pqk_port_uart_received()) {
        pqk_cpu_wait();
    }
    pqk_cpu_restore_interrupts(mask);
}
