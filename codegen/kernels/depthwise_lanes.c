/* Depthwise 3x3 convolution on lanes, every weight multiplied; contract in pqk_kernels.h.
 *
 * A tile is five words, ten positions, of a line of every channel. Each kernel row loads three
 * weights and the words under the tile once, and uses each word for all three columns. Columns
 * beside the tensor are not read: tiles at a line's ends leave their products out. */
#include "pqk_lanes.h"

#define TILE 5u

#if defined(__ARM_FEATURE_DSP)

/* r0 stream, r1 input, r3 - r5 the row's weights, r6 - r10 sums, r2 address; words xl (left of the
 * tile), x0 .. x4, xr in r11, r12, lr and, when the address is used up, r2.
 * On the stack: output, plane, end. */

#define MLA(sum, word, weight, start) "mla " sum ", " word ", " weight ", " start "\n"

/* What the words under the tile contribute; r10 is the sums' start in the first row. s0 and s1 say
 * where the first two sums continue from, the rest follows. */
/* clang-format off */
#define LEFT_OF_TILE(word, s0) MLA("r6", word, "r3", s0)
#define COLUMN_0(word, s0, s1) MLA("r6", word, "r4", s0) MLA("r7", word, "r3", s1)
#define COLUMN_1(word, s2) MLA("r6", word, "r5", "r6") MLA("r7", word, "r4", "r7") MLA("r8", word, "r3", s2)
#define COLUMN_2(word, s3) MLA("r7", word, "r5", "r7") MLA("r8", word, "r4", "r8") MLA("r9", word, "r3", s3)
#define COLUMN_3(word) MLA("r8", word, "r5", "r8") MLA("r9", word, "r4", "r9") MLA("r10", word, "r3", "r10")
#define COLUMN_4(word) MLA("r9", word, "r5", "r9") MLA("r10", word, "r4", "r10")
#define RIGHT_OF_TILE(word) MLA("r10", word, "r5", "r10")

/* The four kinds of tile, by the ends of the line that they touch. */
#define ROW_both(s0, s1, s2, s3)                                                                   \
    "ldmia r2!, {r11, r12, lr}\n"                                                                  \
    COLUMN_0("r11", s0, s1) COLUMN_1("r12", s2) COLUMN_2("lr", s3)                                 \
    "ldmia r2, {r11, r12}\n"                                                                       \
    COLUMN_3("r11") COLUMN_4("r12")
#define ROW_left(s0, s1, s2, s3)                                                                   \
    "ldmia r2!, {r11, r12, lr}\n"                                                                  \
    COLUMN_0("r11", s0, s1) COLUMN_1("r12", s2) COLUMN_2("lr", s3)                                 \
    "ldmia r2, {r11, r12, lr}\n"                                                                   \
    COLUMN_3("r11") COLUMN_4("r12") RIGHT_OF_TILE("lr")
#define ROW_inner(s0, s1, s2, s3)                                                                  \
    "ldmia r2!, {r11, r12, lr}\n"                                                                  \
    LEFT_OF_TILE("r11", s0) COLUMN_0("r12", "r6", s1) COLUMN_1("lr", s2)                           \
    "ldmia r2, {r2, r11, r12, lr}\n"                                                               \
    COLUMN_2("r2", s3) COLUMN_3("r11") COLUMN_4("r12") RIGHT_OF_TILE("lr")
#define ROW_right(s0, s1, s2, s3)                                                                  \
    "ldmia r2!, {r11, r12, lr}\n"                                                                  \
    LEFT_OF_TILE("r11", s0) COLUMN_0("r12", "r6", s1) COLUMN_1("lr", s2)                           \
    "ldmia r2, {r11, r12, lr}\n"                                                                   \
    COLUMN_2("r11", s3) COLUMN_3("r12") COLUMN_4("lr")

#define FIRST_ROW(kind) "ldmia r0!, {r2, r3, r4, r5, r10}\nadd r2, r1\n" ROW_##kind("r10", "r10", "r10", "r10")
#define NEXT_ROW(kind) "ldmia r0!, {r2, r3, r4, r5}\nadd r2, r1\n" ROW_##kind("r6", "r7", "r8", "r9")

/* r2 multiplier, r3 rounding. ReLU is what the unsigned saturation does. */
#define REQUANTIZE(sum, bits)                                                                      \
    "smlawb r4, r2, " sum ", r3\n"                                                                 \
    "smlawt " sum ", r2, " sum ", r3\n"                                                            \
    "pkhtb " sum ", " sum ", r4, asr #16\n"                                                        \
    "usat16 " sum ", #" #bits ", " sum "\n"

#define DEFINE_TILE(kind, bits)                                                                    \
    PQK_NAKED_TILE(tile_##kind##_u##bits) {                                                        \
        __asm(PQK_ENTER_TILE                                                                       \
              "1:\n"                                                                               \
              FIRST_ROW(kind) NEXT_ROW(kind) NEXT_ROW(kind)                                        \
              "ldmia r0!, {r2, r3}\n"                                                              \
              REQUANTIZE("r6", bits) REQUANTIZE("r7", bits) REQUANTIZE("r8", bits)                 \
              REQUANTIZE("r9", bits) REQUANTIZE("r10", bits)                                       \
              PQK_LEAVE_TILE("r2", "r3", "r6-r10"));                                               \
    }
/* clang-format on */

#else

enum { left = 1, right = 2, inner = 0, both = left | right };

/* The same in C. At a line's left end `input` is its first word, elsewhere the one before. */
PQK_INLINE const uint32_t *tile_channel(const uint32_t *stream, const uint32_t *input,
                                        uint32_t *output, int kind, uint32_t bits) {
    const uint32_t first = kind & left ? 1 : 0; /* kernel column of the first word */
    const uint32_t end = TILE + 2 - (kind & right ? 1 : 0) - first; /* words under the tile */
    uint32_t sums[TILE] = {0};
    const uint32_t start = stream[4];
    for (uint32_t row = 0; row < 3; row++) {
        const uint32_t *const words = input + stream[0] / 4;
        const uint32_t *const weights = stream + 1;
        for (uint32_t i = 0; i < TILE; i++) {
            for (uint32_t column = 0; column < 3; column++) {
                const uint32_t word = i + column - first;
                if (i + column >= first && word < end) {
                    sums[i] += words[word] * weights[column];
                }
            }
        }
        stream += row ? 4 : 5;
    }
    for (uint32_t i = 0; i < TILE; i++) {
        output[i] =
            pqk_requantize_lanes(sums[i] + start, (int32_t)stream[0], (int32_t)stream[1], bits);
    }
    return stream + 2;
}

#define DEFINE_TILE(kind, bits)                                                                    \
    static void tile_##kind##_u##bits(const void *stream, const uint32_t *input, uint32_t *output, \
                                      uint32_t plane, const void *end) {                           \
        for (; stream < end; output += plane / 4) {                                                \
            stream = tile_channel(stream, input, output, kind, bits);                              \
        }                                                                                          \
    }

#endif

/* Tiles at the left end, inside, and at the right end, which overlaps the one before it. */
PQK_INLINE void run(const pqk_depthwise_lanes_t *layer, const uint32_t *input, uint32_t *output,
                    pqk_tile_t left_tile, pqk_tile_t inner_tile, pqk_tile_t right_tile) {
    const pqk_lanes_t *const lanes = &layer->output;
    const uint32_t *const end = layer->stream + layer->stream_words;
    const uint32_t plane = 4 * lanes->plane, last = lanes->width - TILE;
    uint32_t *line = output + lanes->origin;
    for (uint32_t y = 0; y < lanes->rows; y++, input += layer->input_row, line += lanes->row) {
        left_tile(layer->stream, input, line, plane, end);
        for (uint32_t x = TILE; x < last; x += TILE) {
            inner_tile(layer->stream, input + x - 1, line + x, plane, end);
        }
        right_tile(layer->stream, input + last - 1, line + last, plane, end);
    }
    pqk_lanes_finish(lanes, output);
}

/* One tile a line. */
PQK_INLINE void run_five(const pqk_depthwise_lanes_t *layer, const uint32_t *input,
                         uint32_t *output, pqk_tile_t tile) {
    const pqk_lanes_t *const lanes = &layer->output;
    const uint32_t *const end = layer->stream + layer->stream_words;
    uint32_t *line = output + lanes->origin;
    for (uint32_t y = 0; y < lanes->rows; y++, input += layer->input_row, line += lanes->row) {
        tile(layer->stream, input, line, 4 * lanes->plane, end);
    }
    pqk_lanes_finish(lanes, output);
}

#define DEFINE(bits)                                                                               \
    DEFINE_TILE(both, bits)                                                                        \
    DEFINE_TILE(left, bits)                                                                        \
    DEFINE_TILE(inner, bits)                                                                       \
    DEFINE_TILE(right, bits)                                                                       \
    void pqk_depthwise_lanes_five_u##bits(const pqk_depthwise_lanes_t *layer,                      \
                                          const uint32_t *input, uint32_t *output) {               \
        run_five(layer, input, output, tile_both_u##bits);                                         \
    }                                                                                              \
    void pqk_depthwise_lanes_u##bits(const pqk_depthwise_lanes_t *layer, const uint32_t *input,    \
                                     uint32_t *output) {                                           \
        run(layer, input, output, tile_left_u##bits, tile_inner_u##bits, tile_right_u##bits);      \
    }

PQK_FOR_ALL_BITS(DEFINE)
