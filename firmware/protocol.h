/* The wire protocol, device side. A frame is
 *
 *   COBS(version u8 | type u8 | sequence u16 | payload | CRC16-XMODEM u16) | 0x00
 *
 * with every number little-endian and the CRC over all that stands before it. The host asks, the
 * device answers with the same sequence number. A request that comes again with the sequence number
 * of the last one is answered with the same reply and not carried out again, so a host that hears
 * nothing may repeat itself: everything happens exactly once. A damaged frame is dropped and
 * counted. pqk/protocol.py is the other side, and documents the payloads.
 *
 * HELLO opens a session and says which sequence number is free; after a reset every other request
 * is refused until the host has said HELLO, so a host notices the reset.
 */
#ifndef PQK_PROTOCOL_H
#define PQK_PROTOCOL_H

#include <stdint.h>

#define PQK_PROTOCOL_VERSION 1u

#define PQK_REPLY 0x80u /* a reply has its request's type with this bit */
enum {
    PQK_HELLO = 0x01,
    PQK_INPUT = 0x02,
    PQK_RUN = 0x03,
    PQK_STATS = 0x04,
    PQK_ERROR = 0xE0,
    PQK_FAULT = 0xF0,
};

enum {
    PQK_ERROR_VERSION = 1,  /* the request speaks another version of the protocol */
    PQK_ERROR_TYPE = 2,     /* unknown request */
    PQK_ERROR_LENGTH = 3,   /* the payload is too short or too long for the request */
    PQK_ERROR_OFFSET = 4,   /* INPUT does not follow on from the last one, or goes too far */
    PQK_ERROR_NO_INPUT = 5, /* RUN before the whole input was there */
    PQK_ERROR_SESSION = 6,  /* no HELLO since reset */
};

typedef struct {
    uint32_t exception, pc, lr, xpsr, sp, cfsr, hfsr, mmfar, bfar;
} pqk_fault;

/* Takes one received byte; carries out the request that it completes, and answers. */
void pqk_protocol_receive(uint8_t byte);

/* Sends the FAULT frame; uses none of the state above, which may be damaged. */
void pqk_protocol_send_fault(const pqk_fault *fault);

#endif
