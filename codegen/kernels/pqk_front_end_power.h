/* Scaling, window, Fourier transform and power of one frame; contract in pqk_front_end.h. The file
 * that includes this defines POINTS, 256 or 512, and POWER, the function's name. */
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
    const int16_t *const end = samples + 2u * pairs;
    uint32_t bits = 0;
#if PQK_HAS_PAIRS
/* clang-format off */
#define ADD_BITS(of)                                                                               \
    "eor " #of ", " #of ", " #of ", lsl #1\n"                                                      \
    "orr %[bits], %[bits], " #of "\n"
    /* clang-format on */
    for (const int16_t *const last = end - 16; samples <= last;) {
        __asm volatile("ldmia %[samples]!, {r3, r4, r5, r6, r8, r9, r10, r12}\n" /* */
                       ADD_BITS(r3) ADD_BITS(r4) ADD_BITS(r5) ADD_BITS(r6)       /* */
                       ADD_BITS(r8) ADD_BITS(r9) ADD_BITS(r10) ADD_BITS(r12)
                       : [samples] "+r"(samples), [bits] "+r"(bits)
                       :
                       : "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "memory");
    }
#endif
    for (; samples < end; samples += 2) {
        const uint32_t pair = sample_pair(samples, 0);
        bits |= pair ^ pair << 1;
    }
    bits = (bits | bits >> 16) & 0xFFFFu;
    return bits ? 32u - (uint32_t)__builtin_clz(bits) : 0;
}

#define QUARTER (POINTS / 4u)

/* Where the first stage is: its next butterfly, and the energy of what it has read. */
typedef struct {
    const int16_t *samples;
    const uint32_t *hann;
    const uint8_t *order;
    int64_t energy;
    int32_t rounding;
    uint32_t shift;
} progress;

/* `count` butterflies of the first stage; the first `legs` legs are inside the window. */
#if PQK_HAS_PAIRS

/* In assembly, because the compiler does not find a way to do with 14 registers. */
#define WINDOWED(y, samples_at, hann_at)                                                           \
    "ldr %[" y "], [%[samples]" samples_at "\n"                                                    \
    "ldr %[v], [%[hann]" hann_at "\n"                                                              \
    "smlabb %[w], %[" y "], %[v], %[rounding]\n"                                                   \
    "smlatt %[" y "], %[" y "], %[v], %[rounding]\n"                                               \
    "lsl %[w], %[w], %[shift]\n"                                                                   \
    "lsl %[" y "], %[" y "], %[shift]\n"                                                           \
    "pkhtb %[" y "], %[" y "], %[w], asr #16\n"                                                    \
    "smlald %Q[energy], %R[energy], %[" y "], %[" y "]\n"
#define OUTSIDE(y) "mov %[" y "], #0\n"

#define FIRST_STAGE(at, count, z, legs_1_to_3)                                                     \
    const uint8_t *const end = (at)->order + (count);                                              \
    uint32_t a, b, c, d, v, w;                                                                     \
    __asm volatile(                                                                                \
        "1:\n" legs_1_to_3 WINDOWED("a", "], #4", "], #4") /* */                                   \
        "shadd16 %[v], %[a], %[c]\n"                                                               \
        "shsub16 %[a], %[a], %[c]\n"                                                               \
        "shadd16 %[c], %[b], %[d]\n"                                                               \
        "shsub16 %[b], %[b], %[d]\n"                                                               \
        "ldrb %[d], [%[order]], #1\n"                                                              \
        "shadd16 %[w], %[v], %[c]\n"                                                               \
        "shsub16 %[v], %[v], %[c]\n"                                                               \
        "add %[d], %[z], %[d], lsl #4\n"                                                           \
        "shsax %[c], %[a], %[b]\n"                                                                 \
        "shasx %[a], %[a], %[b]\n"                                                                 \
        "strd %[w], %[c], [%[d]]\n"                                                                \
        "ldr %[w], %[end]\n"                                                                       \
        "strd %[v], %[a], [%[d], #8]\n"                                                            \
        "cmp %[order], %[w]\n"                                                                     \
        "bne 1b\n"                                                                                 \
        : [samples] "+r"((at)->samples), [hann] "+r"((at)->hann), [order] "+r"((at)->order),       \
          [energy] "+r"((at)->energy), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d),     \
          [v] "=&r"(v), [w] "=&r"(w)                                                               \
        : [rounding] "r"((at)->rounding), [shift] "r"((at)->shift), [end] "m"(end), [z] "r"(z)     \
        : "cc", "memory")

#if POINTS == 256u
#define LEG_1 WINDOWED("b", ", #256]", ", #256]")
#define LEG_2 WINDOWED("c", ", #512]", ", #512]")
#define LEG_3 WINDOWED("d", ", #768]", ", #768]")
#else
#define LEG_1 WINDOWED("b", ", #512]", ", #512]")
#define LEG_2 WINDOWED("c", ", #1024]", ", #1024]")
#define LEG_3 WINDOWED("d", ", #1536]", ", #1536]")
#endif

static void first_stage_4(progress *at, uint32_t count, uint32_t *z) {
    FIRST_STAGE(at, count, z, LEG_3 LEG_2 LEG_1);
}

static void first_stage_3(progress *at, uint32_t count, uint32_t *z) {
    FIRST_STAGE(at, count, z, OUTSIDE("d") LEG_2 LEG_1);
}

static void first_stage_2(progress *at, uint32_t count, uint32_t *z) {
    FIRST_STAGE(at, count, z, OUTSIDE("d") OUTSIDE("c") LEG_1);
}

static void first_stage_1(progress *at, uint32_t count, uint32_t *z) {
    FIRST_STAGE(at, count, z, OUTSIDE("d") OUTSIDE("c") OUTSIDE("b"));
}

#else

/* Samples of leg `leg` times the window, scaled and rounded. */
PQK_INLINE uint32_t windowed_pair(const progress *at, uint32_t leg) {
    const uint32_t pair = sample_pair(at->samples, leg * QUARTER), factor = at->hann[leg * QUARTER];
    const int32_t low = pqk_multiply_low(pair, factor, at->rounding);
    const int32_t high = pqk_multiply_high(pair, factor, at->rounding);
    return pqk_pack_upper((uint32_t)low << at->shift, (uint32_t)high << at->shift);
}

PQK_INLINE void first_stage(progress *start, uint32_t count, uint32_t legs, uint32_t *z) {
    progress at = *start;
    for (const uint8_t *const end = at.order + count; at.order < end;) {
        const uint32_t a = windowed_pair(&at, 0);
        const uint32_t b = legs > 1 ? windowed_pair(&at, 1) : 0;
        const uint32_t c = legs > 2 ? windowed_pair(&at, 2) : 0;
        const uint32_t d = legs > 3 ? windowed_pair(&at, 3) : 0;
        at.energy += pqk_square(a);
        at.energy += legs > 1 ? pqk_square(b) : 0;
        at.energy += legs > 2 ? pqk_square(c) : 0;
        at.energy += legs > 3 ? pqk_square(d) : 0;
        const uint32_t t0 = pqk_half_add(a, c), t1 = pqk_half_subtract(a, c);
        const uint32_t t2 = pqk_half_add(b, d), t3 = pqk_half_subtract(b, d);
        uint32_t *const y = z + 4u * *at.order++;
        at.samples += 2;
        at.hann++;
        y[0] = pqk_half_add(t0, t2);
        y[1] = pqk_half_subtract_turned(t1, t3);
        y[2] = pqk_half_subtract(t0, t2);
        y[3] = pqk_half_add_turned(t1, t3);
    }
    *start = at;
}

static void first_stage_4(progress *at, uint32_t count, uint32_t *z) {
    first_stage(at, count, 4, z);
}

static void first_stage_3(progress *at, uint32_t count, uint32_t *z) {
    first_stage(at, count, 3, z);
}

static void first_stage_2(progress *at, uint32_t count, uint32_t *z) {
    first_stage(at, count, 2, z);
}

static void first_stage_1(progress *at, uint32_t count, uint32_t *z) {
    first_stage(at, count, 1, z);
}

#endif

/* The whole first stage of a window of so many pairs: what is left of the last leg, then the rest.
 */
static void begin(progress *at, uint32_t pairs, uint32_t *z) {
    const uint32_t legs = (pairs - 1u) / QUARTER, most = pairs - legs * QUARTER;
    (legs == 3   ? first_stage_4
     : legs == 2 ? first_stage_3
     : legs == 1 ? first_stage_2
                 : first_stage_1)(at, most, z);
    if (most < QUARTER) {
        (legs == 3   ? first_stage_3
         : legs == 2 ? first_stage_2
                     : first_stage_1)(at, QUARTER - most, z);
    }
}

/* z times the conjugate of the factor, halved and rounded. */
PQK_INLINE uint32_t half_product(uint32_t z, uint32_t factor) {
    const int32_t rounding = 0x8000;
    return pqk_pack_upper((uint32_t)pqk_dot(z, factor, rounding),
                          (uint32_t)pqk_cross_difference(factor, z, rounding));
}

/* A butterfly of a stage that combines transforms of `quarter` points. Factors are negative, hence
 * the signs; without them they are all -1. */
PQK_INLINE void butterfly(uint32_t *y, uint32_t quarter, const uint32_t *factors, int once) {
    const uint32_t ones = 0x00010001u;
    const uint32_t a = pqk_half_add(y[0], ones);
    uint32_t b = y[quarter], c = y[2u * quarter], d = y[3u * quarter];
    b = factors ? half_product(b, factors[0]) : pqk_half_subtract(ones, b);
    c = factors ? half_product(c, factors[1]) : pqk_half_subtract(ones, c);
    d = factors ? half_product(d, factors[2]) : pqk_half_subtract(ones, d);
    const uint32_t t0 = pqk_subtract(a, c), t1 = pqk_add(a, c);
    const uint32_t t2 = pqk_add(b, d), t3 = pqk_subtract(b, d);
    y[0] = once ? pqk_subtract(t0, t2) : pqk_half_subtract(t0, t2);
    y[quarter] = once ? pqk_add_turned(t1, t3) : pqk_half_add_turned(t1, t3);
    y[2u * quarter] = once ? pqk_add(t0, t2) : pqk_half_add(t0, t2);
    y[3u * quarter] = once ? pqk_subtract_turned(t1, t3) : pqk_half_subtract_turned(t1, t3);
}

/* The next three factors. The compiler does not load three words at once. */
PQK_INLINE const uint32_t *take_factors(const uint32_t *factors, uint32_t taken[3]) {
#if PQK_HAS_PAIRS
    register uint32_t first __asm("r8"), second __asm("r9"), third __asm("r10");
    __asm("ldmia %0!, {%1, %2, %3}"
          : "+r"(factors), "=r"(first), "=r"(second), "=r"(third)
          : "m"(*(const uint32_t(*)[3])factors));
    taken[0] = first, taken[1] = second, taken[2] = third;
    return factors;
#else
    taken[0] = factors[0], taken[1] = factors[1], taken[2] = factors[2];
    return factors + 3;
#endif
}

/* The butterflies of all blocks that have the same factors. */
PQK_INLINE void butterflies(uint32_t *z, uint32_t quarter, const uint32_t *factors, int once) {
    PQK_UNROLL_2
    for (uint32_t block = 0; block < POINTS / (4u * quarter); block++, z += 4u * quarter) {
        butterfly(z, quarter, factors, once);
    }
}

/* A stage of few factors: each is read once and serves all blocks; the first ones are -1. */
PQK_INLINE void early_stage(uint32_t *z, const uint32_t *factors, uint32_t quarter, int once) {
    const uint32_t *const end = factors + 3u * quarter;
    if (quarter == 4) { /* not worth its code where it is a smaller part */
        butterflies(z++, quarter, 0, once);
        factors += 3;
    }
    for (; factors < end; z++) {
        uint32_t taken[3];
        factors = take_factors(factors, taken);
        butterflies(z, quarter, taken, once);
    }
}

/* A stage of few blocks. */
PQK_INLINE void late_stage(uint32_t *z, const uint32_t *factors, uint32_t quarter, int once) {
    for (uint32_t *const end = z + POINTS; z < end; z += 3u * quarter) {
        const uint32_t *factor = factors;
        PQK_UNROLL_2
        for (uint32_t j = 0; j < quarter; j++, z++) {
            uint32_t taken[3];
            factor = take_factors(factor, taken);
            butterfly(z, quarter, taken, once);
        }
    }
}

static void stage_16(uint32_t *z, const uint32_t *factors, int once) {
    if (once) {
        early_stage(z, factors, 4, 1);
    } else {
        early_stage(z, factors, 4, 0);
    }
}

static void stage_64(uint32_t *z, const uint32_t *factors, int once) {
    if (once) {
        early_stage(z, factors, 16, 1);
    } else {
        early_stage(z, factors, 16, 0);
    }
}

static void stage_256(uint32_t *z, const uint32_t *factors, int once) {
    if (once) {
        late_stage(z, factors, 64, 1);
    } else {
        late_stage(z, factors, 64, 0);
    }
}

#if POINTS > 256
/* The stage of radix 2. The upper half of its factors is the lower half, turned. */
static void stage_512(uint32_t *z, const uint32_t *split) {
    for (uint32_t *const end = z + QUARTER; z < end; z++, split += 2) {
        const uint32_t a = pqk_half_add(z[0], 0x00010001u);
        const uint32_t b = pqk_half_add(z[QUARTER], 0x00010001u);
        const uint32_t c = half_product(z[2u * QUARTER], *split);
        const uint32_t d = half_product(z[3u * QUARTER], *split);
        z[0] = pqk_subtract(a, c);
        z[QUARTER] = pqk_add_turned(b, d);
        z[2u * QUARTER] = pqk_add(a, c);
        z[3u * QUARTER] = pqk_subtract_turned(b, d);
    }
}
#endif

/* From the transform of the half-length complex signal to the power of the real one, in place. */
static void split_power(uint32_t *z, const uint32_t *split) {
    uint32_t *front = z + 1, *back = z + POINTS - 1u;
    PQK_UNROLL_2
    for (uint32_t k = 0; k < POINTS / 2u; k++) {
        const uint32_t factor = *++split, low = *front, high = *back;
        const int32_t a = pqk_square(low), b = pqk_square(high);
        const int32_t twice = 2 * pqk_cross_sum(low, high);
        const int32_t d = pqk_scale_low(twice, factor, pqk_scale_high(b - a, factor, 1));
        const int32_t sum = a + b;
        *front++ = (uint32_t)((sum >> 1) - d);
        *back-- = (uint32_t)((sum >> 1) + d);
    }
}

int32_t POWER(const pqk_front_end *front_end, const int16_t *samples, uint32_t *power) {
    const uint32_t pairs = front_end->window / 2u;
    const uint32_t bits = used_bits(samples, pairs); /* they become 15, by a right shift if 16 */
    if (!bits) {
        return PQK_SILENCE;
    }
    progress at = {samples, front_end->hann, front_end->order, 0, 1 << (bits - 1u), 16u - bits};
    begin(&at, pairs, power);
    /* How many of the last stages of radix 4 cannot overflow with one halving: see the reference.
     */
    const uint32_t energy = (uint32_t)(at.energy >> 26);
    const uint32_t single = (energy < 63u << 4) + (energy < 63u << 2) + (energy < 63u);
    const uint32_t *const factors = front_end->factors;
    stage_16(power, factors, single > 2);
    stage_64(power, factors + 3u * 4u, single > 1);
    stage_256(power, factors + 3u * (4u + 16u), single > 0);
    uint32_t halvings = 8u - single;
#if POINTS > 256
    stage_512(power, front_end->split);
    halvings++;
#endif
    split_power(power, front_end->split);
    return 2 * ((int32_t)(halvings + bits) - 15);
}
