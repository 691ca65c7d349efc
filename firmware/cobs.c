#include "cobs.h"

#define LARGEST_CODE 0xFFu /* a block of 254 bytes that no zero follows */

static void append(pqk_cobs_decoder *decoder, uint8_t byte) {
    if (decoder->length < decoder->capacity) {
        decoder->bytes[decoder->length++] = byte;
    } else {
        decoder->excess = 1;
    }
}

static int32_t end_frame(pqk_cobs_decoder *decoder) {
    uint32_t length = decoder->length;
    int empty = decoder->code == 0; /* two zeros in a row: nothing, and no damage either */
    int sound = decoder->left == 0 && !decoder->excess && length > 0;
    decoder->length = 0;
    decoder->code = 0;
    decoder->left = 0;
    decoder->excess = 0;
    return empty ? PQK_COBS_PENDING : sound ? (int32_t)length : PQK_COBS_DAMAGED;
}

int32_t pqk_cobs_decode(pqk_cobs_decoder *decoder, uint8_t byte) {
    if (byte == 0) {
        return end_frame(decoder);
    }
    if (decoder->left > 0) {
        decoder->left--;
        append(decoder, byte);
        return PQK_COBS_PENDING;
    }
    if (decoder->code != 0 && decoder->code != LARGEST_CODE) {
        append(decoder, 0);
    }
    decoder->code = byte;
    decoder->left = (uint8_t)(byte - 1u);
    return PQK_COBS_PENDING;
}

void pqk_cobs_encode(const uint8_t *bytes, uint32_t count,
                     void (*write)(const uint8_t *bytes, uint32_t count)) {
    uint32_t start = 0;
    for (;;) {
        uint32_t end = start;
        while (end < count && bytes[end] != 0 && end - start < LARGEST_CODE - 1u) {
            end++;
        }
        uint8_t code = (uint8_t)(end - start + 1u);
        write(&code, 1);
        write(bytes + start, end - start);
        if (end == count) {
            return;
        }
        start = code == LARGEST_CODE ? end : end + 1u; /* a code below the largest implies a zero */
    }
}
