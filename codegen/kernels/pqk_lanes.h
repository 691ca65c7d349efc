/* What kernels on lanes share; the layout itself is described in pqk_kernels.h. */
#ifndef PQK_LANES_H
#define PQK_LANES_H

#include "pqk_arithmetic.h"
#include "pqk_kernels.h"

/* Complete planes in which words 0 .. words - 1 behind each origin were computed: zeros in the halo
 * columns and in rows beyond the tensor's height, and above and below the edge rows of the other
 * half. */
PQK_INLINE void pqk_lanes_finish(const pqk_lanes_t *lanes, uint32_t *buffer) {
    const uint32_t end =
        (uint32_t)lanes->rows * lanes->row; /* of the first half, from the origin */
    const uint32_t missing = 2u * lanes->rows - lanes->height; /* rows of the second half */
    const uint32_t low = (1u << lanes->shift) - 1u;
    for (uint32_t c = 0; c < lanes->planes; c++) {
        uint32_t *const plane = buffer + c * lanes->plane;
        uint32_t *const first = plane + lanes->origin;
        for (uint32_t *row = first; row < first + end; row += lanes->row) {
            for (uint32_t x = lanes->width; x < lanes->row; x++) {
                row[x] = 0;
            }
        }
        for (uint32_t *word = first + end - missing * lanes->row; word < first + end; word++) {
            *word &= low;
        }
        for (uint32_t *word = plane; word < first; word++) {
            *word = word[end] << lanes->shift;
        }
        for (uint32_t *word = first + end; word < plane + lanes->plane; word++) {
            *word = word[-(int32_t)end] >> lanes->shift;
        }
    }
}

#endif
