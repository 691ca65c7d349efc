/* CRC-32 as zlib and IEEE 802.3 have it: polynomial 0x04C11DB7, reflected, inverted at both ends.
 */
#ifndef PQK_CRC32_H
#define PQK_CRC32_H

#include <stdint.h>

/* The CRC of what `crc` is the CRC of (0: of nothing), followed by `bytes`. */
uint32_t pqk_crc32(uint32_t crc, const uint8_t *bytes, uint32_t count);

#endif
