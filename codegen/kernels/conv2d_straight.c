/* The loops round straight-line code; contract in pqk_kernels.h. */
#include "pqk_lanes.h"

/* The last tile of a line overlaps the one before it. */
void pqk_conv2d_straight(const pqk_conv2d_straight_t *layer, const uint32_t *input,
                         uint32_t *output) {
    const uint32_t last = layer->columns - layer->tile_columns;
    for (uint32_t line = 0; line < layer->lines; line++) {
        const uint32_t *const in = input + line * layer->input_line;
        uint32_t *const out = output + layer->output.origin + line * layer->output.row;
        for (uint32_t column = 0; column < layer->columns; column += layer->tile_columns) {
            const uint32_t start = column < last ? column : last;
            layer->tile(in + start * layer->input_column, out + start);
        }
    }
    pqk_lanes_finish(&layer->output, output);
}
