/* Lanes from planes of bytes; contract in pqk_kernels.h. */
#include "pqk_arithmetic.h"
#include "pqk_kernels.h"

#define EVEN_BYTES 0x00FF00FFu
#define SIGNS 0x80808080u

/* One line of both lanes: where their first bytes lie, and masks that are 0 for a lane whose row
 * lies outside of the input and EVEN_BYTES for others.
 *
 * Signed elements go in 128 larger, so that none borrows from the other lane; `bias` is what that
 * adds to a word. */
typedef struct {
    const uint8_t *low;
    const uint8_t *high;
    uint32_t low_mask;
    uint32_t high_mask;
    uint32_t bias;
} line_t;

/* Four bytes in the order of their addresses; compilers make one load of it. */
PQK_INLINE uint32_t four_bytes(const uint8_t *byte, int is_signed) {
    const uint32_t bytes = (uint32_t)byte[0] | (uint32_t)byte[1] << 8 | (uint32_t)byte[2] << 16 |
                           (uint32_t)byte[3] << 24;
    return is_signed ? bytes ^ SIGNS : bytes;
}

/* low's and high's lower halfwords as lanes. */
PQK_INLINE uint32_t lower_halves(uint32_t low, uint32_t high, uint32_t shift) {
#if defined(__ARM_FEATURE_DSP)
    if (shift == 16) { /* GCC knows no C for these instructions */
        __asm("pkhbt %0, %1, %2, lsl #16" : "=r"(low) : "r"(low), "r"(high));
        return low;
    }
#endif
    return (low & 0xFFFFu) + ((high & 0xFFFFu) << shift);
}

PQK_INLINE uint32_t upper_halves(uint32_t low, uint32_t high, uint32_t shift) {
#if defined(__ARM_FEATURE_DSP)
    if (shift == 16) {
        __asm("pkhtb %0, %1, %2, asr #16" : "=r"(low) : "r"(high), "r"(low));
        return low;
    }
#endif
    return (low >> 16) + ((high >> 16) << shift);
}

/* Words of four neighbouring columns. */
PQK_INLINE void pack_four(const line_t *line, int is_signed, uint32_t shift, uint32_t *words) {
    const uint32_t low = four_bytes(line->low, is_signed), high = four_bytes(line->high, is_signed);
    const uint32_t low_even = low & line->low_mask, low_odd = low >> 8 & line->low_mask;
    const uint32_t high_even = high & line->high_mask, high_odd = high >> 8 & line->high_mask;
    words[0] = lower_halves(low_even, high_even, shift) - line->bias;
    words[1] = lower_halves(low_odd, high_odd, shift) - line->bias;
    words[2] = upper_halves(low_even, high_even, shift) - line->bias;
    words[3] = upper_halves(low_odd, high_odd, shift) - line->bias;
}

PQK_INLINE uint32_t pack_one(const line_t *line, int is_signed, uint32_t shift) {
    const uint32_t sign = is_signed ? SIGNS & 0xFFu : 0;
    const uint32_t low = (*line->low ^ sign) & line->low_mask;
    const uint32_t high = (*line->high ^ sign) & line->high_mask;
    return low + (high << shift) - line->bias;
}

/* `count` columns, `step` bytes apart. */
PQK_INLINE uint32_t *pack_columns(line_t line, uint32_t count, uint32_t step, int is_signed,
                                  uint32_t shift, uint32_t *words) {
    if (step == 1) {
        for (; count >= 4; count -= 4, line.low += 4, line.high += 4, words += 4) {
            pack_four(&line, is_signed, shift, words);
        }
    }
    for (; count > 0; count--, line.low += step, line.high += step) {
        *words++ = pack_one(&line, is_signed, shift);
    }
    return words;
}

PQK_INLINE uint32_t *zeros(uint32_t *words, uint32_t count) {
    for (; count > 0; count--) {
        *words++ = 0;
    }
    return words;
}

/* The bytes of row y from column x on; of any row where that one lies outside, for a mask of 0. */
PQK_INLINE const uint8_t *row_of(const pqk_planes_t *planes, const uint8_t *plane, int32_t y,
                                 uint32_t *mask) {
    const uint32_t inside = y >= 0 && y < (int32_t)planes->height;
    *mask = inside ? EVEN_BYTES : 0;
    return inside ? plane + (uint32_t)y * planes->row : plane;
}

/* All lines of one phase of a plane. */
PQK_INLINE uint32_t *pack_phase(const pqk_pack_lanes_t *layer, const uint8_t *plane,
                                uint32_t phase_y, uint32_t phase_x, int is_signed, uint32_t shift,
                                uint32_t *words) {
    const uint32_t step = layer->stride_x, row = layer->row, apart = layer->rows * layer->stride_y;
    const uint32_t skipped = layer->left > phase_x ? layer->left - phase_x : 0;
    const uint32_t first = (skipped + step - 1) / step; /* columns left of the input */
    const uint32_t beyond = (layer->input.width + layer->left - phase_x + step - 1) / step;
    const uint32_t end = beyond < row ? beyond : row;
    const uint32_t x = first * step + phase_x - layer->left;
    int32_t y = (int32_t)phase_y - (int32_t)layer->top;
    for (uint32_t l = 0; l < layer->lines; l++, y += layer->stride_y) {
        line_t line;
        line.low = row_of(&layer->input, plane, y, &line.low_mask) + x;
        line.high = row_of(&layer->input, plane, y + (int32_t)apart, &line.high_mask) + x;
        line.bias = is_signed ? (line.low_mask & 0x80u) + ((line.high_mask & 0x80u) << shift) : 0;
        words = zeros(words, first);
        words = pack_columns(line, end - first, step, is_signed, shift, words);
        words = zeros(words, row - end);
    }
    return zeros(words, layer->plane - layer->lines * row);
}

PQK_INLINE void run(const pqk_pack_lanes_t *layer, const uint8_t *input, uint32_t *output,
                    int is_signed, uint32_t shift) {
    for (uint32_t c = 0; c < layer->input.channels; c++, input += layer->input.plane) {
        for (uint32_t y = 0; y < layer->stride_y; y++) {
            for (uint32_t x = 0; x < layer->stride_x; x++) {
                output = pack_phase(layer, input, y, x, is_signed, shift, output);
            }
        }
    }
}

void pqk_pack_lanes_u8(const pqk_pack_lanes_t *layer, const uint8_t *input, uint32_t *output) {
    run(layer, input, output, 0, 16);
}

void pqk_pack_lanes_s8(const pqk_pack_lanes_t *layer, const uint8_t *input, uint32_t *output) {
    run(layer, input, output, 1, 16);
}

void pqk_pack_wide_lanes_u8(const pqk_pack_lanes_t *layer, const uint8_t *input, uint32_t *output) {
    run(layer, input, output, 0, 23);
}

void pqk_pack_wide_lanes_s8(const pqk_pack_lanes_t *layer, const uint8_t *input, uint32_t *output) {
    run(layer, input, output, 1, 23);
}
