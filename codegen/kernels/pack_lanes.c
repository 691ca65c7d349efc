/* Lanes from planes of bytes; contract in pqk_kernels.h. */
#include "pqk_arithmetic.h"
#include "pqk_kernels.h"

/* Columns first .. end - 1 of one line: `bytes` is the element of column 0, if it existed. */
PQK_INLINE void add_line(const uint8_t *bytes, uint32_t step, uint32_t first, uint32_t end,
                         uint32_t shift, int is_signed, uint32_t *line) {
    for (uint32_t j = first; j < end; j++) {
        line[j] += (uint32_t)pqk_element(bytes[j * step], is_signed) << shift;
    }
}

/* One line of one phase. `y` is the input's row for the lower lane, below 0 above the input. */
PQK_INLINE void pack_line(const pqk_pack_lanes_t *layer, const uint8_t *plane, int32_t y,
                          uint32_t phase_x, int is_signed, uint32_t *line) {
    const uint32_t step = layer->stride_x;
    const uint32_t skipped = layer->left > phase_x ? layer->left - phase_x : 0;
    const uint32_t first = (skipped + step - 1) / step; /* column that x = 0 or so falls on */
    const uint32_t beyond = (layer->input.width + layer->left - phase_x + step - 1) / step;
    const uint32_t end = beyond < layer->row ? beyond : layer->row;
    const int32_t start = (int32_t)phase_x - (int32_t)layer->left;
    for (uint32_t lane = 0; lane < 2; lane++) {
        if (y >= 0 && y < (int32_t)layer->input.height) {
            const uint8_t *const row = plane + (uint32_t)y * layer->input.row;
            add_line(row + start, step, first, end, lane ? layer->shift : 0, is_signed, line);
        }
        y += (int32_t)layer->rows * layer->stride_y;
    }
}

PQK_INLINE void run(const pqk_pack_lanes_t *layer, const uint8_t *input, uint32_t *output,
                    int is_signed) {
    for (uint32_t c = 0; c < layer->input.channels; c++) {
        for (uint32_t phase_y = 0; phase_y < layer->stride_y; phase_y++) {
            for (uint32_t phase_x = 0; phase_x < layer->stride_x; phase_x++) {
                for (uint32_t i = 0; i < layer->plane; i++) {
                    output[i] = 0;
                }
                for (uint32_t l = 0; l < layer->lines; l++) {
                    const uint32_t row = l * layer->stride_y + phase_y;
                    pack_line(layer, input + c * layer->input.plane,
                              (int32_t)row - (int32_t)layer->top, phase_x, is_signed,
                              output + l * layer->row);
                }
                output += layer->plane;
            }
        }
    }
}

void pqk_pack_lanes_u8(const pqk_pack_lanes_t *layer, const uint8_t *input, uint32_t *output) {
    run(layer, input, output, 0);
}

void pqk_pack_lanes_s8(const pqk_pack_lanes_t *layer, const uint8_t *input, uint32_t *output) {
    run(layer, input, output, 1);
}
