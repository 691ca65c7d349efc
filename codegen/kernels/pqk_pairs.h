/* Arithmetic on two signed 16-bit numbers in a word: one instruction where the core has the DSP
 * extension, the same bits in plain C elsewhere. Complex numbers have the real part in the lower
 * half. */
#ifndef PQK_PAIRS_H
#define PQK_PAIRS_H

#include <stdint.h>

#include "pqk_arithmetic.h"

PQK_INLINE int32_t pqk_low(uint32_t pair) {
    return (int16_t)(uint16_t)pair;
}

PQK_INLINE int32_t pqk_high(uint32_t pair) {
    return (int32_t)pair >> 16;
}

PQK_INLINE uint32_t pqk_pair(int32_t low, int32_t high) {
    return ((uint32_t)low & 0xFFFFu) | (uint32_t)high << 16;
}

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>

#define PQK_HAS_PAIRS 1
/* Before a loop of an even number of turns; the optimisation that does it is not always on. */
#define PQK_UNROLL_2 _Pragma("GCC unroll 2")

/* The upper halves of two words, of `low` first. */
PQK_INLINE uint32_t pqk_pack_upper(uint32_t low, uint32_t high) {
    uint32_t pair;
    __asm("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(high), "r"(low));
    return pair;
}

PQK_INLINE uint32_t pqk_add(uint32_t a, uint32_t b) {
    return (uint32_t)__sadd16((int16x2_t)a, (int16x2_t)b);
}
PQK_INLINE uint32_t pqk_subtract(uint32_t a, uint32_t b) {
    return (uint32_t)__ssub16((int16x2_t)a, (int16x2_t)b);
}
/* a - j b */
PQK_INLINE uint32_t pqk_subtract_turned(uint32_t a, uint32_t b) {
    return (uint32_t)__ssax((int16x2_t)a, (int16x2_t)b);
}
/* a + j b */
PQK_INLINE uint32_t pqk_add_turned(uint32_t a, uint32_t b) {
    return (uint32_t)__sasx((int16x2_t)a, (int16x2_t)b);
}
/* The same four, halved and rounded down. */
PQK_INLINE uint32_t pqk_half_add(uint32_t a, uint32_t b) {
    return (uint32_t)__shadd16((int16x2_t)a, (int16x2_t)b);
}
PQK_INLINE uint32_t pqk_half_subtract(uint32_t a, uint32_t b) {
    return (uint32_t)__shsub16((int16x2_t)a, (int16x2_t)b);
}
PQK_INLINE uint32_t pqk_half_subtract_turned(uint32_t a, uint32_t b) {
    return (uint32_t)__shsax((int16x2_t)a, (int16x2_t)b);
}
PQK_INLINE uint32_t pqk_half_add_turned(uint32_t a, uint32_t b) {
    return (uint32_t)__shasx((int16x2_t)a, (int16x2_t)b);
}

/* low * low + high * high */
PQK_INLINE int32_t pqk_square(uint32_t a) {
    return __smuad((int16x2_t)a, (int16x2_t)a);
}
/* low * low + high * high + start */
PQK_INLINE int32_t pqk_dot(uint32_t a, uint32_t b, int32_t start) {
    return __smlad((int16x2_t)a, (int16x2_t)b, start);
}
/* a's low * b's high + a's high * b's low */
PQK_INLINE int32_t pqk_cross_sum(uint32_t a, uint32_t b) {
    return __smuadx((int16x2_t)a, (int16x2_t)b);
}
/* a's low * b's high - a's high * b's low + start */
PQK_INLINE int32_t pqk_cross_difference(uint32_t a, uint32_t b, int32_t start) {
    return __smlsdx((int16x2_t)a, (int16x2_t)b, start);
}
/* (a * low of b >> 16) + start, and the same of the high half */
PQK_INLINE int32_t pqk_scale_low(int32_t a, uint32_t b, int32_t start) {
    return __smlawb(a, (int32_t)b, start);
}
PQK_INLINE int32_t pqk_scale_high(int32_t a, uint32_t b, int32_t start) {
    return __smlawt(a, (int32_t)b, start);
}
/* low * low + start, high * high + start */
PQK_INLINE int32_t pqk_multiply_low(uint32_t a, uint32_t b, int32_t start) {
    return __smlabb((int32_t)a, (int32_t)b, start);
}
PQK_INLINE int32_t pqk_multiply_high(uint32_t a, uint32_t b, int32_t start) {
    return __smlatt((int32_t)a, (int32_t)b, start);
}

#else

#define PQK_HAS_PAIRS 0
#define PQK_UNROLL_2

PQK_INLINE uint32_t pqk_pack_upper(uint32_t low, uint32_t high) {
    return low >> 16 | (high & 0xFFFF0000u);
}

PQK_INLINE uint32_t pqk_add(uint32_t a, uint32_t b) {
    return pqk_pair(pqk_low(a) + pqk_low(b), pqk_high(a) + pqk_high(b));
}
PQK_INLINE uint32_t pqk_subtract(uint32_t a, uint32_t b) {
    return pqk_pair(pqk_low(a) - pqk_low(b), pqk_high(a) - pqk_high(b));
}
PQK_INLINE uint32_t pqk_subtract_turned(uint32_t a, uint32_t b) {
    return pqk_pair(pqk_low(a) + pqk_high(b), pqk_high(a) - pqk_low(b));
}
PQK_INLINE uint32_t pqk_add_turned(uint32_t a, uint32_t b) {
    return pqk_pair(pqk_low(a) - pqk_high(b), pqk_high(a) + pqk_low(b));
}
PQK_INLINE uint32_t pqk_half_add(uint32_t a, uint32_t b) {
    return pqk_pair((pqk_low(a) + pqk_low(b)) >> 1, (pqk_high(a) + pqk_high(b)) >> 1);
}
PQK_INLINE uint32_t pqk_half_subtract(uint32_t a, uint32_t b) {
    return pqk_pair((pqk_low(a) - pqk_low(b)) >> 1, (pqk_high(a) - pqk_high(b)) >> 1);
}
PQK_INLINE uint32_t pqk_half_subtract_turned(uint32_t a, uint32_t b) {
    return pqk_pair((pqk_low(a) + pqk_high(b)) >> 1, (pqk_high(a) - pqk_low(b)) >> 1);
}
PQK_INLINE uint32_t pqk_half_add_turned(uint32_t a, uint32_t b) {
    return pqk_pair((pqk_low(a) - pqk_high(b)) >> 1, (pqk_high(a) + pqk_low(b)) >> 1);
}

PQK_INLINE int32_t pqk_dot(uint32_t a, uint32_t b, int32_t start) {
    return pqk_low(a) * pqk_low(b) + pqk_high(a) * pqk_high(b) + start;
}
PQK_INLINE int32_t pqk_square(uint32_t a) {
    return pqk_low(a) * pqk_low(a) + pqk_high(a) * pqk_high(a);
}
PQK_INLINE int32_t pqk_cross_sum(uint32_t a, uint32_t b) {
    return pqk_low(a) * pqk_high(b) + pqk_high(a) * pqk_low(b);
}
PQK_INLINE int32_t pqk_cross_difference(uint32_t a, uint32_t b, int32_t start) {
    return pqk_low(a) * pqk_high(b) - pqk_high(a) * pqk_low(b) + start;
}
/* In two halves, because a core without the extension may have no product of 64 bits. */
PQK_INLINE int32_t pqk_scale(int32_t a, int32_t b) {
    return (a >> 16) * b + ((int32_t)((uint32_t)a & 0xFFFFu) * b >> 16);
}
PQK_INLINE int32_t pqk_scale_low(int32_t a, uint32_t b, int32_t start) {
    return pqk_scale(a, pqk_low(b)) + start;
}
PQK_INLINE int32_t pqk_scale_high(int32_t a, uint32_t b, int32_t start) {
    return pqk_scale(a, pqk_high(b)) + start;
}
PQK_INLINE int32_t pqk_multiply_low(uint32_t a, uint32_t b, int32_t start) {
    return pqk_low(a) * pqk_low(b) + start;
}
PQK_INLINE int32_t pqk_multiply_high(uint32_t a, uint32_t b, int32_t start) {
    return pqk_high(a) * pqk_high(b) + start;
}

#endif

#endif
