/* Global sum of each plane; contract in pqk_kernels.h. */
#include "pqk_arithmetic.h"
#include "pqk_kernels.h"

#define GROUP 4u

/* Whole words of a line, both lanes at once. */
PQK_INLINE uint32_t add_words(uint32_t sum, const uint32_t *word, uint32_t count) {
    for (uint32_t groups = count / GROUP; groups > 0; groups--, word += GROUP) {
        sum += word[0] + word[1] + word[2] + word[3];
    }
    for (uint32_t rest = count % GROUP; rest > 0; rest--) {
        sum += *word++;
    }
    return sum;
}

/* The upper of two wide lanes has no room for a sum: each on its own. */
PQK_INLINE uint32_t add_elements(uint32_t sum, const uint32_t *word, uint32_t count) {
    for (; count > 0; count--, word++) {
        sum += (*word & 0x7FFFFFu) + (*word >> 23);
    }
    return sum;
}

PQK_INLINE uint32_t add_lower(uint32_t sum, const uint32_t *word, uint32_t count, uint32_t shift) {
    for (; count > 0; count--, word++) {
        sum += *word & ((1u << shift) - 1u);
    }
    return sum;
}

/* Lines without columns between them are summed like one. The last line of the second half may lie
 * outside of the tensor. */
PQK_INLINE void run(const pqk_sum_lanes_t *layer, const uint32_t *input, int32_t *output,
                    int is_wide) {
    const pqk_lanes_t *const lanes = &layer->input;
    const uint32_t full = lanes->height - lanes->rows, width = lanes->width;
    const uint32_t lines = lanes->row == width ? 1 : full;
    const uint32_t count = lanes->row == width ? full * width : width;
    const uint32_t *plane = input + lanes->origin;
    for (uint32_t c = 0; c < lanes->planes; c++, plane += lanes->plane) {
        const uint32_t *line = plane;
        uint32_t sum = 0;
        for (uint32_t y = 0; y < lines; y++, line += lanes->row) {
            sum = is_wide ? add_elements(sum, line, count) : add_words(sum, line, count);
        }
        if (!is_wide) {
            sum = (sum & 0xFFFFu) + (sum >> 16);
        }
        if (full < lanes->rows) {
            sum = add_lower(sum, plane + full * lanes->row, width, lanes->shift);
        }
        output[c] = (int32_t)sum;
    }
}

void pqk_sum_lanes(const pqk_sum_lanes_t *layer, const uint32_t *input, int32_t *output) {
    run(layer, input, output, 0);
}

void pqk_sum_wide_lanes(const pqk_sum_lanes_t *layer, const uint32_t *input, int32_t *output) {
    run(layer, input, output, 1);
}
