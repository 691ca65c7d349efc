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

/* One tile of all channels. input, output: the tile's first word; plane: bytes from one output
 * plane to the next; end: behind the stream. */
typedef void (*pqk_tile_t)(const uint32_t *stream, const uint32_t *input, uint32_t *output,
                           uint32_t plane, const uint32_t *end);

/* All tiles of a layer; the last one overlaps the one before it. */
PQK_INLINE void pqk_lane_stream(const pqk_lane_stream_t *layer, const uint32_t *input,
                                uint32_t *output, uint32_t tile_words, pqk_tile_t tile) {
    const uint32_t *const end = layer->stream + layer->stream_words;
    uint32_t *const first = output + layer->output.origin;
    const uint32_t last = layer->words - tile_words;
    for (uint32_t word = 0; word < layer->words; word += tile_words) {
        const uint32_t start = word < last ? word : last;
        tile(layer->stream, input + start, first + start, 4 * layer->output.plane, end);
    }
    pqk_lanes_finish(&layer->output, output);
}

#endif
