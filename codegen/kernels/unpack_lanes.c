/* Planes of bytes from lanes; contract in pqk_kernels.h. */
#include "pqk_kernels.h"

void pqk_unpack_lanes(const pqk_unpack_lanes_t *layer, const uint32_t *input, uint8_t *output) {
    const pqk_lanes_t *lanes = &layer->input;
    for (uint32_t c = 0; c < lanes->planes; c++) {
        for (uint32_t y = 0; y < lanes->height; y++) {
            const uint32_t second = y >= lanes->rows;
            const uint32_t line = second ? y - lanes->rows : y;
            const uint32_t shift = second ? lanes->shift : 0;
            const uint32_t *word = input + c * lanes->plane + lanes->origin + line * lanes->row;
            uint8_t *row = output + c * layer->output.plane + y * layer->output.row;
            for (uint32_t x = 0; x < lanes->width; x++) {
                row[x] = (uint8_t)(word[x] >> shift);
            }
        }
    }
}
