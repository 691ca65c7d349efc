/* Global sum of each plane, 16 elements a vector; contract in pqk_kernels.h. */
#include "pqk_kernels.h"
#include "pqk_mve.h"

/* The halo between the rows is zero, so that a plane is one run. */
PQK_INLINE void run(const pqk_sum_planes_t *layer, const uint8_t *input, int32_t *output,
                    int is_signed) {
    const pqk_planes_t planes = layer->input;
    const uint32_t length = (planes.height - 1u) * planes.row + planes.width;
    for (uint32_t c = 0; c < planes.channels; c++) {
        output[c] = pqk_sum_bytes(input + layer->first + c * planes.plane, length, is_signed);
    }
}

void pqk_sum_planes_mve_u8(const pqk_sum_planes_t *layer, const uint8_t *input, int32_t *output) {
    run(layer, input, output, 0);
}

void pqk_sum_planes_mve_s8(const pqk_sum_planes_t *layer, const uint8_t *input, int32_t *output) {
    run(layer, input, output, 1);
}
