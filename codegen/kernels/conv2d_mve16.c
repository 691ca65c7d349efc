/* Convolution over packed nonzero weights, 8 positions a vector; contract in pqk_kernels.h.
 *
 * Sums are taken modulo 2^16. The generator has proven that bias - floor + sum lies in 0..65535,
 * and max(bias + sum, 0) is then one saturating subtraction. */
#include "pqk_mve.h"

#define LANES 8u
#define TILE 6u

typedef uint16_t sum_t;

#if defined(__ARM_FEATURE_MVE)

typedef uint16x8_t lanes_t;

PQK_INLINE lanes_t start(int32_t value) {
    return vdupq_n_u16((uint16_t)value);
}

PQK_INLINE lanes_t rectify(lanes_t acc, uint32_t floor) {
    return vqsubq_n_u16(acc, (uint16_t)floor);
}

PQK_INLINE lanes_t add(lanes_t a, lanes_t b) {
    return vaddq_u16(a, b);
}

PQK_INLINE void keep(sum_t *to, lanes_t sums) {
    vstrhq_u16(to, sums);
}

/* Lane pairs are widened, multiplied, and their results, below 2^16, joined again. */
PQK_INLINE void store(uint8_t *out, lanes_t sums, int32_t multiplier, uint8_t maximum) {
    const int32x4_t factor = vdupq_n_s32(multiplier);
    const int32x4_t even = vrmulhq_s32((int32x4_t)vmovlbq_u16(sums), factor);
    const int32x4_t odd = vrmulhq_s32((int32x4_t)vmovltq_u16(sums), factor);
    const uint16x8_t both = (uint16x8_t)vmovntq_s32((int16x8_t)even, odd);
    vstrbq_u16(out, vminq_u16(both, vdupq_n_u16(maximum)));
}

PQK_INLINE void store_windows(uint8_t *out, const sum_t *sums, uint32_t width, uint32_t groups,
                              uint32_t columns, int32_t multiplier, uint8_t maximum) {
    const uint32x4_t first = vmulq_n_u32(vidupq_n_u32(0, 1), width);
    uint32x4_t total = vdupq_n_u32(0);
    for (uint32_t g = 0; g < groups; g++) {
        for (uint32_t x = 0; x < width; x++) {
            total = vaddq_u32(total, vldrhq_gather_shifted_offset_u32(sums + x, first));
        }
        sums += columns;
    }
    const int32x4_t scaled = vrmulhq_s32((int32x4_t)total, vdupq_n_s32(multiplier));
    vstrbq_u32(out, vminq_u32((uint32x4_t)scaled, vdupq_n_u32(maximum)));
}

#define LOAD_u "vldrb.u16"
#define LOAD_s "vldrb.s16"
#define WEIGHT(w)
#define TERM(load, k, w)                                                                           \
    load " %q[x], [%[p], #8 * " #k "]\n\tvmla.u16 %q[a" #k "], %q[x], %[" #w "]\n\t"
#include "pqk_mve_accumulate.h"

#else

#include "pqk_mve_lanes.h"

#endif

#include "pqk_conv2d_mve.h"

void pqk_conv2d_mve16_u8(const pqk_conv2d_mve_t *layer, const uint8_t *input, uint8_t *output) {
    convolve(*layer, input, output, 0);
}

void pqk_conv2d_mve16_s8(const pqk_conv2d_mve_t *layer, const uint8_t *input, uint8_t *output) {
    convolve(*layer, input, output, 1);
}

void pqk_conv2d_mve16_pool_u8(const pqk_conv2d_mve_t *layer, const uint8_t *input,
                              uint8_t *output) {
    convolve_and_pool(*layer, input, output, 0);
}

void pqk_conv2d_mve16_pool_s8(const pqk_conv2d_mve_t *layer, const uint8_t *input,
                              uint8_t *output) {
    convolve_and_pool(*layer, input, output, 1);
}
