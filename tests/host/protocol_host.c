/* Runs the firmware's protocol on the host: bytes from stdin go in, replies go to stdout. The
 * network is a double, unless there is audio for a generated one. Where MLPerf Tiny's protocol is
 * spoken, too, stdin has pieces: their length and the ticks that pass after them, both u32, before
 * the bytes; the argument is the ticks that each look at the clock takes. */
#include <stdio.h>

#include "network.h"
#include "port.h"
#include "protocol.h"
#include "setup.h"
#include "timer.h"
#include "uart.h"
#include "usage.h"

static uint32_t clock_ticks;

#if PQK_WITH_AUDIO

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

uint32_t pqk_setup_stuck(void) {
    return 258;
}

int pqk_timer_moves(void) {
    return 1;
}

#if PQK_WITH_MLPERF

#include <stdlib.h>

#include "line.h"
#include "mlperf.h"

static uint32_t look_ticks;

uint32_t pqk_port_timer_ticks(void) {
    return clock_ticks += look_ticks;
}

static void receive_pieces(void) {
    uint32_t head[2];
    while (fread(head, sizeof head, 1, stdin) == 1) {
        for (uint32_t i = 0; i < head[0]; i++) {
            pqk_line_receive((uint8_t)getchar());
        }
        const int asleep = pqk_line_idle();
        clock_ticks += head[1];
        if (!asleep) {
            pqk_line_idle();
        }
    }
}

#else

uint32_t pqk_port_timer_ticks(void) {
    return clock_ticks;
}

#endif

void pqk_uart_hold(void) {
}

void pqk_uart_release(void) {
}

void pqk_uart_write(const uint8_t *bytes, uint32_t count) {
    fwrite(bytes, 1, count, stdout);
}

#if PQK_WITH_MLPERF

int main(int argc, char **argv) {
    look_ticks = argc > 1 ? (uint32_t)atol(argv[1]) : 0;
    pqk_audio_init();
    pqk_mlperf_begin();
    receive_pieces();
    return 0;
}

#else

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

#endif
