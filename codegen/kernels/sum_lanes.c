/* Global sum of each plane; contract in pqk_kernels.h. */
#include "pqk_arithmetic.h"
#include "pqk_kernels.h"

/* Elements of at most 255 whose sum fits 16 bits, so that neither lane overflows. */
#define CHUNK 256

/* Lanes 16 bits apart are added together. */
PQK_INLINE uint32_t sum_lanes(const uint32_t *word, const uint32_t *end) {
    uint32_t sum = 0;
    while (word < end) {
        const uint32_t *const stop = end - word > CHUNK ? word + CHUNK : end;
        uint32_t both = 0;
        for (; stop - word >= 4; word += 4) {
            both += word[0] + word[1] + word[2] + word[3];
        }
        for (; word < stop; word++) {
            both += *word;
        }
        sum += (both & 0xFFFFu) + (both >> 16);
    }
    return sum;
}

/* The upper of two wide lanes has no room for a sum. */
PQK_INLINE uint32_t sum_wide_lanes(const uint32_t *word, const uint32_t *end) {
    uint32_t sum = 0;
    for (; word < end; word++) {
        sum += (*word & 0x7FFFFFu) + (*word >> 23);
    }
    return sum;
}

PQK_INLINE void run(const pqk_sum_lanes_t *layer, const uint32_t *input, int32_t *output,
                    int is_wide) {
    const pqk_lanes_t *lanes = &layer->input;
    const uint32_t words = (uint32_t)(lanes->rows - 1u) * lanes->row + lanes->width;
    const uint32_t *plane = input + lanes->origin;
    for (uint32_t c = 0; c < lanes->planes; c++, plane += lanes->plane) {
        const uint32_t *const end = plane + words;
        output[c] = (int32_t)(is_wide ? sum_wide_lanes(plane, end) : sum_lanes(plane, end));
    }
}

void pqk_sum_lanes(const pqk_sum_lanes_t *layer, const uint32_t *input, int32_t *output) {
    run(layer, input, output, 0);
}

void pqk_sum_wide_lanes(const pqk_sum_lanes_t *layer, const uint32_t *input, int32_t *output) {
    run(layer, input, output, 1);
}
