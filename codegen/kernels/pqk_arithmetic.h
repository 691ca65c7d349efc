/* Element arithmetic that several kernels share. */
#ifndef PQK_ARITHMETIC_H
#define PQK_ARITHMETIC_H

#include <stdint.h>

/* Kernels pass their inner step as a function; without inlining that would be a call through a
 * pointer per element. */
#if defined(__GNUC__)
#define PQK_INLINE static inline __attribute__((always_inline))
#else
#define PQK_INLINE static inline
#endif

/* An 8-bit input element as the number it stands for. */
PQK_INLINE int32_t pqk_element(uint8_t byte, int is_signed) {
    return is_signed ? (int32_t)(byte ^ 0x80u) - 0x80 : (int32_t)byte;
}

/* Pooled sum (never negative) to output element: one rounding, to nearest. */
PQK_INLINE uint8_t pqk_requantize(int32_t sum, int32_t multiplier, uint32_t shift,
                                  uint8_t maximum) {
    const uint64_t product = (uint64_t)(uint32_t)sum * (uint32_t)multiplier;
    const uint64_t scaled = (product + ((uint64_t)1 << (shift - 1))) >> shift;
    return scaled < maximum ? (uint8_t)scaled : maximum;
}

/* One lane to an element of `bits` bits: ReLU about `offset`, one rounding as in pqk_requantize
 * with a shift of 32. */
PQK_INLINE uint32_t pqk_requantize_lane(uint32_t lane, uint32_t offset, int32_t multiplier,
                                        uint32_t bits) {
    const int32_t sum = lane > offset ? (int32_t)(lane - offset) : 0;
    return pqk_requantize(sum, multiplier, 32, (uint8_t)((1u << bits) - 1u));
}

/* Both 16-bit lanes of a word, each 0 .. 32767, to elements of `bits` bits. ReLU is about the value
 * that `rounding` makes zero. */
PQK_INLINE uint32_t pqk_requantize_lanes(uint32_t word, int32_t multiplier, int32_t rounding,
                                         uint32_t bits) {
    const int32_t most = (int32_t)(1u << bits) - 1;
    uint32_t result = 0;
    for (uint32_t shift = 0; shift < 32; shift += 16) {
        const int64_t product = (int64_t)(word >> shift & 0xFFFFu) * multiplier;
        const int32_t value = ((int32_t)(product >> 16) + rounding) >> 16;
        result |= (uint32_t)(value < 0 ? 0 : value < most ? value : most) << shift;
    }
    return result;
}

/* Each 16-bit lane of a minus that of b, 0 where that is negative. */
PQK_INLINE uint32_t pqk_subtract_lanes(uint32_t a, uint32_t b) {
    const uint32_t low_a = a & 0xFFFFu, low_b = b & 0xFFFFu, high_a = a >> 16, high_b = b >> 16;
    return (low_a > low_b ? low_a - low_b : 0) | (high_a > high_b ? high_a - high_b : 0) << 16;
}

#endif
