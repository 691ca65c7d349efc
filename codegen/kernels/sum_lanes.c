/* Global sum of each plane of lanes; contract in pqk_kernels.h. */
#include "pqk_kernels.h"

void pqk_sum_lanes(const pqk_sum_lanes_t *layer, const uint32_t *input, int32_t *output) {
    const pqk_lanes_t *lanes = &layer->input;
    const uint32_t low = (1u << lanes->shift) - 1u;
    const uint32_t words = (uint32_t)(lanes->rows - 1u) * lanes->row + lanes->width;
    const uint32_t *plane = input + lanes->origin;
    for (uint32_t c = 0; c < lanes->planes; c++, plane += lanes->plane) {
        const uint32_t *word = plane;
        const uint32_t *const end = plane + words;
        uint32_t sum = 0;
        while (word < end) {
            /* 256 elements of at most 255 fit the lower lane, whose distance is 16 or more. */
            const uint32_t *const stop = end - word > 256 ? word + 256 : end;
            uint32_t lanes_sum = 0;
            for (; stop - word >= 4; word += 4) {
                lanes_sum += word[0] + word[1] + word[2] + word[3];
            }
            for (; word < stop; word++) {
                lanes_sum += *word;
            }
            sum += (lanes_sum & low) + (lanes_sum >> lanes->shift);
        }
        output[c] = (int32_t)sum;
    }
}
