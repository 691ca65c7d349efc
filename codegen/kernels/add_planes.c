/* Residual addition; contract in pqk_kernels.h. */
#include "pqk_kernels.h"

void pqk_add_planes(const pqk_add_planes_t *layer, const uint8_t *a, const uint8_t *b,
                    uint8_t *output) {
    for (uint32_t c = 0; c < layer->output.channels; c++) {
        for (uint32_t y = 0; y < layer->output.height; y++) {
            const uint8_t *row_a = a + c * layer->a.plane + y * layer->a.row;
            const uint8_t *row_b = b + c * layer->b.plane + y * layer->b.row;
            uint8_t *row = output + c * layer->output.plane + y * layer->output.row;
            for (uint32_t x = 0; x < layer->output.width; x++) {
                const uint32_t sum = (uint32_t)row_a[x] + row_b[x];
                row[x] = sum < layer->maximum ? (uint8_t)sum : layer->maximum;
            }
        }
    }
}
