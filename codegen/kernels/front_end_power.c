/* Scaling, window, Fourier transform and power of one frame; contract in pqk_front_end.h. */
#include "pqk_front_end.h"
#include "pqk_pairs.h"

/* Samples 2n and 2n + 1. */
PQK_INLINE uint32_t sample_pair(const int16_t *samples, uint32_t n) {
    uint32_t pair;
    __builtin_memcpy(&pair, __builtin_assume_aligned(samples + 2u * n, 4), sizeof pair);
    return pair;
}

/* Bits of the largest sample, sign left out, plus 1; 0 if all are zero. The highest bit of x ^ 2x
 * is where x begins to differ from its sign. What one half shifts into the other half is a sign,
 * and only a negative number has one, which sets a bit of its own. */
static uint32_t used_bits(const int16_t *samples, uint32_t pairs) {
    uint32_t bits = 0;
    for (uint32_t n = 0; n < pairs; n++) {
        const uint32_t pair = sample_pair(samples, n);
        bits |= pair ^ pair << 1;
    }
    bits = (bits | bits >> 16) & 0xFFFFu;
    return bits ? 32u - (uint32_t)__builtin_clz(bits) : 0;
}

typedef struct {
    const int16_t *samples;
    const uint32_t *hann;
    int32_t rounding;
    uint32_t shift;
} windowing;

/* Samples 2n and 2n + 1 times the window, scaled and rounded. */
PQK_INLINE uint32_t windowed_pair(const windowing *source, uint32_t n) {
    const uint32_t pair = sample_pair(source->samples, n), factor = source->hann[n];
    const int32_t low = pqk_multiply_low(pair, factor, source->rounding);
    const int32_t high = pqk_multiply_high(pair, factor, source->rounding);
    return pqk_pack_upper((uint32_t)low << source->shift, (uint32_t)high << source->shift);
}

/* Butterflies n .. end - 1 of the first stage, of which the first `legs` legs are not beyond the
 * window. Adds the energy of what they read. */
PQK_INLINE int64_t first_stage(const windowing *source, const uint8_t *order, uint32_t quarter,
                               uint32_t n, uint32_t end, uint32_t legs, uint32_t *z,
                               int64_t energy) {
    const windowing local = *source;
    for (; n < end; n++) {
        const uint32_t a = windowed_pair(&local, n);
        const uint32_t b = legs > 1 ? windowed_pair(&local, n + quarter) : 0;
        const uint32_t c = legs > 2 ? windowed_pair(&local, n + 2 * quarter) : 0;
        const uint32_t d = legs > 3 ? windowed_pair(&local, n + 3 * quarter) : 0;
        energy = pqk_dot_long(a, a, energy);
        energy = legs > 1 ? pqk_dot_long(b, b, energy) : energy;
        energy = legs > 2 ? pqk_dot_long(c, c, energy) : energy;
        energy = legs > 3 ? pqk_dot_long(d, d, energy) : energy;
        const uint32_t t0 = pqk_half_add(a, c), t1 = pqk_half_subtract(a, c);
        const uint32_t t2 = pqk_half_add(b, d), t3 = pqk_half_subtract(b, d);
        uint32_t *const y = z + 4u * order[n];
        y[0] = pqk_half_add(t0, t2);
        y[1] = pqk_half_subtract_turned(t1, t3);
        y[2] = pqk_half_subtract(t0, t2);
        y[3] = pqk_half_add_turned(t1, t3);
    }
    return energy;
}

/* The first stage; returns the energy of its input. */
static int64_t begin(const pqk_front_end *front_end, const windowing *source, uint32_t *z) {
    const uint32_t quarter = front_end->points / 4u, pairs = front_end->window / 2u;
    const uint32_t full = pairs / quarter, rest = pairs - full * quarter;
    const uint8_t *const order = front_end->order;
    if (full == 4) {
        return first_stage(source, order, quarter, 0, quarter, 4, z, 0);
    }
    if (full == 3) {
        const int64_t energy = first_stage(source, order, quarter, 0, rest, 4, z, 0);
        return first_stage(source, order, quarter, rest, quarter, 3, z, energy);
    }
    if (full == 2) {
        const int64_t energy = first_stage(source, order, quarter, 0, rest, 3, z, 0);
        return first_stage(source, order, quarter, rest, quarter, 2, z, energy);
    }
    const int64_t energy = first_stage(source, order, quarter, 0, rest, 2, z, 0);
    return first_stage(source, order, quarter, rest, quarter, 1, z, energy);
}

/* z times the conjugate of the factor, halved and rounded. */
PQK_INLINE uint32_t half_product(uint32_t z, uint32_t factor) {
    const int32_t rounding = 0x8000;
    return pqk_pack_upper((uint32_t)pqk_dot(z, factor, rounding),
                          (uint32_t)pqk_cross_difference(factor, z, rounding));
}

/* A stage that combines four transforms of `quarter` points each. Factors are negative, hence the
 * signs. Returns the next stage's factors. */
PQK_INLINE const uint32_t *stage(uint32_t *z, uint32_t points, const uint32_t *factors,
                                 uint32_t quarter, int once) {
    for (uint32_t j = 0; j < quarter; j++) {
        const uint32_t f1 = factors[0], f2 = factors[1], f3 = factors[2];
        factors += 3;
        for (uint32_t *y = z + j; y < z + points; y += 4u * quarter) {
            const uint32_t a = pqk_half_add(y[0], 0x00010001u);
            const uint32_t b = half_product(y[quarter], f1);
            const uint32_t c = half_product(y[2u * quarter], f2);
            const uint32_t d = half_product(y[3u * quarter], f3);
            const uint32_t t0 = pqk_subtract(a, c), t1 = pqk_add(a, c);
            const uint32_t t2 = pqk_add(b, d), t3 = pqk_subtract(b, d);
            if (once) {
                y[0] = pqk_subtract(t0, t2);
                y[quarter] = pqk_add_turned(t1, t3);
                y[2u * quarter] = pqk_add(t0, t2);
                y[3u * quarter] = pqk_subtract_turned(t1, t3);
            } else {
                y[0] = pqk_half_subtract(t0, t2);
                y[quarter] = pqk_half_add_turned(t1, t3);
                y[2u * quarter] = pqk_half_add(t0, t2);
                y[3u * quarter] = pqk_half_subtract_turned(t1, t3);
            }
        }
    }
    return factors;
}

static const uint32_t *stage_halved_twice(uint32_t *z, uint32_t points, const uint32_t *factors,
                                          uint32_t quarter) {
    return stage(z, points, factors, quarter, 0);
}

static const uint32_t *stage_halved_once(uint32_t *z, uint32_t points, const uint32_t *factors,
                                         uint32_t quarter) {
    return stage(z, points, factors, quarter, 1);
}

/* The stage of radix 2. The upper half of its factors is the lower half, turned. */
static void last_stage(uint32_t *z, uint32_t points, const uint32_t *split) {
    const uint32_t quarter = points / 4u;
    for (uint32_t *y = z; y < z + quarter; y++) {
        const uint32_t factor = *split;
        const uint32_t a = pqk_half_add(y[0], 0x00010001u);
        const uint32_t b = pqk_half_add(y[quarter], 0x00010001u);
        const uint32_t c = half_product(y[2u * quarter], factor);
        const uint32_t d = half_product(y[3u * quarter], factor);
        split += 2;
        y[0] = pqk_subtract(a, c);
        y[quarter] = pqk_add_turned(b, d);
        y[2u * quarter] = pqk_add(a, c);
        y[3u * quarter] = pqk_subtract_turned(b, d);
    }
}

/* From the transform of the half-length complex signal to the power of the real one, in place. */
static void split_power(uint32_t *z, uint32_t points, const uint32_t *split) {
    uint32_t *front = z + 1, *back = z + points - 1;
    while (front <= back) {
        const uint32_t factor = *++split;
        const int32_t a = pqk_dot(*front, *front, 0), b = pqk_dot(*back, *back, 0);
        const int32_t twice = 2 * pqk_cross_sum(*front, *back);
        const int32_t d = pqk_scale_low(twice, factor, pqk_scale_high(b - a, factor, 1));
        const int32_t mean = (a + b) >> 1;
        *front++ = (uint32_t)(mean - d);
        *back-- = (uint32_t)(mean + d);
    }
}

/* How many of the last stages of radix 4 cannot overflow with one halving: see the reference. */
static uint32_t single_halvings(int64_t energy) {
    const uint32_t scaled = (uint32_t)(energy >> 26);
    return (scaled < 63u << 4) + (scaled < 63u << 2) + (scaled < 63u);
}

int32_t pqk_front_end_power(const pqk_front_end *front_end, const int16_t *samples,
                            uint32_t *power) {
    const uint32_t points = front_end->points;
    const uint32_t bits = used_bits(samples, front_end->window / 2u);
    if (!bits) {
        return PQK_SILENCE;
    }
    /* 15 - bits brings the largest sample to 15 bits with its sign, -1 is a shift to the right */
    const windowing source = {samples, front_end->hann, 1 << (bits - 1u), 16u - bits};
    const uint32_t single = single_halvings(begin(front_end, &source, power));
    const uint32_t *factors = front_end->factors;
    for (uint32_t left = 3, quarter = 4; left; left--, quarter *= 4) {
        factors = (single >= left ? stage_halved_once : stage_halved_twice)(power, points, factors,
                                                                            quarter);
    }
    uint32_t halvings = 8u - single;
    if (points > 256) {
        last_stage(power, points, front_end->split);
        halvings++;
    }
    split_power(power, points, front_end->split);
    return 2 * ((int32_t)(halvings + bits) - 15);
}
