/* The wire protocol, device side. A frame is
 *
 *   COBS(version u8 | type u8 | sequence u16 | payload | CRC16-XMODEM u16) | 0x00
 *
 * with every number little-endian and the CRC over all that stands before it. The host asks, the
 * device answers with the same sequence number. The host may send so many requests without waiting
 * for replies as HELLO says. They are carried out in the order of their numbers and each once, so a
 * host that hears nothing may repeat itself:
 *
 *   - the next number is carried out and answered;
 *   - the last one is answered with the same reply as before;
 *   - an older one is passed over, for a reply to a later one says that it was carried out;
 *   - one that is ahead, and a damaged frame, which is dropped and counted, get ERROR with code
 *     ORDER, whose sequence number is the next: the host goes on from there.
 *
 * HELLO may have any number. It opens a session and says which number is the next; after a reset
 * every other request is refused until the host has said HELLO, so a host notices the reset.
 * pqk/protocol.py is the other side, and documents the payloads.
 *
 * An inference is of features (INPUT until PQK_INPUT_BYTES are there, then RUN) or of a clip of
 * audio (AUDIO until PQK_CLIP_SAMPLES are there, then RUN). STREAM is audio without an end, in
 * which the device looks for words with SETTINGS that may be changed at any time. Of the three, one
 * that begins ends the others; a request that is refused changes nothing. Firmware without a front
 * end has no AUDIO, STREAM and SETTINGS, and says so in HELLO (sample rate 0).
 */
#ifndef PQK_PROTOCOL_H
#define PQK_PROTOCOL_H

#include <stdint.h>

#define PQK_PROTOCOL_VERSION 4

#define PQK_REPLY 0x80u /* a reply has its request's type with this bit */
enum {
    PQK_HELLO = 0x01,
    PQK_INPUT = 0x02,
    PQK_RUN = 0x03,
    PQK_STATS = 0x04,
    PQK_AUDIO = 0x05,    /* u32 offset in samples, int16 samples */
    PQK_STREAM = 0x06,   /* u32 samples so far (low 32 bits), u32 1: begins, int16 samples */
    PQK_SETTINGS = 0x07, /* nothing, or new settings */
    PQK_ERROR = 0xE0,
    PQK_FAULT = 0xF0,
};

enum {
    PQK_ERROR_VERSION = 1,  /* the request speaks another version of the protocol */
    PQK_ERROR_TYPE = 2,     /* unknown request */
    PQK_ERROR_LENGTH = 3,   /* the payload is too short or too long for the request */
    PQK_ERROR_OFFSET = 4,   /* INPUT, AUDIO or STREAM does not follow on, or goes too far */
    PQK_ERROR_NO_INPUT = 5, /* RUN before the whole input was there */
    PQK_ERROR_SESSION = 6,  /* no HELLO since reset */
    PQK_ERROR_SETTINGS = 7, /* a value is out of its range */
    PQK_ERROR_ORDER = 8,    /* the request with this ERROR's sequence number is the next */
};

typedef struct {
    uint32_t exception, pc, lr, xpsr, sp, cfsr, hfsr, mmfar, bfar;
} pqk_fault;

/* Takes one received byte; carries out the request that it completes, and answers. */
void pqk_protocol_receive(uint8_t byte);

/* What has been sent for an inference counts no more: its memory is used for something else. */
void pqk_protocol_end_input(void);

/* Sends the FAULT frame; uses none of the state above, which may be damaged. */
void pqk_protocol_send_fault(const pqk_fault *fault);

#endif
