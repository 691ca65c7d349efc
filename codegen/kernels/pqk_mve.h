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

PQK_INLINE void pqk_clear_words(uint32_t *to, uint32_t count) {
    pqk_fill_bytes((uint8_t *)to, 0, 4 * count);
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

PQK_INLINE void pqk_add_bytes(uint8_t *to, const uint8_t *a, const uint8_t *b, uint8_t maximum,
                              uint32_t count) {
    uint8x16_t sum;
    uint8x16_t other;
    __asm volatile(
        "wlstp.8 lr, %[count], 2f\n"
        "1:\n\t"
        "vldrb.8 %q[sum], [%[a]], #16\n\t"
        "vldrb.8 %q[other], [%[b]], #16\n\t"
        "vqadd.u8 %q[sum], %q[sum], %q[other]\n\t"
        "vmin.u8 %q[sum], %q[sum], %q[maximum]\n\t"
        "vstrb.8 %q[sum], [%[to]], #16\n\t"
        "letp lr, 1b\n"
        "2:"
        : [to] "+&r"(to), [a] "+&r"(a), [b] "+&r"(b), [sum] "=&w"(sum), [other] "=&w"(other)
        : [count] "r"(count), [maximum] "w"(vdupq_n_u8(maximum))
        : "lr", "memory");
}

/* The scalar of vaddva is an even register ("Te"). */
PQK_INLINE int32_t pqk_sum_bytes(const uint8_t *from, uint32_t count, int is_signed) {
    uint8x16_t bytes;
    int32_t sum = 0;
    if (is_signed) {
        __asm volatile("wlstp.8 lr, %[count], 2f\n"
                       "1:\n\t"
                       "vldrb.8 %q[bytes], [%[from]], #16\n\t"
                       "vaddva.s8 %[sum], %q[bytes]\n\t"
                       "letp lr, 1b\n"
                       "2:"
                       : [from] "+&r"(from), [sum] "+&Te"(sum), [bytes] "=&w"(bytes)
                       : [count] "r"(count)
                       : "lr", "memory");
    } else {
        __asm volatile("wlstp.8 lr, %[count], 2f\n"
                       "1:\n\t"
                       "vldrb.8 %q[bytes], [%[from]], #16\n\t"
                       "vaddva.u8 %[sum], %q[bytes]\n\t"
                       "letp lr, 1b\n"
                       "2:"
                       : [from] "+&r"(from), [sum] "+&Te"(sum), [bytes] "=&w"(bytes)
                       : [count] "r"(count)
                       : "lr", "memory");
    }
    return sum;
}

#else

PQK_INLINE void pqk_fill_bytes(uint8_t *to, uint8_t value, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        to[i] = value;
    }
}

PQK_INLINE void pqk_clear_words(uint32_t *to, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        to[i] = 0;
    }
}

PQK_INLINE void pqk_copy_bytes(uint8_t *to, const uint8_t *from, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        to[i] = from[i];
    }
}

PQK_INLINE void pqk_add_bytes(uint8_t *to, const uint8_t *a, const uint8_t *b, uint8_t maximum,
                              uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t sum = (uint32_t)a[i] + b[i];
        to[i] = sum < maximum ? (uint8_t)sum : maximum;
    }
}

PQK_INLINE int32_t pqk_sum_bytes(const uint8_t *from, uint32_t count, int is_signed) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += pqk_element(from[i], is_signed);
    }
    return sum;
}

#endif

#endif
