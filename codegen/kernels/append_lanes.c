/* Rows that earlier runs have seen, and the new ones, on lanes; contract in pqk_kernels.h. */
#include "pqk_arithmetic.h"
#include "pqk_kernels.h"

#define GROUP 4u

/* A row of one channel after the other. Elements of lanes are bytes, too, that lie 4 apart: the
 * lower ones first, the upper ones 2 behind (all cores here are little-endian). */
typedef struct {
    const uint8_t *bytes;
    uint32_t step;  /* bytes from one element to the next; 0: there are only zeros */
    uint32_t plane; /* bytes from one channel to the next */
} row_t;

/* Row `row` of the history and the new rows behind it. */
static row_t find(const pqk_append_lanes_t *layer, const uint32_t *input, const uint8_t *state,
                  uint32_t row) {
    const pqk_lanes_t *const lanes = &layer->input;
    if (row < layer->history) {
        return (row_t){state + row * lanes->width, 1, (uint32_t)layer->history * lanes->width};
    }
    const uint32_t y = row - layer->history;
    const uint32_t is_upper = y >= lanes->rows;
    const uint32_t *const word =
        input + lanes->origin + (is_upper ? y - lanes->rows : y) * lanes->row;
    return (row_t){(const uint8_t *)word + 2 * is_upper, 4, 4 * lanes->plane};
}

/* Words from two rows whose steps are known when this is compiled. */
PQK_INLINE void pair(uint32_t *word, const uint8_t *lower, uint32_t lower_step,
                     const uint8_t *upper, uint32_t upper_step, uint32_t count) {
    for (uint32_t groups = count / GROUP; groups > 0; groups--) {
        for (uint32_t x = 0; x < GROUP; x++) {
            word[x] = lower[x * lower_step] | (uint32_t)upper[x * upper_step] << 16;
        }
        word += GROUP;
        lower += GROUP * lower_step;
        upper += GROUP * upper_step;
    }
    for (uint32_t x = 0; x < count % GROUP; x++) {
        word[x] = lower[x * lower_step] | (uint32_t)upper[x * upper_step] << 16;
    }
}

PQK_INLINE void single(uint32_t *word, const uint8_t *lower, uint32_t step, uint32_t count) {
    for (uint32_t x = 0; x < count; x++) {
        word[x] = lower[x * step];
    }
}

PQK_INLINE void copy(uint32_t *word, const uint32_t *from, uint32_t count) {
    for (uint32_t groups = count / GROUP; groups > 0; groups--, word += GROUP, from += GROUP) {
        word[0] = from[0];
        word[1] = from[1];
        word[2] = from[2];
        word[3] = from[3];
    }
    for (uint32_t x = 0; x < count % GROUP; x++) {
        word[x] = from[x];
    }
}

PQK_INLINE void zero(uint32_t *word, uint32_t count) {
    for (uint32_t x = 0; x < count; x++) {
        word[x] = 0;
    }
}

static void write_words(uint32_t *word, row_t lower, row_t upper, uint32_t count) {
    if (lower.step == 4 && upper.bytes == lower.bytes + 2) {
        copy(word, (const uint32_t *)(const void *)lower.bytes, count);
    } else if (lower.step == 4 && upper.step == 4) {
        pair(word, lower.bytes, 4, upper.bytes, 4, count);
    } else if (lower.step == 4) {
        single(word, lower.bytes, 4, count);
    } else if (lower.step == 0) {
        zero(word, count);
    } else if (upper.step == 4) {
        pair(word, lower.bytes, 1, upper.bytes, 4, count);
    } else if (upper.step == 1) {
        pair(word, lower.bytes, 1, upper.bytes, 1, count);
    } else {
        single(word, lower.bytes, 1, count);
    }
}

/* Line `line` of all channels: its words, and the zeros up to the next line's. */
static void write_line(const pqk_append_lanes_t *layer, const uint32_t *input, uint32_t *output,
                       const uint8_t *state, uint32_t line) {
    const pqk_lanes_t *const lanes = &layer->output;
    row_t lower = {0}, upper = {0};
    if (line < lanes->height) {
        lower = find(layer, input, state, layer->first + line);
    }
    if (line + lanes->rows < lanes->height) {
        upper = find(layer, input, state, layer->first + line + lanes->rows);
    }
    uint32_t *word = output + lanes->origin + line * lanes->row;
    for (uint32_t c = 0; c < lanes->planes; c++) {
        write_words(word, lower, upper, lanes->width);
        zero(word + lanes->width, (uint32_t)lanes->row - lanes->width);
        word += lanes->plane;
        lower.bytes += lower.plane;
        upper.bytes += upper.plane;
    }
}

/* Keep a row of all channels, which is another one than is overwritten, or an earlier one. */
static void keep(const pqk_append_lanes_t *layer, row_t from, uint8_t *to) {
    const uint32_t width = layer->input.width;
    for (uint32_t c = 0; c < layer->input.planes; c++) {
        const uint8_t *byte = from.bytes + c * from.plane;
        uint8_t *const row = to + c * layer->history * width;
        if (from.step == 1) {
            __builtin_memcpy(row, byte, width);
        } else {
            for (uint32_t x = 0; x < width; x++, byte += 4) {
                row[x] = *byte;
            }
        }
    }
}

void pqk_append_lanes(const pqk_append_lanes_t *layer, const uint32_t *input, uint32_t *output,
                      uint8_t *state) {
    for (uint32_t c = 0; c < layer->output.planes; c++) {
        zero(output + c * layer->output.plane, layer->output.origin);
    }
    for (uint32_t line = 0; line < layer->lines; line++) {
        write_line(layer, input, output, state, line);
    }
    for (uint32_t y = 0; y < layer->history;
         y++) { /* upwards: what is overwritten is used already */
        keep(layer, find(layer, input, state, y + layer->input.height),
             state + y * layer->input.width);
    }
}
