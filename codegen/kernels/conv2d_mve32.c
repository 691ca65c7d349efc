/* Convolution over packed nonzero weights, 4 positions a vector: for sums that need more than the
 * 16 bits of conv2d_mve16. Contract in pqk_kernels.h. */
#include "pqk_mve.h"

#define LANES 4u
#define TILE 6u

typedef uint32_t sum_t;

#if defined(__ARM_FEATURE_MVE)

typedef uint32x4_t lanes_t;

PQK_INLINE lanes_t start(int32_t value) {
    return vdupq_n_u32((uint32_t)value);
}

PQK_INLINE lanes_t rectify(lanes_t acc, uint32_t floor) {
    return vqsubq_n_u32(acc, floor);
}

PQK_INLINE lanes_t add(lanes_t a, lanes_t b) {
    return vaddq_u32(a, b);
}

PQK_INLINE void keep(sum_t *to, lanes_t sums) {
    vstrwq_u32(to, sums);
}

PQK_INLINE void store(uint8_t *out, lanes_t sums, int32_t multiplier, uint8_t maximum) {
    const int32x4_t scaled = vrmulhq_s32((int32x4_t)sums, vdupq_n_s32(multiplier));
    vstrbq_u32(out, vminq_u32((uint32x4_t)scaled, vdupq_n_u32(maximum)));
}

PQK_INLINE lanes_t windows(const sum_t *sums, uint32_t width) {
    const uint32x4_t first = vmulq_n_u32(vidupq_n_u32(0, 1), width);
    uint32x4_t total = vldrwq_gather_shifted_offset_u32(sums, first);
    for (uint32_t x = 1; x < width; x++) {
        total = vaddq_u32(total, vldrwq_gather_shifted_offset_u32(sums + x, first));
    }
    return total;
}

#define LOAD_u "vldrb.u32"
#define LOAD_s "vldrb.s32"
#define WEIGHT(w) "sxth %[" #w "], %[" #w "]\n\t"
#define TERM(load, k, w)                                                                           \
    load " %q[x], [%[p], #4 * " #k "]\n\tvmla.u32 %q[a" #k "], %q[x], %[" #w "]\n\t"
#include "pqk_mve_accumulate.h"

#else

#include "pqk_mve_lanes.h"

#endif

#include "pqk_conv2d_mve.h"

void pqk_conv2d_mve32_u8(const pqk_conv2d_mve_t *layer, const uint8_t *input, uint8_t *output) {
    convolve(*layer, input, output, 0);
}

void pqk_conv2d_mve32_s8(const pqk_conv2d_mve_t *layer, const uint8_t *input, uint8_t *output) {
    convolve(*layer, input, output, 1);
}

void pqk_conv2d_mve32_pool_u8(const pqk_conv2d_mve_t *layer, const uint8_t *input,
                              uint8_t *output) {
    convolve_and_pool(*layer, input, output, pooled_row, 0);
}

void pqk_conv2d_mve32_pool_s8(const pqk_conv2d_mve_t *layer, const uint8_t *input,
                              uint8_t *output) {
    convolve_and_pool(*layer, input, output, pooled_row, 1);
}
