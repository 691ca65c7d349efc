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

/* The same where output channel c reads input channel c alone, so there are tap_count weights and
 * as many taps; the input's planes lie input_plane bytes apart. */
typedef struct {
    pqk_conv2d_t common;
    const int8_t *weights;
    const uint32_t *taps;
    uint32_t tap_count;
    uint32_t input_plane;
} pqk_depthwise_conv2d_t;

void pqk_depthwise_conv2d_u8(const pqk_depthwise_conv2d_t *layer, const uint8_t *input,
                             uint8_t *output);
void pqk_depthwise_conv2d_s8(const pqk_depthwise_conv2d_t *layer, const uint8_t *input,
                             uint8_t *output);

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

/* output[c] = sum over plane c, or over some of its rows. u8 and s8 name the input's type. */
typedef struct {
    pqk_planes_t input; /* of these rows */
    uint32_t first;     /* bytes from row 0 to the first of them */
} pqk_sum_planes_t;

void pqk_sum_planes_u8(const pqk_sum_planes_t *layer, const uint8_t *input, int32_t *output);
void pqk_sum_planes_s8(const pqk_sum_planes_t *layer, const uint8_t *input, int32_t *output);
void pqk_sum_planes_mve_u8(const pqk_sum_planes_t *layer, const uint8_t *input, int32_t *output);
void pqk_sum_planes_mve_s8(const pqk_sum_planes_t *layer, const uint8_t *input, int32_t *output);

/* output = rows first, first + 1, ... of `history` rows that earlier runs have seen, zeros before
 * the first run, and the input's rows below them. state: [channels][history][width], dense; it
 * becomes the last `history` of all these rows. */
typedef struct {
    pqk_planes_t input;
    pqk_planes_t output;
    uint16_t history;
    uint16_t first;
} pqk_append_planes_t;

void pqk_append_planes(const pqk_append_planes_t *layer, const uint8_t *input, uint8_t *output,
                       uint8_t *state);

/* output[k] = bias[k] + sum over c of weights[k * inputs + c] * input[c]. */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    uint16_t inputs;
    uint16_t outputs;
} pqk_fully_connected_dense_t;

void pqk_fully_connected_dense(const pqk_fully_connected_dense_t *layer, const int32_t *input,
                               int32_t *output);

/* Lanes: two elements a word. In each plane, word origin + y * row + x is
 * x[y, x] + x[y + rows, x] * 2^shift for y = 0 .. rows - 1; `row - width` columns between the rows
 * are zero, and above and below the first half the words go on in the same way, so that rows of the
 * other half show up there. See `Lanes` in codegen/pqk_codegen/layout.py. */
typedef struct {
    uint16_t planes;
    uint16_t height; /* of the tensor, both halves together */
    uint16_t width;
    uint16_t rows; /* between the two elements of a word */
    uint16_t row;  /* words from one row to the next */
    uint16_t origin;
    uint32_t plane; /* words */
    uint8_t shift;
    uint8_t
        surrounded; /* whether words outside of the tensor are read; if not, they hold anything */
} pqk_lanes_t;

/* Convolution + ReLU + requantisation on lanes by a stream of entries. Neither pools.
 * input: lanes in which every tap is a constant distance; output: lanes of as many words a row.
 * They do not overlap; both are given from the buffer's start. All of the output's planes are
 * written, halo included. u7: results are at most 2^7 - 1 etc.
 *
 * An entry is weight << 17 | last << 16 | place, the bytes from `input` to the tap of the first
 * output; a channel's last entry has `last` = 1, and there is at least one. Requantisation is
 * (sum * multiplier + 2^31) >> 32, for sums below 0 it is 0. `words` of each plane are computed, at
 * least as many as a tile has. */
typedef struct {
    const void *stream; /* 32-bit numbers unless said otherwise */
    uint32_t stream_bytes;
    pqk_lanes_t output;
    uint32_t words;
} pqk_lane_stream_t;

/* Lanes 16 bits apart, tiles of 7 words. The stream has for each output channel: its first entry;
 * the sums' start, offset + bias in both lanes; the other entries; offset in both lanes;
 * multiplier. For every input, each channel's bias + sum must lie in -offset .. 65535 - offset and
 * be at most 32767. */
void pqk_conv2d_lanes_u4(const pqk_lane_stream_t *layer, const uint32_t *input, uint32_t *output);
void pqk_conv2d_lanes_u5(const pqk_lane_stream_t *layer, const uint32_t *input, uint32_t *output);
void pqk_conv2d_lanes_u6(const pqk_lane_stream_t *layer, const uint32_t *input, uint32_t *output);
void pqk_conv2d_lanes_u7(const pqk_lane_stream_t *layer, const uint32_t *input, uint32_t *output);
void pqk_conv2d_lanes_u8(const pqk_lane_stream_t *layer, const uint32_t *input, uint32_t *output);

/* The same in fewer instructions; what the stream has after a channel's entries is multiplier and
 * rounding. For every input, each channel's offset + bias + sum must lie in 0 .. 32767; it becomes
 * ((it * multiplier >> 16) + rounding) >> 16, 0 if that is negative. */
void pqk_conv2d_lanes_short_u4(const pqk_lane_stream_t *layer, const uint32_t *input,
                               uint32_t *output);
void pqk_conv2d_lanes_short_u5(const pqk_lane_stream_t *layer, const uint32_t *input,
                               uint32_t *output);
void pqk_conv2d_lanes_short_u6(const pqk_lane_stream_t *layer, const uint32_t *input,
                               uint32_t *output);
void pqk_conv2d_lanes_short_u7(const pqk_lane_stream_t *layer, const uint32_t *input,
                               uint32_t *output);
void pqk_conv2d_lanes_short_u8(const pqk_lane_stream_t *layer, const uint32_t *input,
                               uint32_t *output);

/* Both in an order of instructions for Cortex-M7. */
void pqk_conv2d_lanes_m7_u4(const pqk_lane_stream_t *layer, const uint32_t *input,
                            uint32_t *output);
void pqk_conv2d_lanes_m7_u5(const pqk_lane_stream_t *layer, const uint32_t *input,
                            uint32_t *output);
void pqk_conv2d_lanes_m7_u6(const pqk_lane_stream_t *layer, const uint32_t *input,
                            uint32_t *output);
void pqk_conv2d_lanes_m7_u7(const pqk_lane_stream_t *layer, const uint32_t *input,
                            uint32_t *output);
void pqk_conv2d_lanes_m7_u8(const pqk_lane_stream_t *layer, const uint32_t *input,
                            uint32_t *output);
void pqk_conv2d_lanes_m7_short_u4(const pqk_lane_stream_t *layer, const uint32_t *input,
                                  uint32_t *output);
void pqk_conv2d_lanes_m7_short_u5(const pqk_lane_stream_t *layer, const uint32_t *input,
                                  uint32_t *output);
void pqk_conv2d_lanes_m7_short_u6(const pqk_lane_stream_t *layer, const uint32_t *input,
                                  uint32_t *output);
void pqk_conv2d_lanes_m7_short_u7(const pqk_lane_stream_t *layer, const uint32_t *input,
                                  uint32_t *output);
void pqk_conv2d_lanes_m7_short_u8(const pqk_lane_stream_t *layer, const uint32_t *input,
                                  uint32_t *output);

/* Both for inputs of up to 256 KiB: an entry has words in place of bytes. */
void pqk_conv2d_lanes_far_u4(const pqk_lane_stream_t *layer, const uint32_t *input,
                             uint32_t *output);
void pqk_conv2d_lanes_far_u5(const pqk_lane_stream_t *layer, const uint32_t *input,
                             uint32_t *output);
void pqk_conv2d_lanes_far_u6(const pqk_lane_stream_t *layer, const uint32_t *input,
                             uint32_t *output);
void pqk_conv2d_lanes_far_u7(const pqk_lane_stream_t *layer, const uint32_t *input,
                             uint32_t *output);
void pqk_conv2d_lanes_far_u8(const pqk_lane_stream_t *layer, const uint32_t *input,
                             uint32_t *output);
void pqk_conv2d_lanes_far_short_u4(const pqk_lane_stream_t *layer, const uint32_t *input,
                                   uint32_t *output);
void pqk_conv2d_lanes_far_short_u5(const pqk_lane_stream_t *layer, const uint32_t *input,
                                   uint32_t *output);
void pqk_conv2d_lanes_far_short_u6(const pqk_lane_stream_t *layer, const uint32_t *input,
                                   uint32_t *output);
void pqk_conv2d_lanes_far_short_u7(const pqk_lane_stream_t *layer, const uint32_t *input,
                                   uint32_t *output);
void pqk_conv2d_lanes_far_short_u8(const pqk_lane_stream_t *layer, const uint32_t *input,
                                   uint32_t *output);

/* The same from a stream of 16-bit numbers, in which equal weights stand once: for each output
 * channel offset + bias; groups; 0x900; offset; lower half of the multiplier; upper half. A group
 * is count << 8 | weight & 255, -128 <= weight <= 127, and the places of `count` taps, in bytes
 * from `input` to the tap of the first output. The first group's count leaves out its first place,
 * so that there is at least one; no count is above 8. */
void pqk_conv2d_grouped_lanes_u4(const pqk_lane_stream_t *layer, const uint32_t *input,
                                 uint32_t *output);
void pqk_conv2d_grouped_lanes_u5(const pqk_lane_stream_t *layer, const uint32_t *input,
                                 uint32_t *output);
void pqk_conv2d_grouped_lanes_u6(const pqk_lane_stream_t *layer, const uint32_t *input,
                                 uint32_t *output);
void pqk_conv2d_grouped_lanes_u7(const pqk_lane_stream_t *layer, const uint32_t *input,
                                 uint32_t *output);
void pqk_conv2d_grouped_lanes_u8(const pqk_lane_stream_t *layer, const uint32_t *input,
                                 uint32_t *output);

/* The same for cores with no more than ARMv6-M, tiles of 7 words. The stream has for each output
 * channel: the sums' start, bias in both lanes, as one number; entries; requantisation. For every
 * input, each channel's bias + sum must lie in -32768 .. 32767.
 * Requantisation here is shift, multiplier, rounding: (sum * multiplier + rounding) >> shift must
 * fit 32 bits before it is shifted, and 15 after. */
void pqk_conv2d_lanes_v6m_u4(const pqk_lane_stream_t *layer, const uint32_t *input,
                             uint32_t *output);
void pqk_conv2d_lanes_v6m_u5(const pqk_lane_stream_t *layer, const uint32_t *input,
                             uint32_t *output);
void pqk_conv2d_lanes_v6m_u6(const pqk_lane_stream_t *layer, const uint32_t *input,
                             uint32_t *output);
void pqk_conv2d_lanes_v6m_u7(const pqk_lane_stream_t *layer, const uint32_t *input,
                             uint32_t *output);
void pqk_conv2d_lanes_v6m_u8(const pqk_lane_stream_t *layer, const uint32_t *input,
                             uint32_t *output);

/* The same with the multiplier itself, below 2^31: its lower 16 bits, its upper 16 bits. */
void pqk_conv2d_lanes_v6m_long_u4(const pqk_lane_stream_t *layer, const uint32_t *input,
                                  uint32_t *output);
void pqk_conv2d_lanes_v6m_long_u5(const pqk_lane_stream_t *layer, const uint32_t *input,
                                  uint32_t *output);
void pqk_conv2d_lanes_v6m_long_u6(const pqk_lane_stream_t *layer, const uint32_t *input,
                                  uint32_t *output);
void pqk_conv2d_lanes_v6m_long_u7(const pqk_lane_stream_t *layer, const uint32_t *input,
                                  uint32_t *output);
void pqk_conv2d_lanes_v6m_long_u8(const pqk_lane_stream_t *layer, const uint32_t *input,
                                  uint32_t *output);

/* Lanes 23 bits apart, tiles of 4 words. The stream has for each output channel: the 64-bit sums'
 * start, bias * (1 + 2^23), lower word first; entries; multiplier. For every input, each channel's
 * bias + sum must be a signed number of 23 bits. */
void pqk_conv2d_wide_lanes_u4(const pqk_lane_stream_t *layer, const uint32_t *input,
                              uint32_t *output);
void pqk_conv2d_wide_lanes_u5(const pqk_lane_stream_t *layer, const uint32_t *input,
                              uint32_t *output);
void pqk_conv2d_wide_lanes_u6(const pqk_lane_stream_t *layer, const uint32_t *input,
                              uint32_t *output);
void pqk_conv2d_wide_lanes_u7(const pqk_lane_stream_t *layer, const uint32_t *input,
                              uint32_t *output);
void pqk_conv2d_wide_lanes_u8(const pqk_lane_stream_t *layer, const uint32_t *input,
                              uint32_t *output);

/* Depthwise 3x3 convolution + ReLU + requantisation on lanes 16 bits apart, stride 1, one column of
 * padding on both sides, which the input's layout need not have. input, output: as above; lines of
 * the input are input_row words apart.
 *
 * The stream has for each channel: bytes from `input` to the tap in the kernel's first row, second
 * column, of the first output; that row's three weights; the sums' start, offset + bias in both
 * lanes; the same four words for the second and the third row; multiplier; rounding. For every
 * input, each channel's offset + bias + sum must lie in 0 .. 32767; it becomes
 * ((it * multiplier >> 16) + rounding) >> 16, 0 if that is negative.
 *
 * pqk_depthwise_lanes_five is for tensors of five columns, pqk_depthwise_lanes for more. */
typedef struct {
    const uint32_t *stream;
    uint32_t stream_words;
    pqk_lanes_t output;
    uint32_t input_row;
} pqk_depthwise_lanes_t;

void pqk_depthwise_lanes_five_u4(const pqk_depthwise_lanes_t *layer, const uint32_t *input,
                                 uint32_t *output);
void pqk_depthwise_lanes_u4(const pqk_depthwise_lanes_t *layer, const uint32_t *input,
                            uint32_t *output);
void pqk_depthwise_lanes_five_u5(const pqk_depthwise_lanes_t *layer, const uint32_t *input,
                                 uint32_t *output);
void pqk_depthwise_lanes_u5(const pqk_depthwise_lanes_t *layer, const uint32_t *input,
                            uint32_t *output);
void pqk_depthwise_lanes_five_u6(const pqk_depthwise_lanes_t *layer, const uint32_t *input,
                                 uint32_t *output);
void pqk_depthwise_lanes_u6(const pqk_depthwise_lanes_t *layer, const uint32_t *input,
                            uint32_t *output);
void pqk_depthwise_lanes_five_u7(const pqk_depthwise_lanes_t *layer, const uint32_t *input,
                                 uint32_t *output);
void pqk_depthwise_lanes_u7(const pqk_depthwise_lanes_t *layer, const uint32_t *input,
                            uint32_t *output);
void pqk_depthwise_lanes_five_u8(const pqk_depthwise_lanes_t *layer, const uint32_t *input,
                                 uint32_t *output);
void pqk_depthwise_lanes_u8(const pqk_depthwise_lanes_t *layer, const uint32_t *input,
                            uint32_t *output);

/* Convolution on lanes by code specialised to the weights, which the generator prints: `tile`
 * computes `tile_columns` neighbouring words of every output plane. Output word (line, column)
 * wants the input from line * input_line + column * input_column words on. */
typedef struct {
    void (*tile)(const uint32_t *input, uint32_t *output);
    pqk_lanes_t output;
    uint32_t lines;
    uint32_t columns; /* at least tile_columns */
    uint32_t tile_columns;
    uint32_t input_line;
    uint32_t input_column;
} pqk_conv2d_straight_t;

void pqk_conv2d_straight(const pqk_conv2d_straight_t *layer, const uint32_t *input,
                         uint32_t *output);

/* output = min(a + b, 2^bits - 1) in every lane, 16 bits apart, bits <= 8. All three have the same
 * layout and `words` words, halo included; output may be a or b. */
typedef struct {
    uint32_t words;
} pqk_add_lanes_t;

void pqk_add_lanes_u4(const pqk_add_lanes_t *layer, const uint32_t *a, const uint32_t *b,
                      uint32_t *output);
void pqk_add_lanes_u5(const pqk_add_lanes_t *layer, const uint32_t *a, const uint32_t *b,
                      uint32_t *output);
void pqk_add_lanes_u6(const pqk_add_lanes_t *layer, const uint32_t *a, const uint32_t *b,
                      uint32_t *output);
void pqk_add_lanes_u7(const pqk_add_lanes_t *layer, const uint32_t *a, const uint32_t *b,
                      uint32_t *output);
void pqk_add_lanes_u8(const pqk_add_lanes_t *layer, const uint32_t *a, const uint32_t *b,
                      uint32_t *output);

/* The same for lanes 23 bits apart. */
void pqk_add_wide_lanes_u4(const pqk_add_lanes_t *layer, const uint32_t *a, const uint32_t *b,
                           uint32_t *output);
void pqk_add_wide_lanes_u5(const pqk_add_lanes_t *layer, const uint32_t *a, const uint32_t *b,
                           uint32_t *output);
void pqk_add_wide_lanes_u6(const pqk_add_lanes_t *layer, const uint32_t *a, const uint32_t *b,
                           uint32_t *output);
void pqk_add_wide_lanes_u7(const pqk_add_lanes_t *layer, const uint32_t *a, const uint32_t *b,
                           uint32_t *output);
void pqk_add_wide_lanes_u8(const pqk_add_lanes_t *layer, const uint32_t *a, const uint32_t *b,
                           uint32_t *output);

/* output[c] = sum over rows of plane c of lanes 16 bits apart, or 23. The sum of a lane of 16 bits
 * over its rows fits that lane. Lines of which both lanes count, only the lower, only the upper: */
typedef struct {
    uint16_t first;
    uint16_t count;
} pqk_lines_t;

typedef struct {
    pqk_lanes_t input;
    pqk_lines_t both;
    pqk_lines_t lower;
    pqk_lines_t upper;
} pqk_sum_lanes_t;

void pqk_sum_lanes(const pqk_sum_lanes_t *layer, const uint32_t *input, int32_t *output);
void pqk_sum_wide_lanes(const pqk_sum_lanes_t *layer, const uint32_t *input, int32_t *output);

/* pqk_append_planes on lanes 16 bits apart, elements 0 .. 255. The output has no line above its
 * first one; its columns beside the tensor, and what lies beyond its rows, become zero. */
typedef struct {
    pqk_lanes_t input;
    pqk_lanes_t output;
    uint16_t lines; /* of the output */
    uint16_t history;
    uint16_t first;
} pqk_append_lanes_t;

void pqk_append_lanes(const pqk_append_lanes_t *layer, const uint32_t *input, uint32_t *output,
                      uint8_t *state);

/* Lanes from planes. Word (l, j) of the plane of phase (py, px) of a channel becomes
 * x[l * stride_y + py - top, j * stride_x + px - left] plus the element rows * stride_y below it
 * times 2^16 (wide lanes: 2^23), with 0 for what lies outside of x. u8 and s8 name the planes'
 * type. */
typedef struct {
    pqk_planes_t input;
    uint8_t stride_y;
    uint8_t stride_x;
    uint8_t top;
    uint8_t left;
    uint16_t lines;
    uint16_t row;
    uint16_t rows;
    uint32_t plane;
} pqk_pack_lanes_t;

void pqk_pack_lanes_u8(const pqk_pack_lanes_t *layer, const uint8_t *input, uint32_t *output);
void pqk_pack_lanes_s8(const pqk_pack_lanes_t *layer, const uint8_t *input, uint32_t *output);
void pqk_pack_wide_lanes_u8(const pqk_pack_lanes_t *layer, const uint8_t *input, uint32_t *output);
void pqk_pack_wide_lanes_s8(const pqk_pack_lanes_t *layer, const uint8_t *input, uint32_t *output);

/* Planes from lanes with any distance; elements 0 .. 255. */
typedef struct {
    pqk_lanes_t input;
    pqk_planes_t output;
} pqk_unpack_lanes_t;

void pqk_unpack_lanes(const pqk_unpack_lanes_t *layer, const uint32_t *input, uint8_t *output);

#endif
