#include "protocol.h"

#include "board.h"
#include "cobs.h"
#include "crc16.h"
#include "infer.h"
#include "network.h"
#include "port.h"
#include "usage.h"

#define HEADER_BYTES 4u
#define CRC_BYTES 2u
#define FRAME_BYTES (HEADER_BYTES + PQK_LARGEST_PAYLOAD + CRC_BYTES)
#define OFFSET_BYTES 4u

#define RESULT_BYTES (4u + 2u + 4u * PQK_LAYERS + 2u + 4u * PQK_OUTPUTS)
#define ERROR_BYTES (2u + 1u + 40u) /* the longest text below has 36 characters */
#define HELLO_BYTES (34u + sizeof PQK_BOARD_NAME + sizeof PQK_BUILD_ID + sizeof PQK_TIMER_DRIVER)
#define LARGER(a, b) ((a) > (b) ? (a) : (b))
#define REPLY_BYTES                                                                                \
    (HEADER_BYTES + LARGER(RESULT_BYTES, LARGER(HELLO_BYTES, ERROR_BYTES)) + CRC_BYTES)
#define FAULT_BYTES (HEADER_BYTES + sizeof(pqk_fault) + CRC_BYTES)

/* A frame under construction. */
typedef struct {
    uint8_t *bytes;
    uint32_t length;
} frame;

static uint8_t request[FRAME_BYTES];
static pqk_cobs_decoder decoder = {.bytes = request, .capacity = FRAME_BYTES};

static uint8_t reply_bytes[REPLY_BYTES];
static frame reply = {.bytes = reply_bytes};

static uint8_t session;  /* the host has said HELLO */
static uint8_t answered; /* `reply` belongs to `last_sequence` and is sent again on request */
static uint16_t last_sequence;
static uint32_t input_length; /* bytes of the clip's input that have arrived, in order */
static uint32_t inferences;
static uint32_t dropped_frames;

static uint32_t get(const uint8_t *bytes, uint32_t count) {
    uint32_t value = 0;
    for (uint32_t i = 0; i < count; i++) {
        value |= (uint32_t)bytes[i] << (8u * i);
    }
    return value;
}

static void put(frame *out, uint32_t value, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        out->bytes[out->length++] = (uint8_t)(value >> (8u * i));
    }
}

static void put_text(frame *out, const char *text) {
    uint32_t count = 0;
    while (text[count]) {
        count++;
    }
    put(out, count, 1);
    for (uint32_t i = 0; i < count; i++) {
        put(out, (uint8_t)text[i], 1);
    }
}

static void start(frame *out, uint32_t type, uint32_t sequence) {
    out->length = 0;
    put(out, PQK_PROTOCOL_VERSION, 1);
    put(out, type, 1);
    put(out, sequence, 2);
}

static void finish(frame *out) {
    put(out, pqk_crc16(out->bytes, out->length), CRC_BYTES);
}

/* The leading zero ends whatever stray bytes the line has seen, so they cost no frame. */
static void send(const frame *out) {
    static const uint8_t delimiter = 0;
    pqk_uart_write(&delimiter, 1);
    pqk_cobs_encode(out->bytes, out->length, pqk_uart_write);
    pqk_uart_write(&delimiter, 1);
}

static void error(uint32_t sequence, uint32_t code, const char *text) {
    start(&reply, PQK_ERROR, sequence);
    put(&reply, code, 2);
    put_text(&reply, text);
}

static void hello(uint32_t sequence) {
    const pqk_memory_usage usage = pqk_usage();
    session = 1;
    answered = 0;
    input_length = 0;
    start(&reply, PQK_HELLO | PQK_REPLY, sequence);
    put(&reply, last_sequence + 1u, 2);
    put(&reply, PQK_OUTPUTS, 2);
    put(&reply, PQK_LAYERS, 2);
    put(&reply, PQK_LARGEST_PAYLOAD, 4);
    put(&reply, PQK_INPUT_BYTES, 4);
    put(&reply, PQK_TIMER_HZ, 4);
    put(&reply, usage.flash, 4);
    put(&reply, usage.ram, 4);
    put(&reply, usage.stack, 4);
    put(&reply, PQK_ARENA_BYTES, 4);
    put_text(&reply, PQK_BOARD_NAME);
    put_text(&reply, PQK_BUILD_ID);
    put_text(&reply, PQK_TIMER_DRIVER);
}

static void input(uint32_t sequence, const uint8_t *payload, uint32_t length) {
    if (length <= OFFSET_BYTES) {
        error(sequence, PQK_ERROR_LENGTH, "INPUT wants an offset and bytes");
        return;
    }
    uint32_t offset = get(payload, OFFSET_BYTES);
    uint32_t count = length - OFFSET_BYTES;
    if ((offset != 0 && offset != input_length) || offset > PQK_INPUT_BYTES ||
        count > PQK_INPUT_BYTES - offset) {
        error(sequence, PQK_ERROR_OFFSET, "INPUT out of order or beyond the end");
        return;
    }
    pqk_take_input(offset, payload + OFFSET_BYTES, count);
    input_length = offset + count;
    start(&reply, PQK_INPUT | PQK_REPLY, sequence);
}

static void run(uint32_t sequence) {
    if (input_length != PQK_INPUT_BYTES) {
        error(sequence, PQK_ERROR_NO_INPUT, "RUN before the whole input");
        return;
    }
    uint32_t ticks[PQK_LAYERS];
    uint32_t total = pqk_infer(ticks);
    const int32_t *logits = pqk_network_logits();
    input_length = 0; /* the arena's input space has been used for activations */
    inferences++;
    start(&reply, PQK_RUN | PQK_REPLY, sequence);
    put(&reply, total, 4);
    put(&reply, PQK_LAYERS, 2);
    for (uint32_t i = 0; i < PQK_LAYERS; i++) {
        put(&reply, ticks[i], 4);
    }
    put(&reply, PQK_OUTPUTS, 2);
    for (uint32_t i = 0; i < PQK_OUTPUTS; i++) {
        put(&reply, (uint32_t)logits[i], 4);
    }
}

static void stats(uint32_t sequence) {
    const pqk_memory_usage usage = pqk_usage();
    start(&reply, PQK_STATS | PQK_REPLY, sequence);
    put(&reply, usage.stack_high_water, 4);
    put(&reply, inferences, 4);
    put(&reply, dropped_frames, 4);
}

static void carry_out(uint32_t type, uint32_t sequence, const uint8_t *payload, uint32_t length) {
    if (type != PQK_INPUT && length != 0) {
        error(sequence, PQK_ERROR_LENGTH, "this request has no payload");
    } else if (type == PQK_INPUT) {
        input(sequence, payload, length);
    } else if (type == PQK_RUN) {
        run(sequence);
    } else if (type == PQK_STATS) {
        stats(sequence);
    } else {
        error(sequence, PQK_ERROR_TYPE, "unknown request");
    }
}

/* Answers one request that has passed the CRC. */
static void answer(const uint8_t *bytes, uint32_t length) {
    uint32_t version = bytes[0], type = bytes[1], sequence = get(bytes + 2, 2);
    if (version != PQK_PROTOCOL_VERSION) {
        session = 0; /* another host has taken over */
        error(sequence, PQK_ERROR_VERSION, "protocol version 1 is spoken here");
    } else if (type == PQK_HELLO) {
        hello(sequence);
    } else if (!session) {
        error(sequence, PQK_ERROR_SESSION, "HELLO first");
    } else if (answered && sequence == last_sequence) {
        send(&reply);
        return;
    } else {
        carry_out(type, sequence, bytes + HEADER_BYTES, length - HEADER_BYTES);
        last_sequence = (uint16_t)sequence;
        answered = 1;
    }
    finish(&reply);
    send(&reply);
}

void pqk_protocol_receive(uint8_t byte) {
    int32_t length = pqk_cobs_decode(&decoder, byte);
    if (length == PQK_COBS_PENDING) {
        return;
    }
    if (length < (int32_t)(HEADER_BYTES + CRC_BYTES)) {
        dropped_frames++;
        return;
    }
    uint32_t body = (uint32_t)length - CRC_BYTES;
    int zeros = request[0] == 0; /* no version; the CRC of zeros is right by nature */
    if (zeros || pqk_crc16(request, body) != get(request + body, CRC_BYTES)) {
        dropped_frames++;
        return;
    }
    answer(request, body);
}

void pqk_protocol_send_fault(const pqk_fault *fault) {
    uint8_t bytes[FAULT_BYTES];
    frame out = {.bytes = bytes};
    start(&out, PQK_FAULT, 0);
    put(&out, fault->exception, 4);
    put(&out, fault->pc, 4);
    put(&out, fault->lr, 4);
    put(&out, fault->xpsr, 4);
    put(&out, fault->sp, 4);
    put(&out, fault->cfsr, 4);
    put(&out, fault->hfsr, 4);
    put(&out, fault->mmfar, 4);
    put(&out, fault->bfar, 4);
    finish(&out);
    send(&out);
}
