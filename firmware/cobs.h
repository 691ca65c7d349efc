/* Consistent overhead byte stuffing (Cheshire and Baker, IEEE/ACM ToN 7(2), 1999): frames without
 * a zero byte in them, so that a zero byte always ends one.
 */
#ifndef PQK_COBS_H
#define PQK_COBS_H

#include <stdint.h>

/* A decoder fed byte by byte. `bytes` and `capacity` are the caller's; the rest starts as zero. */
typedef struct {
    uint8_t *bytes;
    uint32_t capacity;
    uint32_t length;
    uint8_t code;   /* of the current block; 0 before the first one */
    uint8_t left;   /* bytes that the current block still owes */
    uint8_t excess; /* the frame is larger than `capacity`: the rest of it is skipped */
} pqk_cobs_decoder;

#define PQK_COBS_PENDING 0 /* inside a frame, or between two */
#define PQK_COBS_DAMAGED (-1)

/* Takes one byte. At the end of a sound frame returns its length (at least 1), with the frame in
 * `bytes` until the next call; at the end of a damaged or oversized one PQK_COBS_DAMAGED. */
int32_t pqk_cobs_decode(pqk_cobs_decoder *decoder, uint8_t byte);

/* Encodes `count` bytes into calls of `write`, without the zero that ends a frame. */
void pqk_cobs_encode(const uint8_t *bytes, uint32_t count,
                     void (*write)(const uint8_t *bytes, uint32_t count));

#endif
