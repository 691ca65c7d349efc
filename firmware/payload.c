#include "payload.h"

uint32_t pqk_get(const uint8_t *bytes, uint32_t count) {
    uint32_t value = 0;
    for (uint32_t i = 0; i < count; i++) {
        value |= (uint32_t)bytes[i] << (8u * i);
    }
    return value;
}

void pqk_put(pqk_payload *out, uint32_t value, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        out->bytes[out->length++] = (uint8_t)(value >> (8u * i));
    }
}

void pqk_put_text(pqk_payload *out, const char *text) {
    uint32_t count = 0;
    while (text[count]) {
        count++;
    }
    pqk_put(out, count, 1);
    for (uint32_t i = 0; i < count; i++) {
        pqk_put(out, (uint8_t)text[i], 1);
    }
}
