/* What may come over the wire, tried on the firmware's own sources by libFuzzer: reception, frames,
 * requests, and behind them a small generated network, with or without front end and spotter, and
 * with or without MLPerf Tiny's text on the same line (text_fuzz.c). This file is the port under
 * them, the host at the other end of the line, and the judge.
 *
 * Random bytes never pass a CRC. So an input's first byte says how to read the rest: bit 0 set, as
 * bytes of the line; otherwise as a list of operations (see `operate`), of which most put a frame
 * with a right CRC on the line. Bit 1 says HELLO before all.
 *
 * Every input begins with the memory that a reset leaves, which startup.c would have made: the
 * sections of the firmware's variables are copied back. A HELLO in its place would leave counters,
 * settings and the decoder's rest of a frame, and an input that fails would not fail alone.
 *
 * The judge follows the rules of protocol.h: the device carries out the next number only, answers
 * the last one again with the same bytes, and names the next one where a frame is damaged or ahead.
 * It knows frames as they are on the line, or, where there is text beside them, as line.c hands
 * them to the protocol.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board.h"
#include "cpu.h"
#include "fuzz.h"
#include "line.h"
#include "network.h"
#include "port.h"
#include "protocol.h"
#include "setup.h"
#include "timer.h"
#include "uart.h"
#include "usage.h"

#if PQK_WITH_AUDIO
#include "audio.h"
#endif

#if PQK_WITH_MLPERF
#include "mlperf.h"
#endif

#define HEADER_BYTES 4u
#define CRC_BYTES 2u
#define FRAME_BYTES (HEADER_BYTES + PQK_LARGEST_PAYLOAD + CRC_BYTES)
#define MOST_BYTES 65536u               /* on the line for one input, and what was begun before */
#define MOST_PAYLOAD (2u * FRAME_BYTES) /* of what is sent: twice as much as is taken */
#define ROOM (MOST_BYTES + 4u * MOST_PAYLOAD)
#define LOOK_TICKS 3u /* of a look at the clock */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void check(int right, const char *what) {
    if (!right) {
        fprintf(stderr, "the firmware is wrong: %s\n", what);
        abort();
    }
}

/* ---- Frames, written again, so that the firmware is not its own judge ---- */

/* One direction of the line, since the last delimiter. */
typedef struct {
    uint8_t bytes[ROOM];
    uint32_t count;
} direction;

static uint32_t crc16(const uint8_t *bytes, uint32_t count) {
    uint32_t crc = 0;
    for (uint32_t i = 0; i < count; i++) {
        crc ^= (uint32_t)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc << 1 ^ (crc & 0x8000u ? 0x1021u : 0)) & 0xFFFFu;
        }
    }
    return crc;
}

/* Undoes the stuffing in place. Returns the length of what was between two delimiters, or 0 where
 * that is no frame. */
static uint32_t decoded(direction *from) {
    uint8_t *const bytes = from->bytes;
    uint32_t length = 0;
    for (uint32_t place = 0; place < from->count;) {
        const uint32_t code = bytes[place];
        if (place + code > from->count) {
            return 0;
        }
        memmove(bytes + length, bytes + place + 1, code - 1);
        length += code - 1;
        place += code;
        if (code < 255 && place < from->count) {
            bytes[length++] = 0;
        }
    }
    if (length < HEADER_BYTES + CRC_BYTES || bytes[0] == 0) {
        return 0;
    }
    const uint32_t body = length - CRC_BYTES;
    return crc16(bytes, body) == (bytes[body] | (uint32_t)bytes[body + 1] << 8) ? length : 0;
}

/* Writes the frame of `count` bytes, CRC included, and its delimiter; returns how many bytes. */
static uint32_t encoded(const uint8_t *frame, uint32_t count, uint8_t *out) {
    uint32_t code = 0, length = 1;
    for (uint32_t i = 0; i < count; i++) {
        if (length - code == 255) {
            out[code] = 255;
            code = length++;
        }
        if (frame[i]) {
            out[length++] = frame[i];
        } else {
            out[code] = (uint8_t)(length - code);
            code = length++;
        }
    }
    out[code] = (uint8_t)(length - code);
    out[length++] = 0;
    return length;
}

/* ---- The judge ---- */

static direction to_device, from_device;

/* Since the last reset. */
static struct {
    uint8_t asked[65536]; /* by sequence number: there was such a request */
    uint32_t requests;
    uint32_t hellos; /* not answered yet */
    uint32_t runs;
    uint32_t dropped;
    uint32_t replies;
    int in_reply;  /* it has begun */
    uint32_t type; /* of the last reply */
    uint32_t next_sequence;
    int session;    /* HELLO was answered, and no other version since */
    int repeatable; /* `last_reply` is what the request before that one got */
    uint32_t repetitions;
    uint32_t inferences; /* as STATS says */
    uint32_t stats_dropped;
} seen;

static FILE *replies_file; /* what the device says, where PQK_FUZZ_REPLIES names a file */

/* A request, or damage, is complete on the line. */
static void note_request(void) {
    const uint32_t length = decoded(&to_device);
    const uint8_t *const bytes = to_device.bytes;
    if (length == 0 || length > FRAME_BYTES) {
        seen.dropped++;
        return;
    }
    seen.requests++;
    seen.hellos += bytes[1] == PQK_HELLO;
    seen.runs += bytes[1] == PQK_RUN;
    seen.asked[bytes[2] | bytes[3] << 8] = 1;
}

static void note_byte(uint8_t byte) {
    if (byte) {
        to_device.bytes[to_device.count++] = byte;
    } else if (to_device.count) { /* two zeros in a row are nothing */
        note_request();
        to_device.count = 0;
    }
}

static uint32_t number(const uint8_t *bytes, uint32_t count) {
    uint32_t value = 0;
    for (uint32_t i = 0; i < count; i++) {
        value |= (uint32_t)bytes[i] << 8 * i;
    }
    return value;
}

/* What the last request got that was carried out. */
static uint8_t last_reply[ROOM];
static uint32_t last_length;

/* A reply to the next request, or to the last one again. */
static void judge_order(uint32_t sequence, uint32_t length) {
    const uint8_t *const bytes = from_device.bytes;
    if (sequence == seen.next_sequence) {
        seen.next_sequence = (sequence + 1u) % 65536u;
        seen.repeatable = 1;
        memcpy(last_reply, bytes, length);
        last_length = length;
        return;
    }
    check((sequence + 1u) % 65536u == seen.next_sequence && seen.repeatable,
          "a request that is neither the next nor the last");
    check(length == last_length && !memcmp(bytes, last_reply, length), "another reply than before");
    seen.repetitions++;
}

/* The bytes of a frame. */
static void judge_reply(uint32_t length) {
    const uint8_t *const bytes = from_device.bytes, *const payload = bytes + HEADER_BYTES;
    const uint32_t sequence = number(bytes + 2, 2);
    const uint32_t code = bytes[1] == PQK_ERROR ? number(payload, 2) : 0;
    check(bytes[0] == PQK_PROTOCOL_VERSION, "the version of a reply");
    check(bytes[1] & PQK_REPLY && bytes[1] != PQK_FAULT, "the type of a reply");
    check(++seen.replies <= seen.requests + seen.dropped, "more replies than frames");
    check(seen.asked[sequence] || code == PQK_ERROR_ORDER, "a reply to what nobody asked");
    seen.type = bytes[1];
    if (seen.type == (PQK_HELLO | PQK_REPLY)) {
        check(seen.hellos-- > 0, "a HELLO that nobody asked for");
        seen.next_sequence = number(payload, 2);
        seen.session = 1;
        seen.repeatable = 0;
    } else if (code == PQK_ERROR_ORDER) {
        check(sequence == seen.next_sequence, "a number that is not the next");
    } else if (code == PQK_ERROR_VERSION) {
        seen.session = 0;
    } else if (code != PQK_ERROR_SESSION) {
        judge_order(sequence, length);
    }
    if (seen.type == (PQK_STATS | PQK_REPLY)) {
        seen.inferences = number(payload + 4, 4);
        seen.stats_dropped = number(payload + 8, 4);
    }
}

/* Between frames. */
static void note_other(uint8_t byte) {
#if PQK_WITH_MLPERF
    judge_text_byte(byte);
#else
    (void)byte;
    check(0, "something between frames");
#endif
}

static void note_end_of_reply(void) {
    const uint32_t length = decoded(&from_device);
    check(length != 0, "what it sends is no frame");
    judge_reply(length);
    from_device.count = 0;
}

/* A zero begins a frame, and one ends it. */
static void note_reply(uint8_t byte) {
    if (seen.in_reply && byte) {
        check(from_device.count < ROOM, "a reply without an end");
        from_device.bytes[from_device.count++] = byte;
    } else if (seen.in_reply) {
        seen.in_reply = 0;
        note_end_of_reply();
    } else if (byte) {
        note_other(byte);
    } else {
        seen.in_reply = 1;
#if PQK_WITH_MLPERF
        check(text_is_whole(), "a frame within text");
#endif
    }
}

/* ---- The port ---- */

/* What is still to arrive; in a burst, also while the firmware is at work. */
static uint8_t line[ROOM];
static uint32_t line_start, line_end;
static int burst;

static uint8_t uart_byte;
static int uart_full; /* `uart_byte` has arrived and nobody took it: the line waits */
static int uart_interrupt;
static uint32_t masked;
static uint64_t clock_ticks;

static void interrupt_if_due(void) {
    if (uart_full && uart_interrupt && !masked) {
        pqk_uart_interrupt();
    }
}

static void note_arrival(uint8_t byte) {
#if PQK_WITH_MLPERF
    note_text_byte(byte);
#else
    note_byte(byte);
#endif
}

static void arrive(void) {
    if (line_start < line_end && !uart_full) {
        uart_byte = line[line_start++];
        uart_full = 1;
        note_arrival(uart_byte);
    }
    interrupt_if_due();
}

void pqk_port_uart_init(void) {
}

int pqk_port_uart_received(void) {
    return uart_full;
}

uint8_t pqk_port_uart_take(void) {
    check(uart_full, "it takes a byte that has not arrived");
    uart_full = 0;
    return uart_byte;
}

void pqk_port_uart_send(uint8_t byte) {
    if (replies_file) {
        fputc(byte, replies_file);
    }
    note_reply(byte);
    if (burst) {
        arrive();
    }
}

uint32_t pqk_port_timer_ticks(void) {
    if (burst) {
        arrive();
    }
    clock_ticks += LOOK_TICKS;
    return (uint32_t)clock_ticks;
}

uint64_t ticks(void) {
    return clock_ticks;
}

int pqk_timer_moves(void) {
    return 1;
}

uint32_t pqk_cpu_mask_interrupts(void) {
    const uint32_t before = masked;
    masked = 1;
    return before;
}

void pqk_cpu_restore_interrupts(uint32_t mask) {
    masked = mask;
    interrupt_if_due();
}

void pqk_cpu_wait(void) {
    check(!uart_full, "it sleeps although a byte has arrived");
    check(uart_interrupt, "it sleeps and no byte can wake it");
}

void pqk_cpu_enable_interrupt(uint32_t irq) {
    uart_interrupt |= irq == PQK_UART_IRQ;
    interrupt_if_due();
}

void pqk_cpu_disable_interrupt(uint32_t irq) {
    uart_interrupt &= irq != PQK_UART_IRQ;
}

uint32_t pqk_setup_stuck(void) {
    return 0;
}

pqk_memory_usage pqk_usage(void) {
    const pqk_memory_usage usage = {.flash = 1, .ram = 2, .stack = 3, .stack_high_water = 4};
    return usage;
}

/* ---- Within the firmware; the linker sends the calls here (--wrap) ---- */

void __real_pqk_network_set_input(uint32_t offset, const uint8_t *bytes, uint32_t n);
void __wrap_pqk_network_set_input(uint32_t offset, const uint8_t *bytes, uint32_t n);
void __real_pqk_network_run_layer(uint32_t layer);
void __wrap_pqk_network_run_layer(uint32_t layer);

void __wrap_pqk_network_set_input(uint32_t offset, const uint8_t *bytes, uint32_t n) {
    check(offset <= PQK_INPUT_BYTES && n <= PQK_INPUT_BYTES - offset, "input beyond its end");
    __real_pqk_network_set_input(offset, bytes, n);
}

void __wrap_pqk_network_run_layer(uint32_t layer) {
    check(layer < PQK_LAYERS, "a layer that is not there");
    __real_pqk_network_run_layer(layer);
    clock_ticks += PQK_TIMER_HZ;
#if PQK_WITH_MLPERF
    judge_time();
#endif
}

#if PQK_WITH_MLPERF

void __real_pqk_protocol_receive(uint8_t byte);
void __wrap_pqk_protocol_receive(uint8_t byte);

void __wrap_pqk_protocol_receive(uint8_t byte) {
    note_byte(byte);
    __real_pqk_protocol_receive(byte);
}

#endif

/* ---- The line ---- */

static uint32_t waiting; /* requests on the line with the next number and those after it */

/* As main.c does, until there is nothing more to read. */
static void main_loop(void) {
    for (int32_t byte = pqk_uart_read(); byte >= 0; byte = pqk_uart_read()) {
        pqk_line_receive((uint8_t)byte);
        if (burst) {
            arrive();
        }
    }
    if (pqk_line_idle()) {
        pqk_uart_wait();
    }
}

void put_on_line(const uint8_t *bytes, uint32_t count) {
    memcpy(line + line_end, bytes, count);
    line_end += count;
}

/* All that is on the line arrives. In a burst the main loop comes to its turn only when the UART
 * can take no more. */
void run_line(void) {
    while (line_start < line_end) {
        arrive();
        if (uart_full || !burst) {
            main_loop();
        }
    }
    main_loop(); /* for what a burst has left in the ring */
    burst = 0;
    waiting = 0;
}

void pass(uint32_t count) {
    clock_ticks += count;
    main_loop();
}

/* ---- Operations ---- */

uint32_t take(source *in, uint32_t count) {
    uint32_t value = 0;
    for (uint32_t i = 0; i < count && in->left; i++) {
        value |= (uint32_t)*in->bytes++ << 8 * i;
        in->left--;
    }
    return value;
}

static uint8_t frame[HEADER_BYTES + MOST_PAYLOAD + CRC_BYTES];
static uint8_t last_sent[2u * sizeof frame];
static uint32_t last_count;
static uint32_t follows[256]; /* by type: the position at which the last accepted payload ended */

/* The next number and those after it, the last one, one near it, or any. */
static uint32_t sequence_of(source *in, uint32_t flags) {
    switch (flags & 3u) {
    case 0:
        return seen.next_sequence + waiting++;
    case 1:
        return seen.next_sequence - 1u;
    case 2:
        return seen.next_sequence + (uint32_t)(int8_t)take(in, 1);
    default:
        return take(in, 2);
    }
}

/* What INPUT, CLIP and STREAM begin with: 0, where the last one ended, or near that. */
static uint32_t position_of(source *in, uint32_t type, uint32_t flags) {
    switch (flags >> 2 & 3u) {
    case 1:
        return 0;
    case 2:
        return follows[type];
    default:
        return follows[type] + (uint32_t)(int8_t)take(in, 1);
    }
}

/* Flags of a request: two bits for `sequence_of`, two for `position_of` (0: the payload is all the
 * input's own), and */
#define DAMAGED 0x10u /* one byte on the line is another one */
#define OTHER_VERSION 0x20u
#define CUT 0x40u      /* the line ends early */
#define REPEATED 0x80u /* the payload's bytes come again and again up to a length */

/* Makes the payload in `frame` and returns its length. */
static uint32_t payload_of(source *in, uint32_t type, uint32_t flags) {
    uint8_t *const payload = frame + HEADER_BYTES;
    uint32_t length = 0;
    if (flags >> 2 & 3u) {
        const uint32_t position = position_of(in, type, flags);
        for (; length < 4u; length++) {
            payload[length] = (uint8_t)(position >> 8 * length);
        }
    }
    const uint32_t whole = flags & REPEATED ? take(in, 2) % MOST_PAYLOAD : 0;
    const uint32_t start = length, own = take(in, 1) % (MOST_PAYLOAD - start);
    for (; length < start + own; length++) {
        payload[length] = (uint8_t)take(in, 1);
    }
    for (; own && length < whole; length++) {
        payload[length] = payload[length - own];
    }
    return length;
}

static uint32_t end_of(uint32_t type, const uint8_t *payload, uint32_t length) {
    const uint32_t head = type == PQK_STREAM ? 8u : 4u;
    const uint32_t own = length < head ? 0 : length - head;
    return number(payload, 4) + (type == PQK_INPUT ? own : own / 2u);
}

/* With `more` to come before it arrives it is taken to be accepted. */
static void send_request(source *in, int more) {
    const uint32_t type = take(in, 1), flags = take(in, 1), sequence = sequence_of(in, flags);
    frame[0] = flags & OTHER_VERSION ? (uint8_t)take(in, 1) : PQK_PROTOCOL_VERSION;
    frame[1] = (uint8_t)type;
    frame[2] = (uint8_t)sequence;
    frame[3] = (uint8_t)(sequence >> 8);
    const uint32_t length = payload_of(in, type, flags), body = HEADER_BYTES + length;
    const uint32_t crc = crc16(frame, body);
    frame[body] = (uint8_t)crc;
    frame[body + 1u] = (uint8_t)(crc >> 8);
    last_count = encoded(frame, body + CRC_BYTES, last_sent);
    if (flags & DAMAGED) {
        const uint32_t place = take(in, 2) % last_count;
        last_sent[place] ^= (uint8_t)take(in, 1);
    }
    if (flags & CUT) {
        last_count = take(in, 2) % last_count;
    }
    put_on_line(last_sent, last_count);
    const uint32_t end = end_of(type, frame + HEADER_BYTES, length);
    if (more) {
        follows[type] = end;
        return;
    }
    seen.type = 0;
    run_line();
    if (seen.type == (type | PQK_REPLY)) {
        follows[type] = end;
    }
}

static void send_raw(source *in) {
    uint8_t raw[255];
    const uint32_t count = take(in, 1);
    for (uint32_t i = 0; i < count; i++) {
        raw[i] = (uint8_t)take(in, 1);
    }
    put_on_line(raw, count);
}

/* An operation's first byte: what to do in the lowest two bits (a request for 2, and for 3 where
 * there is no text); bit 2 where the next one is on the line before this one is carried out, so
 * that all arrive in a burst. */
static void operate(source *in) {
    const uint32_t what = take(in, 1);
    const int more = (what & 4u) != 0 && in->left;
    burst |= more;
    switch (what & 3u) {
    case 0:
        send_raw(in);
        break;
    case 1:
        put_on_line(last_sent, last_count); /* a host that has heard nothing */
        break;
#if PQK_WITH_MLPERF
    case 3:
        operate_text(in);
        break;
#endif
    default:
        send_request(in, more);
    }
    if (!more) {
        run_line();
    }
}

/* ---- One input ---- */

/* Of the variables of all firmware; the linker sets them. */
extern uint8_t __start_pqk_data[], __stop_pqk_data[], __start_pqk_bss[], __stop_pqk_bss[];

static uint8_t *initial_data;

/* Volatile, or the compiler would call memcpy and memset, which mind the gaps of the sanitizer. */
#define ACROSS_GAPS __attribute__((no_sanitize("address")))

ACROSS_GAPS static void copy(volatile uint8_t *to, const uint8_t *from, size_t count) {
    for (size_t i = 0; i < count; i++) {
        to[i] = from[i];
    }
}

ACROSS_GAPS static void clear(volatile uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bytes[i] = 0;
    }
}

static void reset(void) {
    memset(&seen, 0, sizeof seen);
    memset(follows, 0, sizeof follows);
    to_device.count = from_device.count = last_count = 0;
    line_start = line_end = waiting = 0;
    burst = uart_full = uart_interrupt = 0;
    masked = 0;
    clock_ticks = 0;
    copy(__start_pqk_data, initial_data, (size_t)(__stop_pqk_data - __start_pqk_data));
    clear(__start_pqk_bss, (size_t)(__stop_pqk_bss - __start_pqk_bss));
    pqk_uart_begin();
#if PQK_WITH_AUDIO
    pqk_audio_init();
#endif
#if PQK_WITH_MLPERF
    text_reset();
    pqk_mlperf_begin();
#endif
}

/* A request without payload and with the next number. */
static void ask(uint8_t type) {
    const uint8_t bytes[] = {type, 0, 0};
    source in = {.bytes = bytes, .left = sizeof bytes};
    send_request(&in, 0);
    check(seen.type == ((uint32_t)type | PQK_REPLY), "it does not answer");
}

/* A zero ends whatever there was, and `name` is understood. */
static void judge_the_line(void) {
#if PQK_WITH_MLPERF
    judge_name();
#else
    static const uint8_t delimiter = 0;
    put_on_line(&delimiter, 1);
    run_line();
#endif
}

/* A request from before gets its reply again, although damage has been refused in between. */
static void judge_the_kept_reply(void) {
    static const uint8_t damage[] = {2, 1, 0}, again[] = {PQK_STATS, 1, 0};
    if (!seen.session || !seen.repeatable) {
        return;
    }
    const uint32_t replies = seen.replies, repetitions = seen.repetitions;
    source in = {.bytes = again, .left = sizeof again};
    put_on_line(damage, sizeof damage);
    run_line();
    check(seen.replies == replies + 1u, "damage is not refused");
    send_request(&in, 0);
    check(seen.repetitions == repetitions + 1u, "a reply that it has not kept");
}

/* Whatever there was, the line, HELLO and STATS work. */
static void judge_the_end(void) {
    judge_the_line();
    judge_the_kept_reply();
    ask(PQK_HELLO);
    ask(PQK_STATS);
    check(seen.stats_dropped == seen.dropped, "other frames are damaged than those it dropped");
    check(seen.inferences <= seen.runs, "more inferences than RUNs");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    source in = {.bytes = data, .left = size};
    const uint32_t how = take(&in, 1);
    reset();
    if (how & 2u) {
        ask(PQK_HELLO);
    }
    if (how & 1u) {
        const uint32_t count = in.left < MOST_BYTES ? (uint32_t)in.left : MOST_BYTES;
        put_on_line(in.bytes, count);
        run_line();
    } else {
        while (in.left && line_end < MOST_BYTES) {
            operate(&in);
        }
    }
    judge_the_end();
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    const size_t count = (size_t)(__stop_pqk_data - __start_pqk_data);
    initial_data = malloc(count);
    copy(initial_data, __start_pqk_data, count);
    const char *path = getenv("PQK_FUZZ_REPLIES");
    if (path && !(replies_file = fopen(path, "wb"))) {
        perror(path);
        exit(1);
    }
    return 0;
}
