/* CRC16-XMODEM: polynomial 0x1021, start 0, nothing reflected or inverted. */
#ifndef PQK_CRC16_H
#define PQK_CRC16_H

#include <stdint.h>

uint16_t pqk_crc16(const uint8_t *bytes, uint32_t count);

#endif
