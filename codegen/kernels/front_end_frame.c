/* Mel bank, logarithm and DCT of one frame; contract in pqk_front_end.h. */
#include "pqk_front_end.h"
#include "pqk_pairs.h"

/* 2^8 (log2(1 + m) - m) in the middle of each of 128 steps of m. */
static const uint8_t corrections[128] = {
    0,  1,  2,  3,  4,  4,  5,  6,  7,  7,  8,  9,  9,  10, 10, 11, 12, 12, 13, 13, 14, 14,
    15, 15, 16, 16, 16, 17, 17, 18, 18, 18, 18, 19, 19, 19, 20, 20, 20, 20, 20, 21, 21, 21,
    21, 21, 21, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22,
    22, 21, 21, 21, 21, 21, 21, 21, 20, 20, 20, 20, 20, 19, 19, 19, 19, 19, 18, 18, 18, 17,
    17, 17, 17, 16, 16, 16, 15, 15, 15, 14, 14, 14, 13, 13, 12, 12, 12, 11, 11, 10, 10, 9,
    9,  9,  8,  8,  7,  7,  6,  6,  5,  5,  4,  4,  3,  3,  2,  2,  1,  0,
};

/* What a band's sum needs to become a logarithm: the floor, and bits at and above 2^24 times it. */
typedef struct {
    int64_t floor;
    uint32_t exponent; /* floor is 2^exponent, 8 .. 46 */
    uint32_t beyond;
} logarithm;

static logarithm logarithm_of(int32_t exponent) {
    const uint32_t floor = (uint32_t)(28 - exponent);
    const logarithm result = {(int64_t)1 << floor, floor, floor - 8u < 31u ? floor - 8u : 31u};
    return result;
}

/* 2^8 log2(1 + sum / floor) of a sum below 2^47. Energies have 24 bits: added to a sum of which
 * these are beyond the floor, it changes nothing. */
PQK_INLINE uint32_t log2_q8(const logarithm *scale, int64_t sum) {
    if (sum < 0) {
        sum = 0;
    }
    if (!((uint32_t)(sum >> 32) >> scale->beyond)) {
        sum += scale->floor;
    }
    uint32_t exponent = 31u - scale->exponent, leading = (uint32_t)sum;
    if (sum >> 32) {
        leading = (uint32_t)(sum >> 16);
        exponent += 16u;
    }
    const uint32_t zeros = (uint32_t)__builtin_clz(leading);
    const uint32_t mantissa = leading << zeros >> 23 & 255u;
    return ((exponent - zeros) << 8) + mantissa + corrections[mantissa >> 1];
}

/* Sum of count powers, and their weighted sum. */
typedef struct {
    int32_t all;
    int64_t weighted;
} slice;

PQK_INLINE slice sum_slice(const uint32_t *power, const uint16_t *weights, uint32_t count) {
    slice sums = {0, 0};
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1
    /* No product of 64 bits. All powers together stay below 2^31. */
    int32_t upper = 0;
    uint64_t lower = 0;
    for (; count; count--) {
        const uint32_t weight = *weights++;
        sums.all += (int32_t)*power;
        upper += ((int32_t)*power >> 16) * (int32_t)weight;
        lower += (*power++ & 0xFFFFu) * weight;
    }
    sums.weighted = (int64_t)((uint64_t)upper << 16) + (int64_t)lower;
#else
    for (; count; count--) {
        sums.all += (int32_t)*power;
        sums.weighted += (int64_t)(int32_t)*power++ * *weights++;
    }
#endif
    return sums;
}

/* Rows of the matrix times the logarithms. */
static void transform(const pqk_front_end *front_end, const uint32_t *logarithms,
                      uint8_t *features) {
    const uint32_t *row = front_end->dct;
    const uint32_t pairs = (front_end->bands + 1u) / 2u;
    for (uint32_t k = 0; k < front_end->coefficients; k++) {
        int32_t sum = 1 << 18;
        for (uint32_t i = 0; i < pairs; i++) {
            sum = pqk_dot(logarithms[i], *row++, sum);
        }
        sum >>= 19;
        features[k] = (uint8_t)(sum < -128 ? -128 : sum > 127 ? 127 : sum);
    }
}

/* Logarithms in pairs take the place of powers that are used up: every band has a bin. */
void pqk_front_end_frame(const pqk_front_end *front_end, const int16_t *samples, uint8_t *features,
                         uint32_t *scratch) {
    const uint32_t bands = front_end->bands, coefficients = front_end->coefficients;
    const int32_t exponent = pqk_front_end_power(front_end, samples, scratch);
    if (exponent == PQK_SILENCE) {
        for (uint32_t i = 0; i < (coefficients ? coefficients : bands); i++) {
            features[i] = 0;
        }
        return;
    }
    const logarithm scale = logarithm_of(exponent);
    const uint32_t *power = scratch + front_end->first_bin;
    const uint16_t *weights = front_end->weights;
    const uint8_t *counts = front_end->counts;
    slice below = sum_slice(power, weights, *counts);
    uint32_t earlier = 0;
    for (uint32_t band = 0; band < bands; band++) {
        power += *counts;
        weights += *counts++;
        const slice above = sum_slice(power, weights, *counts);
        const int64_t falling = above.all * (int64_t)32768 - above.weighted;
        const uint32_t value = log2_q8(&scale, below.weighted + falling);
        below = above;
        if (!coefficients) {
            const uint32_t steps = (value + 16u) >> 5;
            features[band] = (uint8_t)(steps < 255u ? steps : 255u);
        } else if (band & 1u) {
            scratch[band / 2u] = earlier | value << 16;
        } else {
            scratch[band / 2u] = earlier = value;
        }
    }
    if (coefficients) {
        transform(front_end, scratch, features);
    }
}
