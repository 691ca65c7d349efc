/* Depthwise convolution with every weight stored; contract in pqk_kernels.h. */
#include "pqk_conv2d_loop.h"

PQK_INLINE void run(const pqk_depthwise_conv2d_t *layer, const uint8_t *input, uint8_t *output,
                    pqk_dot4_t dot) {
    for (uint32_t channel = 0; channel < layer->common.output.channels; channel++) {
        const pqk_dense_row_t row = {layer->weights + channel * layer->tap_count, layer->taps,
                                     layer->tap_count};
        const uint8_t *plane = input + channel * layer->input_plane;
        pqk_conv2d_channel(&layer->common, channel, plane, output, dot, &row);
    }
}

void pqk_depthwise_conv2d_u8(const pqk_depthwise_conv2d_t *layer, const uint8_t *input,
                             uint8_t *output) {
    run(layer, input, output, pqk_dense_dot4_u8);
}

void pqk_depthwise_conv2d_s8(const pqk_depthwise_conv2d_t *layer, const uint8_t *input,
                             uint8_t *output) {
    run(layer, input, output, pqk_dense_dot4_s8);
}
