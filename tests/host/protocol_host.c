/* Runs the firmware's protocol on the host: bytes from stdin go in, replies go to stdout. The
 * network is a double, unless there is audio for a generated one. */
#include <stdio.h>

#include "network.h"
#include "port.h"
#include "protocol.h"
#include "timer.h"
#include "uart.h"
#include "usage.h"

static uint32_t clock_ticks;

#if PQK_AUDIO

#include "audio.h"

#else

static uint8_t input[PQK_INPUT_BYTES];
static int32_t logits[PQK_OUTPUTS];

void pqk_network_begin_input(void) {
    for (uint32_t i = 0; i < PQK_INPUT_BYTES; i++) {
        input[i] = 0;
    }
}

void pqk_network_set_input(uint32_t offset, const uint8_t *bytes, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        input[offset + i] = bytes[i]; /* the sanitizer notices what the protocol let through */
    }
}

void pqk_network_run_layer(uint32_t layer) {
    if (layer == 0) {
        logits[0] = 0;
        for (uint32_t i = 0; i < PQK_INPUT_BYTES; i++) {
            logits[0] += input[i];
        }
        logits[1] = -logits[0];
        logits[2]++;
    }
    clock_ticks += 10u * (layer + 1u);
}

const int32_t *pqk_network_logits(void) {
    return logits;
}

static void pqk_audio_init(void) {
}

#endif

pqk_memory_usage pqk_usage(void) {
    pqk_memory_usage usage = {.flash = 1, .ram = 2, .stack = 3, .stack_high_water = 4};
    return usage;
}

int pqk_timer_moves(void) {
    return 1;
}

uint32_t pqk_timer_ticks(void) {
    return clock_ticks;
}

void pqk_uart_hold(void) {
}

void pqk_uart_release(void) {
}

void pqk_uart_write(const uint8_t *bytes, uint32_t count) {
    fwrite(bytes, 1, count, stdout);
}

int main(int argc, char **argv) {
    (void)argv;
    pqk_audio_init();
    for (int byte = getchar(); byte != EOF; byte = getchar()) {
        pqk_protocol_receive((uint8_t)byte);
    }
    if (argc > 1) {
        const pqk_fault fault = {1, 2, 3, 4, 5, 6, 7, 8, 9};
        pqk_protocol_send_fault(&fault);
    }
    return 0;
}
