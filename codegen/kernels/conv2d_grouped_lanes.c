/* Convolution on lanes, the taps of equal weight together; contract in pqk_kernels.h.
 *
 * A tile is seven words, fourteen positions, of every output channel, as in conv2d_lanes.c. A tap
 * costs 11 instructions: 2 to find it, 2 to load seven words, 7 to multiply. A group costs 4: it
 * jumps into a row of eight taps, from where it takes as many as it has. */
#include "pqk_lanes.h"

#define TILE 7u
#define END 9u /* a count that no group has */

/* The multiplier is read as one word from a stream of halfwords. */
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_UNALIGNED)

/* r0 stream, r1 input, r2 place, then address, then first word; r3 weight; r4 - r10 sums, r11, r12,
 * lr words. On the stack: output, plane, end. */

#define MULTIPLY(sum, word, start) "mla " sum ", " word ", r3, " start "\n"

#define TAP(s4, s5, s6, s7, s8, s9, s10)                                                           \
    "ldrh r2, [r0], #2\n"                                                                          \
    "add r2, r1\n"                                                                                 \
    "ldmia r2!, {r11, r12, lr}\n" MULTIPLY("r4", "r11", s4) MULTIPLY("r5", "r12", s5)              \
        MULTIPLY("r6", "lr", s6) "ldmia r2, {r2, r11, r12, lr}\n" MULTIPLY("r7", "r2", s7)         \
            MULTIPLY("r8", "r11", s8) MULTIPLY("r9", "r12", s9) MULTIPLY("r10", "lr", s10)
#define FIRST_TAP TAP("r10", "r10", "r10", "r10", "r10", "r10", "r10")
#define NEXT_TAP TAP("r4", "r5", "r6", "r7", "r8", "r9", "r10")

/* Go where so many taps as r2 says are left of the row; 30 is behind it, 39 the channel's end. */
#define JUMP                                                                                       \
    "tbb [pc, r2]\n"                                                                               \
    "20: .byte (30f - 20b) / 2, (31f - 20b) / 2, (32f - 20b) / 2, (33f - 20b) / 2\n"               \
    ".byte (34f - 20b) / 2, (35f - 20b) / 2, (36f - 20b) / 2, (37f - 20b) / 2\n"                   \
    ".byte (38f - 20b) / 2, (39f - 20b) / 2\n"

/* r2 offset, r3 multiplier, r11 rounding. ReLU is what the unsigned saturation does. */
#define REQUANTIZE(sum, bits)                                                                      \
    "uqsub16 " sum ", " sum ", r2\n"                                                               \
    "smlawb r12, r3, " sum ", r11\n"                                                               \
    "smlawt " sum ", r3, " sum ", r11\n"                                                           \
    "pkhtb " sum ", " sum ", r12, asr #16\n"                                                       \
    "usat16 " sum ", #" #bits ", " sum "\n"

/* clang-format off */
#define DEFINE_TILE(bits)                                                                          \
    PQK_NAKED_TILE(tile_u##bits) {                                                                 \
        __asm(PQK_ENTER_TILE                                                                       \
              "1: ldrh r10, [r0], #2\n"                                                            \
              "orr r10, r10, r10, lsl #16\n"                                                       \
              "ldrsb r3, [r0], #2\n"                                                               \
              FIRST_TAP                                                                            \
              "ldrb r2, [r0, #-3]\n"                                                               \
              JUMP                                                                                 \
              "2: ldrsb r3, [r0], #2\n"                                                            \
              "ldrb r2, [r0, #-1]\n"                                                               \
              JUMP                                                                                 \
              "38: " NEXT_TAP "37: " NEXT_TAP "36: " NEXT_TAP "35: " NEXT_TAP                      \
              "34: " NEXT_TAP "33: " NEXT_TAP "32: " NEXT_TAP "31: " NEXT_TAP                      \
              "30: b 2b\n"                                                                         \
              "39: ldrh r2, [r0], #2\n"                                                            \
              "orr r2, r2, r2, lsl #16\n"                                                          \
              "ldr r3, [r0], #4\n"                                                                 \
              "mov r11, #0x8000\n"                                                                 \
              REQUANTIZE("r4", bits) REQUANTIZE("r5", bits) REQUANTIZE("r6", bits)                 \
              REQUANTIZE("r7", bits) REQUANTIZE("r8", bits) REQUANTIZE("r9", bits)                 \
              REQUANTIZE("r10", bits)                                                              \
              PQK_LEAVE_TILE("r3", "r11", "r4-r10"));                                              \
    }
/* clang-format on */

#else

/* The same in C, word by word. */
PQK_INLINE const uint16_t *tile_channel(const uint16_t *stream, const uint32_t *input,
                                        uint32_t *output, uint32_t bits) {
    uint32_t sums[TILE];
    for (uint32_t i = 0; i < TILE; i++) {
        sums[i] = *stream * 0x10001u;
    }
    uint32_t uncounted = 1;
    for (uint32_t head = *++stream; head >> 8 != END; head = *stream) {
        const uint32_t weight = (uint32_t)(int32_t)(int8_t)(head & 0xFFu);
        const uint16_t *const next = stream + 1 + uncounted + (head >> 8);
        while (++stream != next) {
            const uint32_t *words = input + *stream / 4;
            for (uint32_t i = 0; i < TILE; i++) {
                sums[i] += words[i] * weight;
            }
        }
        uncounted = 0;
    }
    const int32_t multiplier = (int32_t)((uint32_t)stream[3] << 16 | stream[2]);
    for (uint32_t i = 0; i < TILE; i++) {
        output[i] = pqk_requantize_lane(sums[i] & 0xFFFFu, stream[1], multiplier, bits) |
                    pqk_requantize_lane(sums[i] >> 16, stream[1], multiplier, bits) << 16;
    }
    return stream + 4;
}

PQK_INLINE void tile(const uint16_t *stream, const uint32_t *input, uint32_t *output,
                     uint32_t plane, const uint16_t *end, uint32_t bits) {
    for (; stream < end; output += plane / 4) {
        stream = tile_channel(stream, input, output, bits);
    }
}

#define DEFINE_TILE(bits)                                                                          \
    static void tile_u##bits(const void *stream, const uint32_t *input, uint32_t *output,          \
                             uint32_t plane, const void *end) {                                    \
        tile(stream, input, output, plane, end, bits);                                             \
    }

#endif

#define DEFINE(bits)                                                                               \
    DEFINE_TILE(bits)                                                                              \
    PQK_LANE_STREAM(pqk_conv2d_grouped_lanes_u##bits, TILE, tile_u##bits)

PQK_FOR_ALL_BITS(DEFINE)
