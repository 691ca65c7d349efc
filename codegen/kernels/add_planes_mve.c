/* Residual addition, 16 elements a vector; contract in pqk_kernels.h. */
#include "pqk_kernels.h"
#include "pqk_mve.h"

static int same(const pqk_planes_t *a, const pqk_planes_t *b) {
    return a->row == b->row && a->plane == b->plane;
}

/* Laid out alike, all three are one run: the halo is 0 + 0. */
void pqk_add_planes_mve(const pqk_add_planes_t *layer, const uint8_t *a, const uint8_t *b,
                        uint8_t *output) {
    const pqk_planes_t planes = layer->output;
    const uint8_t maximum = layer->maximum;
    if (same(&layer->a, &planes) && same(&layer->b, &planes)) {
        const uint32_t length = (planes.channels - 1u) * planes.plane +
                                (planes.height - 1u) * planes.row + planes.width;
        pqk_add_bytes(output, a, b, maximum, length);
        return;
    }
    const uint32_t gap_a = layer->a.plane - planes.height * layer->a.row;
    const uint32_t gap_b = layer->b.plane - planes.height * layer->b.row;
    const uint32_t row_a = layer->a.row;
    const uint32_t row_b = layer->b.row;
    for (uint32_t c = 0; c < planes.channels; c++) {
        uint8_t *row = output + c * planes.plane;
        for (uint32_t y = 0; y < planes.height; y++) {
            pqk_add_bytes(row, a, b, maximum, planes.width);
            row += planes.row;
            a += row_a;
            b += row_b;
        }
        a += gap_a;
        b += gap_b;
    }
}
