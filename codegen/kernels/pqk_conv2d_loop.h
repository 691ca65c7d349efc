/* The loops round a convolution, shared by the kernels that differ only in how weights are stored.
 *
 * A kernel supplies a `pqk_dot4_t`: the weighted sums of four windows, `step` bytes apart, of one
 * output channel. Four at a time, because reading a packed weight costs more than using it. */
#ifndef PQK_CONV2D_LOOP_H
#define PQK_CONV2D_LOOP_H

#include "pqk_arithmetic.h"
#include "pqk_kernels.h"

typedef void (*pqk_dot4_t)(const void *weights, const uint8_t *window, uint32_t step,
                           int32_t sums[4]);

/* One weight at the same tap of four windows. */
PQK_INLINE void pqk_multiply4(const uint8_t *tap, uint32_t step, int32_t weight, int is_signed,
                              int32_t sums[4]) {
    sums[0] += weight * pqk_element(tap[0], is_signed);
    sums[1] += weight * pqk_element(tap[step], is_signed);
    sums[2] += weight * pqk_element(tap[2 * step], is_signed);
    sums[3] += weight * pqk_element(tap[3 * step], is_signed);
}

/* Weights of one output channel of which every one is stored. */
typedef struct {
    const int8_t *weight; /* the first */
    const uint32_t *taps;
    uint32_t count;
} pqk_dense_row_t;

PQK_INLINE void pqk_dense_dot4(const void *weights, const uint8_t *window, uint32_t step,
                               int is_signed, int32_t sums[4]) {
    const pqk_dense_row_t *row = weights;
    for (uint32_t t = 0; t < row->count; t++) {
        pqk_multiply4(window + row->taps[t], step, row->weight[t], is_signed, sums);
    }
}

PQK_INLINE void pqk_dense_dot4_u8(const void *weights, const uint8_t *window, uint32_t step,
                                  int32_t sums[4]) {
    pqk_dense_dot4(weights, window, step, 0, sums);
}

PQK_INLINE void pqk_dense_dot4_s8(const void *weights, const uint8_t *window, uint32_t step,
                                  int32_t sums[4]) {
    pqk_dense_dot4(weights, window, step, 1, sums);
}

/* Four neighbouring outputs: sums[i] = sum over the pool window of max(bias + dot, 0). */
PQK_INLINE void pqk_conv2d_tile(const pqk_conv2d_t *layer, const uint8_t *window, uint32_t step,
                                int32_t bias, pqk_dot4_t dot, const void *weights,
                                int32_t sums[4]) {
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    for (uint32_t y = 0; y < layer->pool_height; y++) {
        for (uint32_t x = 0; x < layer->pool_width; x++) {
            int32_t dots[4] = {bias, bias, bias, bias};
            dot(weights, window + y * layer->row_step + x * layer->column_step, step, dots);
            for (uint32_t i = 0; i < 4; i++) {
                sums[i] += dots[i] > 0 ? dots[i] : 0;
            }
        }
    }
}

/* One output channel. The last four outputs of a row overlap the four before them where the width
 * is not a multiple of four; where it is below four, all of the four windows are the same one (step
 * 0). */
PQK_INLINE void pqk_conv2d_channel(const pqk_conv2d_t *layer, uint32_t channel,
                                   const uint8_t *input, uint8_t *output, pqk_dot4_t dot,
                                   const void *weights) {
    const int32_t bias = layer->bias[channel];
    const int32_t multiplier = layer->multiplier[channel];
    const uint32_t width = layer->output.width;
    const uint32_t tile = width < 4 ? 1 : 4;
    const uint32_t column = (uint32_t)layer->pool_width * layer->column_step;
    const uint8_t *row = input - layer->origin;
    uint8_t *out = output + channel * layer->output.plane;
    for (uint32_t y = 0; y < layer->output.height; y++) {
        for (uint32_t x = 0; x < width; x += tile) {
            const uint32_t start = x + tile <= width ? x : width - tile;
            int32_t sums[4];
            pqk_conv2d_tile(layer, row + start * column, tile == 4 ? column : 0, bias, dot, weights,
                            sums);
            for (uint32_t i = 0; i < tile; i++) {
                out[start + i] = pqk_requantize(sums[i], multiplier, layer->shift, layer->maximum);
            }
        }
        row += (uint32_t)layer->pool_height * layer->row_step;
        out += layer->output.row;
    }
}

#endif
