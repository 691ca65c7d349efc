/* Bytes by the vector on cores with MVE, one by one elsewhere. */
#ifndef PQK_MVE_H
#define PQK_MVE_H

#include "pqk_arithmetic.h"

#if defined(__ARM_FEATURE_MVE)

#include <arm_mve.h>

/* Loops with tail predication, which GCC 12 does not make: the last turn stores what is left. */
PQK_INLINE void pqk_fill_bytes(uint8_t *to, uint8_t value, uint32_t count) {
    __asm volatile("wlstp.8 lr, %[count], 2f\n"
                   "1:\n\t"
                   "vstrb.8 %q[value], [%[to]], #16\n\t"
                   "letp lr, 1b\n"
                   "2:"
                   : [to] "+&r"(to)
                   : [value] "w"(vdupq_n_u8(value)), [count] "r"(count)
                   : "lr", "memory");
}

PQK_INLINE void pqk_copy_bytes(uint8_t *to, const uint8_t *from, uint32_t count) {
    uint8x16_t bytes;
    __asm volatile("wlstp.8 lr, %[count], 2f\n"
                   "1:\n\t"
                   "vldrb.8 %q[bytes], [%[from]], #16\n\t"
                   "vstrb.8 %q[bytes], [%[to]], #16\n\t"
                   "letp lr, 1b\n"
                   "2:"
                   : [to] "+&r"(to), [from] "+&r"(from), [bytes] "=&w"(bytes)
                   : [count] "r"(count)
                   : "lr", "memory");
}

#else

PQK_INLINE void pqk_fill_bytes(uint8_t *to, uint8_t value, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        to[i] = value;
    }
}

PQK_INLINE void pqk_copy_bytes(uint8_t *to, const uint8_t *from, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        to[i] = from[i];
    }
}

#endif

#endif
