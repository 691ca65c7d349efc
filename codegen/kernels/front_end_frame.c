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

/* What a band's sum needs to become a logarithm: the floor, and where bits are at and above 2^24
 * times it. */
typedef struct {
    uint32_t exponent; /* floor is 2^exponent, 8 .. 46 */
    uint32_t low;
    uint32_t high;
    uint32_t beyond;
} floor_of_bands;

static floor_of_bands floor_at(uint32_t exponent) {
    const uint64_t floor = (uint64_t)1 << exponent;
    const floor_of_bands result = {exponent, (uint32_t)floor, (uint32_t)(floor >> 32),
                                   exponent - 8u < 31u ? exponent - 8u : 31u};
    return result;
}

/* 2^8 log2(1 + sum / floor) of a sum below 2^47; rounding may have left it below 0, that counts as
 * 0. Energies have 24 bits: added to a sum of which these are beyond the floor, it changes nothing.
 */
PQK_INLINE uint32_t log2_q8(const floor_of_bands *floor, uint32_t low, uint32_t high) {
    const uint32_t sign = (uint32_t)((int32_t)high >> 31);
    uint32_t leading = low & ~sign;
    high &= ~sign;
    if (!(high >> floor->beyond)) {
        const uint64_t more =
            ((uint64_t)high << 32 | leading) + ((uint64_t)floor->high << 32 | floor->low);
        high = (uint32_t)(more >> 32);
        leading = (uint32_t)more;
    }
    uint32_t exponent = 31u - floor->exponent;
    if (high) {
        leading = leading >> 16 | high << 16;
        exponent += 16u;
    }
    const uint32_t zeros = (uint32_t)__builtin_clz(leading);
    const uint32_t mantissa = leading << zeros >> 23 & 255u;
    return ((exponent - zeros) << 8) + mantissa + corrections[mantissa >> 1];
}

/* The energies of bands as pairs of words, lower halves first: all of a slice's powers (together
 * below 2^31) go to the band below it, less their weighted sum, which goes to the band above. What
 * the first slice gives to a band below the first one stands in front. The sums may take the place
 * of powers that are used up. */
static void sum_bands(const pqk_front_end *front_end, const uint32_t *power, uint32_t *sums) {
    const uint16_t *weights = front_end->weights;
    const uint8_t *counts = front_end->counts;
    const uint8_t *const end = counts + front_end->bands + 1u;
#if PQK_HAS_PAIRS
    uint32_t count, value, weight, all, low, high, below_low = 0, below_high = 0;
    __asm volatile("1: ldrb %[count], [%[counts]], #1\n"
                   "mov %[all], #0\n"
                   "mov %[low], #0\n"
                   "mov %[high], #0\n"
                   "tst %[count], #1\n"
                   "beq 2f\n"
                   "ldr %[all], [%[power]], #4\n"
                   "ldrh %[weight], [%[weights]], #2\n"
                   "smull %[low], %[high], %[all], %[weight]\n"
                   "2: lsrs %[count], %[count], #1\n"
                   "beq 4f\n"
                   "3: ldr %[value], [%[power]], #4\n"
                   "ldrh %[weight], [%[weights]], #2\n"
                   "add %[all], %[all], %[value]\n"
                   "smlal %[low], %[high], %[value], %[weight]\n"
                   "ldr %[value], [%[power]], #4\n"
                   "ldrh %[weight], [%[weights]], #2\n"
                   "add %[all], %[all], %[value]\n"
                   "smlal %[low], %[high], %[value], %[weight]\n"
                   "subs %[count], %[count], #1\n"
                   "bne 3b\n"
                   "4: mov %[value], #32768\n"
                   "smlal %[below_low], %[below_high], %[all], %[value]\n"
                   "subs %[below_low], %[below_low], %[low]\n"
                   "sbc %[below_high], %[below_high], %[high]\n"
                   "strd %[below_low], %[below_high], [%[sums]], #8\n"
                   "mov %[below_low], %[low]\n"
                   "mov %[below_high], %[high]\n"
                   "cmp %[counts], %[end]\n"
                   "bne 1b\n"
                   : [counts] "+r"(counts), [power] "+r"(power), [weights] "+r"(weights),
                     [sums] "+r"(sums), [below_low] "+r"(below_low), [below_high] "+r"(below_high),
                     [count] "=&r"(count), [value] "=&r"(value), [weight] "=&r"(weight),
                     [all] "=&r"(all), [low] "=&r"(low), [high] "=&r"(high)
                   : [end] "r"(end)
                   : "cc", "memory");
#else
    int64_t below = 0;
    while (counts < end) {
        int32_t all = 0;
        int64_t weighted = 0;
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1
        int32_t upper = 0; /* no product of 64 bits */
        uint64_t lower = 0;
        for (uint32_t count = *counts++; count; count--) {
            const uint32_t weight = *weights++;
            const int32_t value = (int32_t)*power++;
            all += value;
            upper += (value >> 16) * (int32_t)weight;
            lower += ((uint32_t)value & 0xFFFFu) * weight;
        }
        weighted = (int64_t)((uint64_t)upper << 16) + (int64_t)lower;
#else
        for (uint32_t count = *counts++; count; count--) {
            const int32_t value = (int32_t)*power++;
            all += value;
            weighted += (int64_t)value * *weights++;
        }
#endif
        const int64_t sum = below + all * (int64_t)32768 - weighted;
        *sums++ = (uint32_t)sum;
        *sums++ = (uint32_t)(sum >> 32);
        below = weighted;
    }
#endif
}

/* Rows of the matrix times the logarithms. */
static void transform(const pqk_front_end *front_end, const uint32_t *logarithms,
                      uint8_t *features) {
    const uint32_t *row = front_end->dct;
    const uint32_t pairs = (front_end->bands + 1u) / 2u;
    for (uint8_t *const end = features + front_end->coefficients; features < end; features++) {
        const uint32_t *other = logarithms;
        int32_t sum = 1 << 18;
        for (uint32_t i = pairs / 4u; i; i--, other += 4, row += 4) {
            sum = pqk_dot(other[0], row[0], sum);
            sum = pqk_dot(other[1], row[1], sum);
            sum = pqk_dot(other[2], row[2], sum);
            sum = pqk_dot(other[3], row[3], sum);
        }
        for (uint32_t i = pairs % 4u; i; i--) {
            sum = pqk_dot(*other++, *row++, sum);
        }
        sum >>= 19;
        *features = (uint8_t)(sum < -128 ? -128 : sum > 127 ? 127 : sum);
    }
}

static void encode_bands(const floor_of_bands *floor, const uint32_t *sums, uint32_t bands,
                         uint8_t *features) {
    const floor_of_bands local = *floor;
    for (uint8_t *const end = features + bands; features < end; sums += 2) {
        const uint32_t steps = (log2_q8(&local, sums[0], sums[1]) + 16u) >> 5;
        *features++ = (uint8_t)(steps < 255u ? steps : 255u);
    }
}

/* In pairs, in place; an odd number of bands gets a 0. */
static void take_logarithms(const floor_of_bands *floor, uint32_t *sums, uint32_t bands) {
    const floor_of_bands local = *floor;
    uint32_t *pair = sums;
    for (const uint32_t *const end = sums + 2u * bands; sums < end; sums += 4) {
        const uint32_t first = log2_q8(&local, sums[0], sums[1]);
        const uint32_t second = sums + 2 < end ? log2_q8(&local, sums[2], sums[3]) : 0;
        *pair++ = first | second << 16;
    }
}

void pqk_front_end_frame(const pqk_front_end *front_end, const int16_t *samples, uint8_t *features,
                         uint32_t *scratch) {
    const uint32_t bands = front_end->bands, coefficients = front_end->coefficients;
    uint32_t *const power = scratch + front_end->ahead;
    const int32_t exponent = front_end->power(front_end, samples, power);
    if (exponent == PQK_SILENCE) {
        for (uint32_t i = 0; i < (coefficients ? coefficients : bands); i++) {
            features[i] = 0;
        }
        return;
    }
    const floor_of_bands floor = floor_at((uint32_t)(28 - exponent));
    sum_bands(front_end, power + front_end->first_bin, scratch);
    uint32_t *const sums = scratch + 2;
    if (coefficients) {
        take_logarithms(&floor, sums, bands);
        transform(front_end, sums, features);
    } else {
        encode_bands(&floor, sums, bands, features);
    }
}
