/* Numbers and texts of the wire protocol in memory, little-endian. */
#ifndef PQK_PAYLOAD_H
#define PQK_PAYLOAD_H

#include <stdint.h>

#define PQK_OFFSET_BYTES 4u /* where a request's data belongs, in front of the data */

/* A frame or a part of one under construction; whoever makes it provides room enough. */
typedef struct {
    uint8_t *bytes;
    uint32_t length;
} pqk_payload;

/* The number in `count` bytes, at most 4. */
uint32_t pqk_get(const uint8_t *bytes, uint32_t count);

/* Appends the lowest `count` bytes of a number. */
void pqk_put(pqk_payload *out, uint32_t value, uint32_t count);

/* Appends a text of at most 255 bytes, its length first. */
void pqk_put_text(pqk_payload *out, const char *text);

#endif
