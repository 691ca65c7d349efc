/* Rows that earlier runs have seen, and the new ones; contract in pqk_kernels.h. */
#include "pqk_kernels.h"

void pqk_append_planes(const pqk_append_planes_t *layer, const uint8_t *input, uint8_t *output,
                       uint8_t *state) {
    const uint32_t width = layer->input.width, history = layer->history;
    for (uint32_t c = 0; c < layer->input.channels; c++) {
        const uint8_t *const fresh = input + c * layer->input.plane;
        uint8_t *const old = state + c * history * width;
        for (uint32_t y = 0; y < layer->output.height; y++) {
            const uint32_t row = layer->first + y;
            __builtin_memcpy(output + c * layer->output.plane + y * layer->output.row,
                             row < history ? old + row * width
                                           : fresh + (row - history) * layer->input.row,
                             width);
        }
        for (uint32_t y = 0; y < history; y++) { /* upwards: what is overwritten is used already */
            const uint32_t row = y + layer->input.height;
            __builtin_memcpy(old + y * width,
                             row < history ? old + row * width
                                           : fresh + (row - history) * layer->input.row,
                             width);
        }
    }
}
