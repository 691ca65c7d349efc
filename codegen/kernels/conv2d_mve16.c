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

PQK_INLINE lanes_t windows(const sum_t *sums, uint32_t width) {
    const uint16x8_t first = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)width);
    uint16x8_t total = vldrhq_gather_shifted_offset_u16(sums, first);
    for (uint32_t x = 1; x < width; x++) {
        total = vaddq_u16(total, vldrhq_gather_shifted_offset_u16(sums + x, first));
    }
    return total;
}

/* 4 outputs from sums of `groups` groups of rows, `columns` columns in each. */
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

PQK_INLINE void store_windows(uint8_t *out, const sum_t *sums, uint32_t width, uint32_t groups,
                              uint32_t columns, int32_t multiplier, uint8_t maximum) {
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t total = 0;
        for (uint32_t g = 0; g < groups; g++) {
            for (uint32_t x = 0; x < width; x++) {
                total += sums[g * columns + i * width + x];
            }
        }
        out[i] = pqk_requantize((int32_t)total, multiplier, 32, maximum);
    }
}

#endif

#include "pqk_conv2d_mve.h"

/* As pooled_row, where a lane can sum only some rows of a window: the rest takes 32 bits. */
PQK_INLINE void pooled_row_in_groups(const pqk_conv2d_mve_t *layer, const channel_t *channel,
                                     const uint8_t *window, uint8_t *out, int is_signed) {
    sum_t sums[PQK_MVE_SUMS];
    const uint32_t width = layer->output.width;
    const uint32_t columns = width * layer->pool_width;
    uint32_t groups = 0;
    for (uint32_t y = 0; y < layer->pool_height; y += layer->group) {
        const uint32_t left = (uint32_t)layer->pool_height - y;
        row_of_sums(layer, channel, left < layer->group ? left : layer->group, columns,
                    window + y * layer->row, sums + groups * columns, is_signed);
        groups++;
    }
    for (uint32_t x = 0; x < width; x += 4) {
        const uint32_t first = x + 4 <= width ? x : width - 4;
        store_windows(out + first, sums + first * layer->pool_width, layer->pool_width, groups,
                      columns, channel->multiplier, layer->maximum);
    }
}

void pqk_conv2d_mve16_u8(const pqk_conv2d_mve_t *layer, const uint8_t *input, uint8_t *output) {
    convolve(*layer, input, output, 0);
}

void pqk_conv2d_mve16_s8(const pqk_conv2d_mve_t *layer, const uint8_t *input, uint8_t *output) {
    convolve(*layer, input, output, 1);
}

void pqk_conv2d_mve16_pool_u8(const pqk_conv2d_mve_t *layer, const uint8_t *input,
                              uint8_t *output) {
    convolve_and_pool(*layer, input, output, pooled_row, 0);
}

void pqk_conv2d_mve16_pool_s8(const pqk_conv2d_mve_t *layer, const uint8_t *input,
                              uint8_t *output) {
    convolve_and_pool(*layer, input, output, pooled_row, 1);
}

void pqk_conv2d_mve16_pool_in_groups_u8(const pqk_conv2d_mve_t *layer, const uint8_t *input,
                                        uint8_t *output) {
    convolve_and_pool(*layer, input, output, pooled_row_in_groups, 0);
}

void pqk_conv2d_mve16_pool_in_groups_s8(const pqk_conv2d_mve_t *layer, const uint8_t *input,
                                        uint8_t *output) {
    convolve_and_pool(*layer, input, output, pooled_row_in_groups, 1);
}
