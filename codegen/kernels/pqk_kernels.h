/* The kernels and their contracts. Plain C99, correct on any Cortex-M and on the host; no heap, no
 * libc.
 *
 * What each computes is defined by the operation of the same meaning in codegen/pqk_codegen/ops,
 * bit for bit. Structures are constant data made by the generator. Nothing here checks them: the
 * generator proves that every access stays inside its buffer and that every sum fits its
 * accumulator.
 */
#ifndef PQK_KERNELS_H
#define PQK_KERNELS_H

#include <stdint.h>

/* Planes of 8-bit elements: (c, y, x) lies at origin + c * plane + y * row + x. Between rows and
 * planes there may be a halo of zeros, which readers use as padding and writers leave alone. */
typedef struct {
    uint16_t channels;
    uint16_t height;
    uint16_t width;
    uint16_t row;
    uint32_t plane;
} pqk_planes_t;

/* What all convolutions share. The first tap of the window of output (y, x), pool position (0, 0),
 * lies at input - origin + y * pool_height * row_step + x * pool_width * column_step. */
typedef struct {
    const int32_t *bias;       /* per output channel */
    const int32_t *multiplier; /* per output channel, 0 <= m < 2^31 */
    pqk_planes_t output;
    uint32_t origin;
    uint16_t row_step;
    uint8_t column_step;
    uint8_t pool_height;
    uint8_t pool_width;
    uint8_t shift; /* 24..32: the real factor of a channel is multiplier / 2^shift */
    uint8_t maximum;
} pqk_conv2d_t;

/* Convolution + ReLU + average pool + requantisation over packed nonzero weights.
 * input, output: element (0, 0, 0) of planes that do not overlap. u8 and s8 name the input's type.
 * conv2d_sparse4: an entry is one byte, gap << 4 | weight & 15. conv2d_sparse8: two bytes, gap,
 * weight. An entry skips `gap` taps, applies its weight at the next one and steps past it. */
typedef struct {
    pqk_conv2d_t common;
    const uint8_t *entries;
    const uint16_t *lengths; /* entries of each output channel */
    const uint32_t *taps;    /* bytes from a window's first tap to each tap */
} pqk_conv2d_sparse_t;

void pqk_conv2d_sparse4_u8(const pqk_conv2d_sparse_t *layer, const uint8_t *input, uint8_t *output);
void pqk_conv2d_sparse4_s8(const pqk_conv2d_sparse_t *layer, const uint8_t *input, uint8_t *output);
void pqk_conv2d_sparse8_u8(const pqk_conv2d_sparse_t *layer, const uint8_t *input, uint8_t *output);
void pqk_conv2d_sparse8_s8(const pqk_conv2d_sparse_t *layer, const uint8_t *input, uint8_t *output);

/* The same for cores with vectors (MVE), stride 1. An entry is 32 bits: bytes from a window's first
 * tap to the weight's in the upper half, the weight in the lower. mve16 and mve32 are the width of
 * an accumulator's lane; `pool` names the functions with a pool window, `in_groups` those for sums
 * of more than 16 bits.
 * start = bias + floor, and for every input 0 <= start + weighted sum < 2^16 (2^32).
 * With counts[c] == 0 all outputs of channel c are start[c].
 * Rows of input and output may be equally far apart: then what lies between the output's rows is
 * written, and is zero in the end. Needs 2 vectors of positions, with a pool window 2 vectors
 * of columns and 4 of outputs. */
typedef struct {
    const uint32_t *entries;
    const uint16_t *counts; /* entries of each output channel */
    const int32_t *start;   /* of each output channel, as the three below */
    const uint32_t *floor;
    const int32_t *multiplier; /* times 2^32 */
    pqk_planes_t output;
    uint32_t origin; /* as in pqk_conv2d_t */
    uint16_t row;    /* bytes from one row of the input to the next */
    uint8_t pool_height;
    uint8_t pool_width;
    uint8_t group; /* for in_groups: rows whose rectified sums fit a lane */
    uint8_t maximum;
} pqk_conv2d_mve_t;

#define PQK_MVE_SUMS 256u /* at least pool_width * output.width * ceil(pool_height / group) */

void pqk_conv2d_mve16_u8(const pqk_conv2d_mve_t *layer, const uint8_t *input, uint8_t *output);
void pqk_conv2d_mve16_s8(const pqk_conv2d_mve_t *layer, const uint8_t *input, uint8_t *output);
void pqk_conv2d_mve16_pool_u8(const pqk_conv2d_mve_t *layer, const uint8_t *input, uint8_t *output);
void pqk_conv2d_mve16_pool_s8(const pqk_conv2d_mve_t *layer, const uint8_t *input, uint8_t *output);
void pqk_conv2d_mve16_pool_in_groups_u8(const pqk_conv2d_mve_t *layer, const uint8_t *input,
                                        uint8_t *output);
void pqk_conv2d_mve16_pool_in_groups_s8(const pqk_conv2d_mve_t *layer, const uint8_t *input,
                                        uint8_t *output);
void pqk_conv2d_mve32_u8(const pqk_conv2d_mve_t *layer, const uint8_t *input, uint8_t *output);
void pqk_conv2d_mve32_s8(const pqk_conv2d_mve_t *layer, const uint8_t *input, uint8_t *output);
void pqk_conv2d_mve32_pool_u8(const pqk_conv2d_mve_t *layer, const uint8_t *input, uint8_t *output);
void pqk_conv2d_mve32_pool_s8(const pqk_conv2d_mve_t *layer, const uint8_t *input, uint8_t *output);

/* The same with every weight stored: int8, tap_count of them per output channel. */
typedef struct {
    pqk_conv2d_t common;
    const int8_t *weights;
    const uint32_t *taps;
    uint32_t tap_count;
} pqk_conv2d_dense_t;

void pqk_conv2d_dense_u8(const pqk_conv2d_dense_t *layer, const uint8_t *input, uint8_t *output);
void pqk_conv2d_dense_s8(const pqk_conv2d_dense_t *layer, const uint8_t *input, uint8_t *output);

/* output = min(a + b, maximum). output may be a or b if it has that one's layout. */
typedef struct {
    pqk_planes_t a;
    pqk_planes_t b;
    pqk_planes_t output;
    uint8_t maximum;
} pqk_add_planes_t;

void pqk_add_planes(const pqk_add_planes_t *layer, const uint8_t *a, const uint8_t *b,
                    uint8_t *output);
void pqk_add_planes_mve(const pqk_add_planes_t *layer, const uint8_t *a, const uint8_t *b,
                        uint8_t *output);

/* output[c] = sum over plane c. u8 and s8 name the input's type. */
typedef struct {
    pqk_planes_t input;
} pqk_sum_planes_t;

void pqk_sum_planes_u8(const pqk_sum_planes_t *layer, const uint8_t *input, int32_t *output);
void pqk_sum_planes_s8(const pqk_sum_planes_t *layer, const uint8_t *input, int32_t *output);
void pqk_sum_planes_mve_u8(const pqk_sum_planes_t *layer, const uint8_t *input, int32_t *output);
void pqk_sum_planes_mve_s8(const pqk_sum_planes_t *layer, const uint8_t *input, int32_t *output);

/* output[k] = bias[k] + sum over c of weights[k * inputs + c] * input[c]. */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    uint16_t inputs;
    uint16_t outputs;
} pqk_fully_connected_dense_t;

void pqk_fully_connected_dense(const pqk_fully_connected_dense_t *layer, const int32_t *input,
                               int32_t *output);

#endif
