#include "protocol.h"

#include "board.h"
#include "cobs.h"
#include "crc16.h"
#include "infer.h"
#include "network.h"
#include "payload.h"
#include "setup.h"
#include "timer.h"
#include "uart.h"
#include "usage.h"

#if PQK_WITH_AUDIO
#include "audio.h"
#include "crc32.h"
#include "spotter.h"
#define AUDIO_BYTES PQK_AUDIO_REPLY_BYTES
#define CLIP_SAMPLES PQK_CLIP_SAMPLES
#define SAMPLE_RATE PQK_SAMPLE_RATE
#define HOP PQK_HOP
#else /* HELLO says so by zeros */
#define AUDIO_BYTES 0u
#define CLIP_SAMPLES 0u
#define SAMPLE_RATE 0u
#define HOP 0u
#endif

#define HEADER_BYTES 4u
#define CRC_BYTES 2u
#define FRAME_BYTES (HEADER_BYTES + PQK_LARGEST_PAYLOAD + CRC_BYTES)

#define RESULT_BYTES (3u * 4u + 2u + 4u * PQK_LAYERS + 2u + 4u * PQK_OUTPUTS)
#define TEXT_BYTES 36u /* of an error, the zero at its end included */
#define ERROR_BYTES (2u + 1u + TEXT_BYTES)
#define REFUSAL_BYTES (HEADER_BYTES + ERROR_BYTES + CRC_BYTES)
#define NUMBERS 0x10000u /* sequence numbers go round */
#define QUOTED(number) #number
#define DIGITS(number) QUOTED(number)
#define HELLO_BYTES (48u + sizeof PQK_BOARD_NAME + sizeof PQK_BUILD_ID + sizeof PQK_TIMER_DRIVER)
#define LARGER(a, b) ((a) > (b) ? (a) : (b))
#define REPLY_BYTES                                                                                \
    (HEADER_BYTES + LARGER(LARGER(RESULT_BYTES, AUDIO_BYTES), LARGER(HELLO_BYTES, ERROR_BYTES)) +  \
     CRC_BYTES)
#define FAULT_BYTES (HEADER_BYTES + sizeof(pqk_fault) + CRC_BYTES)

/* Aligned, so that samples in it may be read as such. */
static union {
    uint8_t bytes[FRAME_BYTES];
    uint32_t words[(FRAME_BYTES + 3u) / 4u];
    int16_t samples[(FRAME_BYTES + 1u) / 2u];
} request;
static pqk_cobs_decoder decoder = {.bytes = request.bytes, .capacity = FRAME_BYTES};

static uint8_t reply_bytes[REPLY_BYTES];
static pqk_payload reply = {.bytes = reply_bytes};

static uint8_t session;  /* the host has said HELLO */
static uint8_t answered; /* `reply` belongs to `last_sequence` and is sent again on request */
static uint16_t last_sequence;
static uint32_t input_length; /* bytes of the clip's input that have arrived, in order */
static uint32_t input_crc;    /* CRC-32 of them; 0 where there is no front end to compare with */
static uint32_t inferences;
static uint32_t dropped_frames;

static void start(pqk_payload *out, uint32_t type, uint32_t sequence) {
    out->length = 0;
    pqk_put(out, PQK_PROTOCOL_VERSION, 1);
    pqk_put(out, type, 1);
    pqk_put(out, sequence, 2);
}

/* The leading zero ends whatever stray bytes the line has seen, so they cost no frame. */
static void send(const pqk_payload *out) {
    static const uint8_t delimiter = 0;
    pqk_uart_write(&delimiter, 1);
    pqk_cobs_encode(out->bytes, out->length, pqk_uart_write);
    pqk_uart_write(&delimiter, 1);
}

static void error(pqk_payload *out, uint32_t sequence, uint32_t code) {
    static const char texts[][TEXT_BYTES] = {
        [PQK_ERROR_VERSION] = "protocol version " DIGITS(PQK_PROTOCOL_VERSION) " is spoken here",
        [PQK_ERROR_TYPE] = "unknown request",
        [PQK_ERROR_LENGTH] = "payload too short or too long",
        [PQK_ERROR_OFFSET] = "out of order, or beyond the end",
        [PQK_ERROR_NO_INPUT] = "RUN before the whole input",
        [PQK_ERROR_SESSION] = "HELLO first",
        [PQK_ERROR_SETTINGS] = "a setting is out of its range",
        [PQK_ERROR_ORDER] = "go on with this number",
    };
    start(out, PQK_ERROR, sequence);
    pqk_put(out, code, 2);
    pqk_put_text(out, texts[code]);
}

static void finish_and_send(pqk_payload *out) {
    pqk_put(out, pqk_crc16(out->bytes, out->length), CRC_BYTES);
    send(out);
}

/* Answers what is not carried out. `reply` stays, in case the host has not heard it. */
static void refuse(uint32_t sequence, uint32_t code) {
    uint8_t bytes[REFUSAL_BYTES];
    pqk_payload out = {.bytes = bytes};
    error(&out, sequence, code);
    finish_and_send(&out);
}

static void end_audio(void) {
#if PQK_WITH_AUDIO
    pqk_audio_end();
#endif
}

void pqk_protocol_end_input(void) {
    input_length = 0;
    end_audio();
}

static uint32_t next_sequence(void) {
    return (last_sequence + 1u) % NUMBERS;
}

static void hello(uint32_t sequence) {
    const pqk_memory_usage usage = pqk_usage();
    session = 1;
    answered = 0;
    pqk_protocol_end_input();
    start(&reply, PQK_HELLO | PQK_REPLY, sequence);
    pqk_put(&reply, next_sequence(), 2);
    pqk_put(&reply, PQK_OUTPUTS, 2);
    pqk_put(&reply, PQK_LAYERS, 2);
    pqk_put(&reply, PQK_LARGEST_PAYLOAD, 4);
    pqk_put(&reply, PQK_INPUT_BYTES, 4);
    pqk_put(&reply, pqk_timer_moves() ? PQK_TIMER_HZ : 0u, 4);
    pqk_put(&reply, usage.flash, 4);
    pqk_put(&reply, usage.ram, 4);
    pqk_put(&reply, usage.stack, 4);
    pqk_put(&reply, PQK_ARENA_BYTES, 4);
    pqk_put(&reply, CLIP_SAMPLES, 4);
    pqk_put(&reply, SAMPLE_RATE, 4);
    pqk_put(&reply, HOP, 2);
    pqk_put(&reply, PQK_UART_IN_FLIGHT, 2);
    pqk_put(&reply, pqk_setup_stuck(), 2);
    pqk_put_text(&reply, PQK_BOARD_NAME);
    pqk_put_text(&reply, PQK_BUILD_ID);
    pqk_put_text(&reply, PQK_TIMER_DRIVER);
}

/* What follows carries out requests: appends the payload of the reply, or returns the code of an
 * error. */

static uint32_t input(const uint8_t *payload, uint32_t length) {
    if (length <= PQK_OFFSET_BYTES) {
        return PQK_ERROR_LENGTH;
    }
    uint32_t offset = pqk_get(payload, PQK_OFFSET_BYTES);
    uint32_t count = length - PQK_OFFSET_BYTES;
    if ((offset != 0 && offset != input_length) || count > PQK_INPUT_BYTES - offset) {
        return PQK_ERROR_OFFSET;
    }
    end_audio();
    pqk_take_input(offset, payload + PQK_OFFSET_BYTES, count);
#if PQK_WITH_AUDIO
    input_crc = pqk_crc32(offset ? input_crc : 0, payload + PQK_OFFSET_BYTES, count);
#endif
    input_length = offset + count;
    return 0;
}

static uint32_t run(void) {
    uint32_t front_end_ticks = 0;
    if (input_length != PQK_INPUT_BYTES) {
#if PQK_WITH_AUDIO
        if (!pqk_audio_clip_whole()) {
            return PQK_ERROR_NO_INPUT;
        }
        front_end_ticks = pqk_audio_clip_ticks();
        input_crc = pqk_audio_clip_crc();
        pqk_take_clip();
#else
        return PQK_ERROR_NO_INPUT;
#endif
    }
    uint32_t ticks[PQK_LAYERS];
    uint32_t total = pqk_infer(ticks);
    const int32_t *logits = pqk_network_logits();
    pqk_protocol_end_input(); /* the arena's input space has been used for activations */
    inferences++;
    pqk_put(&reply, total, 4);
    pqk_put(&reply, front_end_ticks, 4);
    pqk_put(&reply, input_crc, 4);
    pqk_put(&reply, PQK_LAYERS, 2);
    for (uint32_t i = 0; i < PQK_LAYERS; i++) {
        pqk_put(&reply, ticks[i], 4);
    }
    pqk_put(&reply, PQK_OUTPUTS, 2);
    for (uint32_t i = 0; i < PQK_OUTPUTS; i++) {
        pqk_put(&reply, (uint32_t)logits[i], 4);
    }
    return 0;
}

static uint32_t stats(void) {
    const pqk_memory_usage usage = pqk_usage();
    pqk_put(&reply, usage.stack_high_water, 4);
    pqk_put(&reply, inferences, 4);
    pqk_put(&reply, dropped_frames, 4);
    return 0;
}

#if PQK_WITH_AUDIO
static uint32_t audio(uint32_t type, const uint8_t *payload, uint32_t length) {
    if (type == PQK_SETTINGS) {
        return pqk_audio_settings(payload, length, &reply);
    }
    uint32_t code = type == PQK_AUDIO ? pqk_audio_clip(payload, length, &reply)
                                      : pqk_audio_stream(payload, length, &reply);
    if (code == 0) {
        input_length = 0; /* its space is used for the audio's features */
    }
    return code;
}
#endif

static uint32_t carry_out(uint32_t type, const uint8_t *payload, uint32_t length) {
    switch (type) {
    case PQK_INPUT:
        return input(payload, length);
    case PQK_RUN:
        return length ? PQK_ERROR_LENGTH : run();
    case PQK_STATS:
        return length ? PQK_ERROR_LENGTH : stats();
#if PQK_WITH_AUDIO
    case PQK_AUDIO:
    case PQK_STREAM:
    case PQK_SETTINGS:
        return audio(type, payload, length);
#endif
    default:
        return PQK_ERROR_TYPE;
    }
}

static void reply_to(uint32_t type, uint32_t sequence, const uint8_t *payload, uint32_t length) {
    start(&reply, type | PQK_REPLY, sequence);
    pqk_uart_hold(); /* whatever is timed */
    uint32_t code = carry_out(type, payload, length);
    pqk_uart_release();
    if (code) {
        error(&reply, sequence, code);
    }
    last_sequence = (uint16_t)sequence;
    answered = 1;
}

/* In a session: carries out the next request, and deals with those that are not. */
static void in_order(uint32_t type, uint32_t sequence, const uint8_t *payload, uint32_t length) {
    uint32_t ahead = (sequence - last_sequence) % NUMBERS;
    if (ahead == 1) {
        reply_to(type, sequence, payload, length);
        finish_and_send(&reply);
    } else if (ahead == 0 && answered) {
        send(&reply);
    } else if (ahead != 0 && ahead < NUMBERS / 2u) {
        refuse(next_sequence(), PQK_ERROR_ORDER);
    }
}

/* Answers one request that has passed the CRC. */
static void answer(const uint8_t *bytes, uint32_t length) {
    uint32_t version = bytes[0], type = bytes[1], sequence = pqk_get(bytes + 2, 2);
    if (version != PQK_PROTOCOL_VERSION) {
        session = 0; /* another host has taken over */
        refuse(sequence, PQK_ERROR_VERSION);
    } else if (type == PQK_HELLO) {
        hello(sequence);
        finish_and_send(&reply);
    } else if (!session) {
        refuse(sequence, PQK_ERROR_SESSION);
    } else {
        in_order(type, sequence, bytes + HEADER_BYTES, length - HEADER_BYTES);
    }
}

static void drop(void) {
    dropped_frames++;
    if (session) {
        refuse(next_sequence(), PQK_ERROR_ORDER);
    }
}

void pqk_protocol_receive(uint8_t byte) {
    int32_t length = pqk_cobs_decode(&decoder, byte);
    if (length == PQK_COBS_PENDING) {
        return;
    }
    if (length < (int32_t)(HEADER_BYTES + CRC_BYTES)) {
        drop();
        return;
    }
    uint32_t body = (uint32_t)length - CRC_BYTES;
    int zeros = request.bytes[0] == 0; /* no version; the CRC of zeros is right by nature */
    if (zeros || pqk_crc16(request.bytes, body) != pqk_get(request.bytes + body, CRC_BYTES)) {
        drop();
        return;
    }
    answer(request.bytes, body);
}

void pqk_protocol_send_fault(const pqk_fault *fault) {
    uint8_t bytes[FAULT_BYTES];
    pqk_payload out = {.bytes = bytes};
    start(&out, PQK_FAULT, 0);
    pqk_put(&out, fault->exception, 4);
    pqk_put(&out, fault->pc, 4);
    pqk_put(&out, fault->lr, 4);
    pqk_put(&out, fault->xpsr, 4);
    pqk_put(&out, fault->sp, 4);
    pqk_put(&out, fault->cfsr, 4);
    pqk_put(&out, fault->hfsr, 4);
    pqk_put(&out, fault->mmfar, 4);
    pqk_put(&out, fault->bfar, 4);
    finish_and_send(&out);
}
