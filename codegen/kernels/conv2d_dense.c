/* Convolution with every weight stored; contract in pqk_kernels.h. */
#include "pqk_conv2d_loop.h"

PQK_INLINE void run(const pqk_conv2d_dense_t *layer, const uint8_t *input, uint8_t *output,
                    pqk_dot4_t dot) {
    for (uint32_t channel = 0; channel < layer->common.output.channels; channel++) {
        const pqk_dense_row_t row = {layer->weights + channel * layer->tap_count, layer->taps,
                                     layer->tap_count};
        pqk_conv2d_channel(&layer->common, channel, input, output, dot, &row);
    }
}

void pqk_conv2d_dense_u8(const pqk_conv2d_dense_t *layer, const uint8_t *input, uint8_t *output) {
    run(layer, input, output, pqk_dense_dot4_u8);
}

void pqk_conv2d_dense_s8(const pqk_conv2d_dense_t *layer, const uint8_t *input, uint8_t *output) {
    run(layer, input, output, pqk_dense_dot4_s8);
}
