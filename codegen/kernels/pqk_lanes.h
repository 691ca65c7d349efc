/* What kernels on lanes share; the layout itself is described in pqk_kernels.h. */
#ifndef PQK_LANES_H
#define PQK_LANES_H

#include "pqk_arithmetic.h"
#include "pqk_kernels.h"

/* Complete a plane in which words 0 .. words - 1 behind the origin were computed: zeros in the halo
 * columns and in rows beyond the tensor's height, and above and below the edge rows of the other
 * half. */
PQK_INLINE void pqk_lanes_surround(const pqk_lanes_t *lanes, uint32_t *plane) {
    const uint32_t row = lanes->row, width = lanes->width, shift = lanes->shift;
    const uint32_t half = lanes->rows * row;
    const uint32_t missing =
        (2u * lanes->rows - lanes->height) * row; /* at the second half's end */
    uint32_t *const first = plane + lanes->origin, *const end = first + half;
    if (row > width) {
        for (uint32_t *gap = first + width; gap < end; gap += row) {
            for (uint32_t x = 0; x < row - width; x++) {
                gap[x] = 0;
            }
        }
    }
    for (uint32_t *word = end - missing; word < end; word++) {
        *word &= (1u << shift) - 1u;
    }
    for (uint32_t *word = plane; word < first; word++) {
        *word = word[half] << shift;
    }
    for (uint32_t *word = end, *const stop = plane + lanes->plane; word < stop; word++) {
        *word = *(word - half) >> shift;
    }
}

/* The same for all planes, if it matters. */
PQK_INLINE void pqk_lanes_finish(const pqk_lanes_t *lanes, uint32_t *buffer) {
    if (lanes->surrounded) {
        for (uint32_t c = 0; c < lanes->planes; c++) {
            pqk_lanes_surround(lanes, buffer + c * lanes->plane);
        }
    }
}

/* One tile of all channels. input, output: the tile's first word; plane: bytes from one output
 * plane to the next; end: behind the stream. */
typedef void (*pqk_tile_t)(const void *stream, const uint32_t *input, uint32_t *output,
                           uint32_t plane, const void *end);

/* All tiles of a layer; the last one overlaps the one before it. */
PQK_INLINE void pqk_lane_stream(const pqk_lane_stream_t *layer, const uint32_t *input,
                                uint32_t *output, uint32_t tile_words, pqk_tile_t tile) {
    const void *const end = (const uint8_t *)layer->stream + layer->stream_bytes;
    uint32_t *const first = output + layer->output.origin;
    const uint32_t last = layer->words - tile_words;
    for (uint32_t word = 0; word < layer->words; word += tile_words) {
        const uint32_t start = word < last ? word : last;
        tile(layer->stream, input + start, first + start, 4 * layer->output.plane, end);
    }
    pqk_lanes_finish(&layer->output, output);
}

/* The function that the generated code calls: `tile` all over a layer. */
#define PQK_LANE_STREAM(function, tile_words, tile)                                                \
    void function(const pqk_lane_stream_t *layer, const uint32_t *input, uint32_t *output) {       \
        pqk_lane_stream(layer, input, output, tile_words, tile);                                   \
    }

/* What a file defines once for each number of bits that an element can have. */
#define PQK_FOR_ALL_BITS(define) define(4) define(5) define(6) define(7) define(8)

/* A pqk_tile_t in assembly: its head, */
#define PQK_NAKED_TILE(name)                                                                       \
    __attribute__((naked)) static void name(                                                       \
        __attribute__((unused)) const void *stream, __attribute__((unused)) const uint32_t *input, \
        __attribute__((unused)) uint32_t *output, __attribute__((unused)) uint32_t plane,          \
        __attribute__((unused)) const void *end)

/* its beginning, which leaves output, plane and end on the stack, */
#define PQK_ENTER_TILE                                                                             \
    "push {r4-r11, lr}\n"                                                                          \
    "ldr r4, [sp, #36]\n"                                                                          \
    "push {r2, r3, r4}\n"

/* and its end: words go to a plane, and 1 is the next channel unless r0, the stream, is at its end.
 * place, plane: registers that are free by now, as is r12. */
#define PQK_LEAVE_TILE(place, plane, words)                                                        \
    "ldmia sp, {" place ", " plane ", r12}\n"                                                      \
    "stmia " place ", {" words "}\n"                                                               \
    "add " place ", " plane "\n"                                                                   \
    "str " place ", [sp]\n"                                                                        \
    "cmp r0, r12\n"                                                                                \
    "bne 1b\n"                                                                                     \
    "add sp, #12\n"                                                                                \
    "pop {r4-r11, pc}\n"

#endif
