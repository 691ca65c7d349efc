/* Convolution on lanes by multiply-accumulates of whole words, for a C file that says which
 * instructions an entry is; contract in pqk_kernels.h.
 *
 * A tile is seven words, fourteen positions, of every output channel. The sums of a channel stay in
 * registers while its entries go by. The file defines
 *   ENTRY(s4, ..., s10): once r2 is the entry, shift its weight down with ASRS r2, r2, #17, which
 *       leaves `last` in the carry, keep that, and add weight * word to the seven words that the
 *       sums s4 .. s10 continue from, into r4 .. r10; r3, r11, r12, lr may change;
 *   PLACE: bytes that one of an entry's place stands for, 1 or 4;
 *   KERNEL(suffix): the name of the functions. */
#ifndef PQK_CONV2D_LANES_H
#define PQK_CONV2D_LANES_H

#include "pqk_lanes.h"

#define TILE 7u

#if defined(__ARM_FEATURE_DSP)

/* r0 stream, r1 input, r2 entry, then weight; r4 - r10 sums.
 * On the stack: output, plane, end. */

/* clang-format off */
#define MULTIPLY(sum, word, start) "mla " sum ", " word ", r2, " start "\n"

/* An entry with r3 at its first word. The first load leaves r3 behind the words it loaded; the
 * second overwrites it. */
#define BURST(s4, s5, s6, s7, s8, s9, s10)                                                         \
    "asrs r2, r2, #17\n"                                                                           \
    "ldmia r3!, {r11, r12, lr}\n"                                                                  \
    MULTIPLY("r4", "r11", s4) MULTIPLY("r5", "r12", s5) MULTIPLY("r6", "lr", s6)                   \
    "ldmia r3, {r3, r11, r12, lr}\n"                                                               \
    MULTIPLY("r7", "r3", s7) MULTIPLY("r8", "r11", s8) MULTIPLY("r9", "r12", s9)                   \
    MULTIPLY("r10", "lr", s10)

/* r3 multiplier, r11 rounding, r12 scratch. ReLU is what the unsigned saturation does. */
#define SCALE(sum, bits)                                                                           \
    "smlawb r12, r3, " sum ", r11\n"                                                               \
    "smlawt " sum ", r3, " sum ", r11\n"                                                           \
    "pkhtb " sum ", " sum ", r12, asr #16\n"                                                       \
    "usat16 " sum ", #" #bits ", " sum "\n"

/* r2 offset in both lanes. */
#define SUBTRACT_AND_SCALE(sum, bits) "uqsub16 " sum ", " sum ", r2\n" SCALE(sum, bits)

#define SEVEN(step, bits)                                                                          \
    step("r4", bits) step("r5", bits) step("r6", bits) step("r7", bits) step("r8", bits)           \
    step("r9", bits) step("r10", bits)

#define LONG(bits) "ldmia r0!, {r2, r3}\nmov r11, #0x8000\n" SEVEN(SUBTRACT_AND_SCALE, bits)
#define SHORT(bits) "ldmia r0!, {r3, r11}\n" SEVEN(SCALE, bits)

#define DEFINE_TILE(name, REQUANTIZE, bits)                                                        \
    PQK_NAKED_TILE(name) {                                                                         \
        __asm(PQK_ENTER_TILE                                                                       \
              "1: ldmia r0!, {r2, r10}\n" /* first entry, start */                                 \
              ENTRY("r10", "r10", "r10", "r10", "r10", "r10", "r10")                               \
              "bcs 3f\n"                                                                           \
              "2: ldr r2, [r0], #4\n"                                                              \
              ENTRY("r4", "r5", "r6", "r7", "r8", "r9", "r10")                                     \
              "bcc 2b\n"                                                                           \
              "3:\n"                                                                               \
              REQUANTIZE(bits)                                                                     \
              PQK_LEAVE_TILE("r3", "r11", "r4-r10"));                                              \
    }
/* clang-format on */

#else

/* The same in C, word by word. */
PQK_INLINE uint32_t LONG(uint32_t word, const uint32_t *stream, uint32_t bits) {
    const uint32_t offset = stream[0] & 0xFFFFu;
    const int32_t multiplier = (int32_t)stream[1];
    return pqk_requantize_lane(word & 0xFFFFu, offset, multiplier, bits) |
           pqk_requantize_lane(word >> 16, offset, multiplier, bits) << 16;
}

PQK_INLINE uint32_t SHORT(uint32_t word, const uint32_t *stream, uint32_t bits) {
    return pqk_requantize_lanes(word, (int32_t)stream[0], (int32_t)stream[1], bits);
}

PQK_INLINE const uint32_t *
tile_channel(const uint32_t *stream, const uint32_t *input, uint32_t *output, uint32_t bits,
             uint32_t (*requantize)(uint32_t, const uint32_t *, uint32_t)) {
    uint32_t sums[TILE];
    uint32_t entry = *stream++;
    for (uint32_t i = 0; i < TILE; i++) {
        sums[i] = *stream;
    }
    stream++;
    for (;;) {
        const uint32_t weight = (uint32_t)((int32_t)entry >> 17);
        const uint32_t *words = input + (entry & 0xFFFFu) * PLACE / 4;
        for (uint32_t i = 0; i < TILE; i++) {
            sums[i] += words[i] * weight;
        }
        if (entry & 0x10000u) {
            break;
        }
        entry = *stream++;
    }
    for (uint32_t i = 0; i < TILE; i++) {
        output[i] = requantize(sums[i], stream, bits);
    }
    return stream + 2;
}

#define DEFINE_TILE(name, requantize, bits)                                                        \
    static void name(const void *stream, const uint32_t *input, uint32_t *output, uint32_t plane,  \
                     const void *end) {                                                            \
        for (; stream < end; output += plane / 4) {                                                \
            stream = tile_channel(stream, input, output, bits, requantize);                        \
        }                                                                                          \
    }

#endif

#define DEFINE(bits)                                                                               \
    DEFINE_TILE(long_u##bits, LONG, bits)                                                          \
    DEFINE_TILE(short_u##bits, SHORT, bits)                                                        \
    PQK_LANE_STREAM(KERNEL(_u##bits), TILE, long_u##bits)                                          \
    PQK_LANE_STREAM(KERNEL(_short_u##bits), TILE, short_u##bits)

PQK_FOR_ALL_BITS(DEFINE)

#endif
