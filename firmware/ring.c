#include "ring.h"

#include "board.h"

#if PQK_RING_BYTES & (PQK_RING_BYTES - 1u)
#error "uart.ring must be a power of two, so that the free-running indices may wrap"
#endif

static uint8_t ring[PQK_RING_BYTES];
static volatile uint32_t written;
static volatile uint32_t taken;

int pqk_ring_empty(void) {
    return taken == written;
}

int pqk_ring_full(void) {
    return written - taken >= PQK_RING_BYTES;
}

void pqk_ring_put(uint8_t byte) {
    uint32_t place = written;
    ring[place % PQK_RING_BYTES] = byte;
    written = place + 1;
}

uint8_t pqk_ring_take(void) {
    uint32_t place = taken;
    uint8_t byte = ring[place % PQK_RING_BYTES];
    taken = place + 1;
    return byte;
}
