/* CMSDK APB UART (Arm DDI 0479, "APB UART"): one byte of buffer each way. */
#include "board.h"
#include "cpu.h"
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

#define RING_BYTES 1024u /* a power of two, so that the free-running indices may wrap */

static uint8_t ring[RING_BYTES];
static volatile uint32_t ring_written;
static volatile uint32_t ring_read;

void pqk_uart_init(void) {
    UART->divider = PQK_UART_CLOCK / PQK_UART_BAUD;
    UART->control = CONTROL_TX_ENABLE | CONTROL_RX_ENABLE | CONTROL_RX_INTERRUPT;
    pqk_cpu_enable_interrupt(PQK_UART_IRQ);
}

/* With the ring full the byte stays in the UART: an emulator then holds the next ones back, and
 * pqk_uart_read fetches it once the ring is empty. */
void pqk_uart_interrupt(void) {
    UART->interrupt = INTERRUPT_RX;
    uint32_t written = ring_written;
    if ((UART->state & STATE_RX_FULL) && written - ring_read < RING_BYTES) {
        ring[written % RING_BYTES] = (uint8_t)UART->data;
        ring_written = written + 1;
    }
}

int32_t pqk_uart_read(void) {
    uint32_t read = ring_read;
    if (read != ring_written) {
        uint8_t byte = ring[read % RING_BYTES];
        ring_read = read + 1;
        return byte;
    }
    int32_t byte = -1;
    uint32_t mask = pqk_cpu_mask_interrupts();
    if (ring_read == ring_written && (UART->state & STATE_RX_FULL)) {
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
    if (ring_read == ring_written && !(UART->state & STATE_RX_FULL)) {
        pqk_cpu_wait();
    }
    pqk_cpu_restore_interrupts(mask);
}
