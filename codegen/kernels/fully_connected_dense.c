/* Fully connected layer; contract in pqk_kernels.h. */
#include "pqk_kernels.h"

void pqk_fully_connected_dense(const pqk_fully_connected_dense_t *layer, const int32_t *input,
                               int32_t *output) {
    const int8_t *weight = layer->weights;
    for (uint32_t k = 0; k < layer->outputs; k++) {
        int32_t sum = layer->bias[k];
        for (uint32_t c = 0; c < layer->inputs; c++) {
            sum += *weight++ * input[c];
        }
        output[k] = sum;
    }
}
