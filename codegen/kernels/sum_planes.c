/* Global sum of each plane; contract in pqk_kernels.h. */
#include "pqk_arithmetic.h"
#include "pqk_kernels.h"

PQK_INLINE void run(const pqk_sum_planes_t *layer, const uint8_t *input, int32_t *output,
                    int is_signed) {
    for (uint32_t c = 0; c < layer->input.channels; c++) {
        int32_t sum = 0;
        for (uint32_t y = 0; y < layer->input.height; y++) {
            const uint8_t *row =
                input + layer->first + c * layer->input.plane + y * layer->input.row;
            for (uint32_t x = 0; x < layer->input.width; x++) {
                sum += pqk_element(row[x], is_signed);
            }
        }
        output[c] = sum;
    }
}

void pqk_sum_planes_u8(const pqk_sum_planes_t *layer, const uint8_t *input, int32_t *output) {
    run(layer, input, output, 0);
}

void pqk_sum_planes_s8(const pqk_sum_planes_t *layer, const uint8_t *input, int32_t *output) {
    run(layer, input, output, 1);
}
