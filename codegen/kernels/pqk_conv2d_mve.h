/* Convolution over a stream of nonzero weights, many positions at a time: the loops that lanes of
 * 16 and of 32 bits share. The file that includes this has defined
 *
 *   LANES             positions in a vector
 *   TILE              vectors in a large tile
 *   lanes_t, sum_t    a vector of accumulators; one of its elements
 *   start             every lane the same value
 *   accumulate        all weights of a channel into 1 to TILE vectors
 *   rectify           max(accumulator, 0), as unsigned numbers
 *   store             requantise, saturate at the maximum and store LANES bytes
 *   add, keep         vector sum; store of a vector of sums
 *   windows           sums of `width` neighbours each of what was kept
 *
 *   UNROLL            what keeps a loop over vectors in registers
 *
 * and on a core without vectors these work lane by lane. */
#ifndef PQK_CONV2D_MVE_H
#define PQK_CONV2D_MVE_H

#include "pqk_arithmetic.h"
#include "pqk_kernels.h"
#include "pqk_mve.h"

/* One output channel's constants. */
typedef struct {
    const uint32_t *entries;
    uint32_t count;
    int32_t start;
    uint32_t floor;
    int32_t multiplier;
} channel_t;

PQK_INLINE channel_t channel_of(const pqk_conv2d_mve_t *layer, uint32_t c,
                                const uint32_t *entries) {
    const channel_t channel = {entries, layer->counts[c], layer->start[c], layer->floor[c],
                               layer->multiplier[c]};
    return channel;
}

/* A channel whose outputs are all the same. */
PQK_INLINE void fill(const pqk_planes_t *planes, uint8_t *out, uint8_t value) {
    for (uint32_t y = 0; y < planes->height; y++) {
        pqk_fill_bytes(out + y * planes->row, value, planes->width);
    }
}

/* `vectors` vectors of neighbouring outputs. */
PQK_INLINE void tile(const pqk_conv2d_mve_t *layer, const channel_t *channel, uint32_t vectors,
                     const uint8_t *window, uint8_t *out, int is_signed) {
    lanes_t acc[TILE];
    UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        acc[v] = start(channel->start);
    }
    accumulate(acc, vectors, channel->entries, channel->count, window, is_signed);
    UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        store(out + v * LANES, rectify(acc[v], channel->floor), channel->multiplier,
              layer->maximum);
    }
}

/* Moves a tile's outputs to where they belong, leaving out those between the rows. Both `from` and
 * the tile's position count as if the output's rows were as far apart as the input's. */
PQK_INLINE void scatter(const pqk_conv2d_mve_t *layer, const uint8_t *from, uint32_t position,
                        uint32_t count, uint8_t *out) {
    const uint32_t width = layer->output.width;
    uint32_t x = position % layer->row;
    uint8_t *row = out + position / layer->row * layer->output.row;
    while (count > 0) {
        if (x < width) {
            pqk_copy_bytes(row + x, from, count < width - x ? count : width - x);
        }
        const uint32_t step = count < layer->row - x ? count : layer->row - x;
        from += step;
        count -= step;
        row += layer->output.row;
        x = 0;
    }
}

PQK_INLINE void place(const pqk_conv2d_mve_t *layer, const channel_t *channel, uint32_t vectors,
                      uint32_t position, const uint8_t *window, uint8_t *out, int is_signed) {
    const int aligned = layer->output.row == layer->row;
    uint8_t bytes[TILE * LANES];
    tile(layer, channel, vectors, window + position, aligned ? out + position : bytes, is_signed);
    if (!aligned) {
        scatter(layer, bytes, position, vectors * LANES, out);
    }
}

/* The positions between the rows got garbage; they are the padding of the output's readers. */
PQK_INLINE void clear_halo(const pqk_planes_t *planes, uint8_t *out) {
    for (uint32_t x = planes->width; x < planes->row; x++) {
        uint8_t *halo = out + x;
        for (uint32_t y = 1; y < planes->height; y++) {
            *halo = 0;
            halo += planes->row;
        }
    }
}

/* Large tiles, then small ones; the last overlaps the one before. */
PQK_INLINE void plane(const pqk_conv2d_mve_t *layer, const channel_t *channel,
                      const uint8_t *window, uint8_t *out, int is_signed) {
    const uint32_t length = (layer->output.height - 1u) * layer->row + layer->output.width;
    uint32_t position = 0;
    for (; position + (TILE - 2) * LANES < length && length >= TILE * LANES;
         position += TILE * LANES) {
        const uint32_t last = length - TILE * LANES;
        place(layer, channel, TILE, position < last ? position : last, window, out, is_signed);
    }
    for (; position < length; position += 2 * LANES) {
        const uint32_t last = length - 2 * LANES;
        place(layer, channel, 2, position < last ? position : last, window, out, is_signed);
    }
    if (layer->output.row == layer->row) {
        clear_halo(&layer->output, out);
    }
}

/* `layer` is a copy, which the compiler knows is not written through `output`. */
PQK_INLINE void convolve(pqk_conv2d_mve_t layer, const uint8_t *input, uint8_t *output,
                         int is_signed) {
    const uint8_t *window = input - layer.origin;
    const uint32_t *entries = layer.entries;
    for (uint32_t c = 0; c < layer.output.channels; c++) {
        const channel_t channel = channel_of(&layer, c, entries);
        uint8_t *out = output + c * layer.output.plane;
        if (channel.count == 0) {
            fill(&layer.output, out, (uint8_t)channel.start);
        } else {
            plane(&layer, &channel, window, out, is_signed);
        }
        entries += channel.count;
    }
}

/* Sums over `rows` rows of max(accumulator, 0), for `vectors` vectors of columns. */
PQK_INLINE void column_sums(const pqk_conv2d_mve_t *layer, const channel_t *channel,
                            uint32_t vectors, uint32_t rows, const uint8_t *window, sum_t *sums,
                            int is_signed) {
    lanes_t total[3];
    UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        total[v] = start(0);
    }
    for (uint32_t y = 0; y < rows; y++) {
        lanes_t acc[3];
        UNROLL
        for (uint32_t v = 0; v < vectors; v++) {
            acc[v] = start(channel->start);
        }
        accumulate(acc, vectors, channel->entries, channel->count, window, is_signed);
        UNROLL
        for (uint32_t v = 0; v < vectors; v++) {
            total[v] = add(total[v], rectify(acc[v], channel->floor));
        }
        window += layer->row;
    }
    UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        keep(sums + v * LANES, total[v]);
    }
}

/* The same for all columns: tiles of three vectors, then of two; the last overlaps. */
PQK_INLINE void row_of_sums(const pqk_conv2d_mve_t *layer, const channel_t *channel, uint32_t rows,
                            uint32_t columns, const uint8_t *window, sum_t *sums, int is_signed) {
    uint32_t x = 0;
    for (; x + 2 * LANES < columns && columns >= 3 * LANES; x += 3 * LANES) {
        const uint32_t first = x + 3 * LANES <= columns ? x : columns - 3 * LANES;
        column_sums(layer, channel, 3, rows, window + first, sums + first, is_signed);
    }
    for (; x < columns; x += 2 * LANES) {
        const uint32_t first = x + 2 * LANES <= columns ? x : columns - 2 * LANES;
        column_sums(layer, channel, 2, rows, window + first, sums + first, is_signed);
    }
}

/* Windows of columns, from sums of whole columns. */
PQK_INLINE void pooled_row(const pqk_conv2d_mve_t *layer, const channel_t *channel,
                           const uint8_t *window, uint8_t *out, int is_signed) {
    sum_t sums[PQK_MVE_SUMS];
    const uint32_t width = layer->output.width;
    row_of_sums(layer, channel, layer->pool_height, width * layer->pool_width, window, sums,
                is_signed);
    for (uint32_t x = 0; x < width; x += LANES) {
        const uint32_t first = x + LANES <= width ? x : width - LANES;
        store(out + first, windows(sums + first * layer->pool_width, layer->pool_width),
              channel->multiplier, layer->maximum);
    }
}

/* One row of outputs of one channel. */
typedef void (*pooled_row_t)(const pqk_conv2d_mve_t *layer, const channel_t *channel,
                             const uint8_t *window, uint8_t *out, int is_signed);

PQK_INLINE void convolve_and_pool(pqk_conv2d_mve_t layer, const uint8_t *input, uint8_t *output,
                                  pooled_row_t row, int is_signed) {
    const uint32_t *entries = layer.entries;
    for (uint32_t c = 0; c < layer.output.channels; c++) {
        const channel_t channel = channel_of(&layer, c, entries);
        const uint8_t *window = input - layer.origin;
        uint8_t *out = output + c * layer.output.plane;
        if (channel.count == 0) {
            fill(&layer.output, out, (uint8_t)channel.start);
        } else {
            for (uint32_t y = 0; y < layer.output.height; y++) {
                row(&layer, &channel, window, out, is_signed);
                window += (uint32_t)layer.pool_height * layer.row;
                out += layer.output.row;
            }
        }
        entries += channel.count;
    }
}

#endif
