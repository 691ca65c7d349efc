/* Convolution with every weight stored; contract in pqk_kernels.h. */
#include "pqk_conv2d_loop.h"

typedef struct {
    const int8_t *weight; /* first weight of the channel */
    const uint32_t *taps;
    uint32_t count;
} row_t;

PQK_INLINE void dot4(const void *weights, const uint8_t *window, uint32_t step, int is_signed,
                     int32_t sums[4]) {
    const row_t *row = weights;
    for (uint32_t t = 0; t < row->count; t++) {
        pqk_multiply4(window + row->taps[t], step, row->weight[t], is_signed, sums);
    }
}

PQK_INLINE void dot4_u8(const void *weights, const uint8_t *window, uint32_t step,
                        int32_t sums[4]) {
    dot4(weights, window, step, 0, sums);
}

PQK_INLINE void dot4_s8(const void *weights, const uint8_t *window, uint32_t step,
                        int32_t sums[4]) {
    dot4(weights, window, step, 1, sums);
}

PQK_INLINE void run(const pqk_conv2d_dense_t *layer, const uint8_t *input, uint8_t *output,
                    pqk_dot4_t dot) {
    for (uint32_t channel = 0; channel < layer->common.output.channels; channel++) {
        const row_t row = {layer->weights + channel * layer->tap_count, layer->taps,
                           layer->tap_count};
        pqk_conv2d_channel(&layer->common, channel, input, output, dot, &row);
    }
}

void pqk_conv2d_dense_u8(const pqk_conv2d_dense_t *layer, const uint8_t *input, uint8_t *output) {
    run(layer, input, output, dot4_u8);
}

void pqk_conv2d_dense_s8(const pqk_conv2d_dense_t *layer, const uint8_t *input, uint8_t *output) {
    run(layer, input, output, dot4_s8);
}
