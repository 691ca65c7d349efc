/* nRF51 UART (nRF51 Series Reference Manual, "UART"): six bytes of buffer on reception, one on
 * transmission. The nRF52's is the same; an nRF52840 has a second port, whose pins count from 32
 * (nRF52840 Product Specification, "GPIO" and "UART"). */
#include "board.h"
#include "port.h"

#ifndef PQK_UART_TX_PIN
#error "uart.pins must name the pins for transmission and reception"
#endif

#define REGISTER(base, offset) (*(volatile uint32_t *)((base) + (offset)))

#define TASKS_STARTRX REGISTER(PQK_UART_BASE, 0x000u)
#define TASKS_STARTTX REGISTER(PQK_UART_BASE, 0x008u)
#define EVENTS_RXDRDY REGISTER(PQK_UART_BASE, 0x108u)
#define EVENTS_TXDRDY REGISTER(PQK_UART_BASE, 0x11Cu)
#define INTENSET REGISTER(PQK_UART_BASE, 0x304u)
#define ENABLE REGISTER(PQK_UART_BASE, 0x500u)
#define PSELTXD REGISTER(PQK_UART_BASE, 0x50Cu)
#define PSELRXD REGISTER(PQK_UART_BASE, 0x514u)
#define RXD REGISTER(PQK_UART_BASE, 0x518u)
#define TXD REGISTER(PQK_UART_BASE, 0x51Cu)
#define BAUDRATE REGISTER(PQK_UART_BASE, 0x524u)

#define ENABLE_OFF 0u
#define ENABLE_UART 4u
#define INTERRUPT_RXDRDY (1u << 2)

/* The clock is divided by a whole number: by 2^32 over the register's value, cut off. So are all
 * actual rates in Nordic's table (nrf52840_bitfields.h), where the value for 460800 baud divides by
 * 34 and gives 470588. Here the divider is rounded; 20 bits of the value count. */
#define BAUD_DIVIDER ((PQK_UART_CLOCK + PQK_UART_BAUD / 2u) / PQK_UART_BAUD)
#define BAUD_VALUE ((uint32_t)(0x100000000ull / BAUD_DIVIDER) & 0xFFFFF000u)

#define GPIO_BASE(pin) (0x50000000u + 0x300u * ((pin) / 32u))
#define GPIO_OUTSET(pin) REGISTER(GPIO_BASE(pin), 0x508u)
#define GPIO_DIRSET(pin) REGISTER(GPIO_BASE(pin), 0x518u)
#define GPIO_PIN_CNF(pin) REGISTER(GPIO_BASE(pin), 0x700u + 4u * ((pin) % 32u))
#define GPIO_BIT(pin) (1u << ((pin) % 32u))
#define PIN_CNF_PULL_UP (3u << 2)

/* A boot loader may have left it on, and pins can be chosen only while it is off. */
void pqk_port_uart_init(void) {
    ENABLE = ENABLE_OFF;
    GPIO_OUTSET(PQK_UART_TX_PIN) = GPIO_BIT(PQK_UART_TX_PIN); /* the line idles high */
    GPIO_DIRSET(PQK_UART_TX_PIN) = GPIO_BIT(PQK_UART_TX_PIN);
    GPIO_PIN_CNF(PQK_UART_RX_PIN) = PIN_CNF_PULL_UP; /* an input that idles unconnected, too */
    PSELTXD = PQK_UART_TX_PIN;
    PSELRXD = PQK_UART_RX_PIN;
    BAUDRATE = BAUD_VALUE;
    ENABLE = ENABLE_UART;
    EVENTS_RXDRDY = 0;
    EVENTS_TXDRDY = 0;
    INTENSET = INTERRUPT_RXDRDY;
    TASKS_STARTTX = 1;
    TASKS_STARTRX = 1;
}

int pqk_port_uart_received(void) {
    return EVENTS_RXDRDY != 0;
}

/* The event is cleared before the byte is fetched: the next byte sets it again at once. */
uint8_t pqk_port_uart_take(void) {
    EVENTS_RXDRDY = 0;
    return (uint8_t)RXD;
}

void pqk_port_uart_send(uint8_t byte) {
    EVENTS_TXDRDY = 0;
    TXD = byte;
    while (!EVENTS_TXDRDY) {
    }
}
