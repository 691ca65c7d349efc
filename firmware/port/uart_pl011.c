/* PL011 UART (Arm DDI 0183, "Programmer's model"): sixteen bytes of buffer each way. Clocks and
 * pins are the board file's business. */
#include "board.h"
#include "cpu.h"
#include "port.h"
#include "ring.h"

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

static void ask_for_bytes(int wanted) {
    INTERRUPT_MASK = wanted ? INTERRUPT_RX | INTERRUPT_RX_TIMEOUT : 0;
}

void pqk_uart_init(void) {
    CONTROL = 0;
    BAUD_INTEGER = (uint32_t)(DIVIDER / 64u);
    BAUD_FRACTION = (uint32_t)(DIVIDER % 64u);
    LINE_CONTROL = LINE_8_BITS | LINE_BUFFERED; /* takes over the divider */
    CONTROL = CONTROL_ENABLE | CONTROL_TX_ENABLE | CONTROL_RX_ENABLE;
    ask_for_bytes(1);
    pqk_cpu_enable_interrupt(PQK_UART_IRQ);
}

static int received(void) {
    return !(FLAGS & FLAG_RX_EMPTY);
}

/* With the ring full bytes stay in the UART, and its interrupt, which would come again and again,
 * is off until pqk_uart_read has made room. */
void pqk_uart_interrupt(void) {
    while (!pqk_ring_full() && received()) {
        pqk_ring_put((uint8_t)DATA);
    }
    ask_for_bytes(!pqk_ring_full());
}

int32_t pqk_uart_read(void) {
    int32_t byte = -1;
    uint32_t mask = pqk_cpu_mask_interrupts();
    if (!pqk_ring_empty()) {
        byte = pqk_ring_take();
        ask_for_bytes(1);
    } else if (received()) {
        byte = (uint8_t)DATA;
    }
    pqk_cpu_restore_interrupts(mask);
    return byte;
}

void pqk_uart_write(const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        while (FLAGS & FLAG_TX_FULL) {
        }
        DATA = bytes[i];
    }
}

void pqk_uart_wait(void) {
    uint32_t mask = pqk_cpu_mask_interrupts(); /* else a byte could arrive between look and sleep */
    if (pqk_ring_empty() && !received()) {
        pqk_cpu_wait();
    }
    pqk_cpu_restore_interrupts(mask);
}
