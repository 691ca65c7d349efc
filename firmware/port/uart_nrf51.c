/* nRF51 UART (nRF51 Series Reference Manual, "UART"): six bytes of buffer on reception, one on
 * transmission. */
#include "board.h"
#include "cpu.h"
#include "port.h"
#include "ring.h"

#ifndef PQK_UART_TX_PIN
#error "uart.pins must name the pins for transmission and reception"
#endif

#define REGISTER(base, offset) (*(volatile uint32_t *)((base) + (offset)))

#define TASKS_STARTRX REGISTER(PQK_UART_BASE, 0x000u)
#define TASKS_STARTTX REGISTER(PQK_UART_BASE, 0x008u)
#define EVENTS_RXDRDY REGISTER(PQK_UART_BASE, 0x108u)
#define EVENTS_TXDRDY REGISTER(PQK_UART_BASE, 0x11Cu)
#define INTENSET REGISTER(PQK_UART_BASE, 0x304u)
#define INTENCLR REGISTER(PQK_UART_BASE, 0x308u)
#define ENABLE REGISTER(PQK_UART_BASE, 0x500u)
#define PSELTXD REGISTER(PQK_UART_BASE, 0x50Cu)
#define PSELRXD REGISTER(PQK_UART_BASE, 0x514u)
#define RXD REGISTER(PQK_UART_BASE, 0x518u)
#define TXD REGISTER(PQK_UART_BASE, 0x51Cu)
#define BAUDRATE REGISTER(PQK_UART_BASE, 0x524u)

#define ENABLE_UART 4u
#define INTERRUPT_RXDRDY (1u << 2)

/* Share of 2^32, rounded to the 20 bits that count: gives the values of the manual's table. */
#define BAUD_SHARE (((uint64_t)PQK_UART_BAUD << 32) / PQK_UART_CLOCK)
#define BAUD_VALUE ((uint32_t)((BAUD_SHARE + 0x800u) & 0xFFFFF000u))

#define GPIO_BASE 0x50000000u
#define GPIO_OUTSET REGISTER(GPIO_BASE, 0x508u)
#define GPIO_DIRSET REGISTER(GPIO_BASE, 0x518u)
#define GPIO_PIN_CNF(pin) REGISTER(GPIO_BASE, 0x700u + 4u * (pin))
#define PIN_CNF_INPUT 0u

void pqk_uart_init(void) {
    GPIO_OUTSET = 1u << PQK_UART_TX_PIN; /* the line idles high */
    GPIO_DIRSET = 1u << PQK_UART_TX_PIN;
    GPIO_PIN_CNF(PQK_UART_RX_PIN) = PIN_CNF_INPUT;
    PSELTXD = PQK_UART_TX_PIN;
    PSELRXD = PQK_UART_RX_PIN;
    BAUDRATE = BAUD_VALUE;
    ENABLE = ENABLE_UART;
    EVENTS_RXDRDY = 0;
    EVENTS_TXDRDY = 0;
    INTENSET = INTERRUPT_RXDRDY;
    TASKS_STARTTX = 1;
    TASKS_STARTRX = 1;
    pqk_cpu_enable_interrupt(PQK_UART_IRQ);
}

/* The event is cleared before the byte is fetched: the next byte sets it again at once. */
static uint8_t receive(void) {
    EVENTS_RXDRDY = 0;
    return (uint8_t)RXD;
}

/* With the ring full the bytes stay in the UART, and its interrupt, which would come again and
 * again, is off until pqk_uart_read has made room. */
void pqk_uart_interrupt(void) {
    while (EVENTS_RXDRDY && !pqk_ring_full()) {
        pqk_ring_put(receive());
    }
    if (pqk_ring_full()) {
        INTENCLR = INTERRUPT_RXDRDY;
    }
}

int32_t pqk_uart_read(void) {
    if (!pqk_ring_empty()) {
        uint8_t byte = pqk_ring_take();
        INTENSET = INTERRUPT_RXDRDY;
        return byte;
    }
    int32_t byte = -1;
    uint32_t mask = pqk_cpu_mask_interrupts();
    if (pqk_ring_empty() && EVENTS_RXDRDY) {
        byte = receive();
    }
    pqk_cpu_restore_interrupts(mask);
    return byte;
}

void pqk_uart_write(const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        EVENTS_TXDRDY = 0;
        TXD = bytes[i];
        while (!EVENTS_TXDRDY) {
        }
    }
}

void pqk_uart_wait(void) {
    uint32_t mask = pqk_cpu_mask_interrupts(); /* else a byte could arrive between look and sleep */
    if (pqk_ring_empty() && !EVENTS_RXDRDY) {
        pqk_cpu_wait();
    }
    pqk_cpu_restore_interrupts(mask);
}
