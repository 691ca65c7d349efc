/* Global sum of each plane; contract in pqk_kernels.h. */
#include "pqk_arithmetic.h"
#include "pqk_kernels.h"

#define GROUP 4u

/* Whole words, both lanes at once. */
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
PQK_INLINE uint32_t add_wide(uint32_t sum, const uint32_t *word, uint32_t count, uint32_t lower,
                             uint32_t upper) {
    for (; count > 0; count--, word++) {
        sum += (lower ? *word & 0x7FFFFFu : 0) + (upper ? *word >> 23 : 0);
    }
    return sum;
}

/* The sum of all words of some lines. Lines without columns between them are summed like one. */
PQK_INLINE uint32_t add_lines(const pqk_lanes_t *lanes, const uint32_t *plane, pqk_lines_t lines,
                              int is_wide, uint32_t lower, uint32_t upper) {
    const int is_dense = lanes->row == lanes->width;
    const uint32_t width = is_dense ? lines.count * lanes->width : lanes->width;
    const uint32_t *line = plane + lines.first * lanes->row;
    uint32_t sum = 0;
    for (uint32_t y = is_dense && lines.count ? 1 : lines.count; y > 0; y--, line += lanes->row) {
        sum = is_wide ? add_wide(sum, line, width, lower, upper) : add_words(sum, line, width);
    }
    return sum;
}

/* A sum of whole words has the lower lanes' sum in its lower half, whatever lies in the upper ones,
 * and the upper lanes' sum in the other. */
PQK_INLINE void run(const pqk_sum_lanes_t *layer, const uint32_t *input, int32_t *output,
                    int is_wide) {
    const pqk_lanes_t *const lanes = &layer->input;
    const uint32_t *plane = input + lanes->origin;
    for (uint32_t c = 0; c < lanes->planes; c++, plane += lanes->plane) {
        const uint32_t both = add_lines(lanes, plane, layer->both, is_wide, 1, 1);
        const uint32_t lower = add_lines(lanes, plane, layer->lower, is_wide, 1, 0);
        const uint32_t upper = add_lines(lanes, plane, layer->upper, is_wide, 0, 1);
        if (is_wide) {
            output[c] = (int32_t)(both + lower + upper);
        } else {
            output[c] =
                (int32_t)((both & 0xFFFFu) + (both >> 16) + (lower & 0xFFFFu) + (upper >> 16));
        }
    }
}

void pqk_sum_lanes(const pqk_sum_lanes_t *layer, const uint32_t *input, int32_t *output) {
    run(layer, input, output, 0);
}

void pqk_sum_wide_lanes(const pqk_sum_lanes_t *layer, const uint32_t *input, int32_t *output) {
    run(layer, input, output, 1);
}
