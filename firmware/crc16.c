#include "crc16.h"

/* Remainders of the sixteen 4-bit values: half a byte a step, for 32 bytes of flash. */
static const uint16_t remainders[16] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50A5, 0x60C6, 0x70E7,
    0x8108, 0x9129, 0xA14A, 0xB16B, 0xC18C, 0xD1AD, 0xE1CE, 0xF1EF,
};

uint16_t pqk_crc16(const uint8_t *bytes, uint32_t count) {
    uint32_t crc = 0;
    for (uint32_t i = 0; i < count; i++) {
        crc = ((crc << 4) & 0xFFFFu) ^ remainders[(crc >> 12) ^ (bytes[i] >> 4)];
        crc = ((crc << 4) & 0xFFFFu) ^ remainders[(crc >> 12) ^ (bytes[i] & 0xFu)];
    }
    return (uint16_t)crc;
}
