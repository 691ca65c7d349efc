/* A test double of a generated network. Its logits are the sum of the input bytes, the sum of each
 * byte times its position modulo 251, and the number of times it has run; the first input byte
 * chooses an accident, and the second how long layer 1 spins.
 */
#include "network.h"

static const uint8_t pqk_w_table[256] = {1, 2, 3};

uint8_t pqk_arena[PQK_ARENA_BYTES];
static int32_t logits[PQK_OUTPUTS];
static int32_t runs;

void pqk_network_begin_input(void) {
    for (uint32_t i = 0; i < PQK_INPUT_BYTES; i++) {
        pqk_arena[i] = 0;
    }
}

void pqk_network_set_input(uint32_t offset, const uint8_t *bytes, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        pqk_arena[offset + i] = bytes[i];
    }
}

/* Exactly 2 instructions a turn, on every core. */
static void spin(uint32_t turns) {
    __asm volatile(".syntax unified\n1:\n\tsubs %0, #1\n\tbne 1b" : "+l"(turns)::"cc");
}

/* Deeper than any stack, however memory beyond it answers. */
static uint32_t overflow(uint32_t depth) {
    volatile uint32_t kept[8];
    kept[0] = depth;
    return depth == 0 ? 0 : overflow(depth - 1u) + kept[0];
}

static void accident(uint8_t kind) {
    if (kind == 0xF0u) { /* a read where there is no memory */
        logits[0] = *(volatile int32_t *)0x3F000004u;
    } else if (kind == 0xF1u) {
        __asm volatile("udf #0");
    } else if (kind == 0xF2u) {
        logits[0] = (int32_t)overflow(10000u + pqk_w_table[pqk_arena[1]]);
    } else if (kind == 0xF4u) { /* in assembly: the compiler would take four bytes where it must */
        __asm volatile(".syntax unified\n\tldr %0, [%1]"
                       : "=l"(logits[0])
                       : "l"((uintptr_t)pqk_arena | 1u));
    } else if (kind == 0xF5u) { /* no accident, but long */
        spin(75u * 1000u * 1000u);
    } else if (kind == 0xF3u) { /* asks the debugger for a reset: AIRCR.SYSRESETREQ */
        *(volatile uint32_t *)0xE000ED0Cu = 0x05FA0004u;
        for (;;) {
        }
    }
}

void pqk_network_run_layer(uint32_t layer) {
    if (layer == 0) {
        accident(pqk_arena[0]);
        logits[0] = 0;
        logits[1] = 0;
        for (uint32_t i = 0; i < PQK_INPUT_BYTES; i++) {
            logits[0] += pqk_arena[i];
            logits[1] += (int32_t)(pqk_arena[i] * (i % 251u));
        }
    } else if (layer == 1) {
        spin(1000u * (1u + pqk_arena[1]));
    } else {
        logits[2] = ++runs;
    }
}

const int32_t *pqk_network_logits(void) {
    return logits;
}
