/* Convolution on lanes by multiply-accumulates of whole words; contract in pqk_kernels.h.
 *
 * A tile is seven words, fourteen positions, of every output channel. The sums of a channel stay in
 * registers while its entries go by; each entry costs 13 instructions: 3 to decode it, 2 to load
 * seven words, 7 to multiply, 1 to go on. */
#include "pqk_lanes.h"

#define TILE 7u

#if defined(__ARM_FEATURE_DSP)

/* r0 stream, r1 input, r2 entry, then weight; r3 first word, r4 - r10 sums, r11, r12, lr words.
 * On the stack: output, plane, end. */

#define MULTIPLY(sum, word, start) "mla " sum ", " word ", r2, " start "\n"

/* The carry is the entry's `last` once its weight has been shifted out; nothing changes it until
 * the branch. */
#define ENTRY(s4, s5, s6, s7, s8, s9, s10)                                                         \
    "uxtah r3, r1, r2\n"                                                                           \
    "asrs r2, r2, #17\n"                                                                           \
    "ldmia r3!, {r11, r12, lr}\n" MULTIPLY("r4", "r11", s4) MULTIPLY("r5", "r12", s5)              \
        MULTIPLY("r6", "lr", s6) "ldmia r3, {r3, r11, r12, lr}\n" MULTIPLY("r7", "r3", s7)         \
            MULTIPLY("r8", "r11", s8) MULTIPLY("r9", "r12", s9) MULTIPLY("r10", "lr", s10)

/* r2 offset, r3 multiplier, r11 rounding. ReLU is what the unsigned saturation does. */
#define REQUANTIZE(sum, bits)                                                                      \
    "uqsub16 " sum ", " sum ", r2\n"                                                               \
    "smlawb r12, r3, " sum ", r11\n"                                                               \
    "smlawt " sum ", r3, " sum ", r11\n"                                                           \
    "pkhtb " sum ", " sum ", r12, asr #16\n"                                                       \
    "usat16 " sum ", #" #bits ", " sum "\n"

#define DEFINE_TILE(bits)                                                                          \
    __attribute__((naked)) static void tile_u##bits(                                               \
        __attribute__((unused)) const void *stream, __attribute__((unused)) const uint32_t *input, \
        __attribute__((unused)) uint32_t *output, __attribute__((unused)) uint32_t plane,          \
        __attribute__((unused)) const void *end) {                                                 \
        __asm("push {r4-r11, lr}\n"                                                                \
              "ldr r4, [sp, #36]\n"                                                                \
              "push {r2, r3, r4}\n"                                                                \
              "1: ldmia r0!, {r2, r10}\n" ENTRY(                                                   \
                  "r10", "r10", "r10", "r10", "r10", "r10",                                        \
                  "r10") "bcs 3f\n"                                                                \
                         "2: ldr r2, [r0], #4\n" ENTRY(                                            \
                             "r4", "r5", "r6", "r7", "r8", "r9",                                   \
                             "r10") "bcc 2b\n"                                                     \
                                    "3: ldmia r0!, {r2, r3}\n"                                     \
                                    "mov r11, #0x8000\n" REQUANTIZE("r4", bits) REQUANTIZE(        \
                                        "r5", bits) REQUANTIZE("r6", bits) REQUANTIZE("r7", bits)  \
                                        REQUANTIZE("r8", bits) REQUANTIZE("r9", bits)              \
                                            REQUANTIZE("r10", bits) "ldmia sp, {r3, r11, r12}\n"   \
                                                                    "stmia r3, {r4-r10}\n"         \
                                                                    "add r3, r11\n"                \
                                                                    "str r3, [sp]\n"               \
                                                                    "cmp r0, r12\n"                \
                                                                    "bne 1b\n"                     \
                                                                    "add sp, #12\n"                \
                                                                    "pop {r4-r11, pc}\n");         \
    }

#else

/* The same in C, word by word. */
PQK_INLINE const uint32_t *tile_channel(const uint32_t *stream, const uint32_t *input,
                                        uint32_t *output, uint32_t bits) {
    uint32_t sums[TILE];
    uint32_t entry = *stream++;
    for (uint32_t i = 0; i < TILE; i++) {
        sums[i] = *stream;
    }
    stream++;
    for (;;) {
        const uint32_t weight = (uint32_t)((int32_t)entry >> 17);
        const uint32_t *words = input + (entry & 0xFFFFu) / 4;
        for (uint32_t i = 0; i < TILE; i++) {
            sums[i] += words[i] * weight;
        }
        if (entry & 0x10000u) {
            break;
        }
        entry = *stream++;
    }
    const uint32_t offset = *stream++ & 0xFFFFu;
    const int32_t multiplier = (int32_t)*stream++;
    for (uint32_t i = 0; i < TILE; i++) {
        output[i] = pqk_requantize_lane(sums[i] & 0xFFFFu, offset, multiplier, bits) |
                    pqk_requantize_lane(sums[i] >> 16, offset, multiplier, bits) << 16;
    }
    return stream;
}

PQK_INLINE void tile(const uint32_t *stream, const uint32_t *input, uint32_t *output,
                     uint32_t plane, const uint32_t *end, uint32_t bits) {
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
    void pqk_conv2d_lanes_u##bits(const pqk_lane_stream_t *layer, const uint32_t *input,           \
                                  uint32_t *output) {                                              \
        pqk_lane_stream(layer, input, output, TILE, tile_u##bits);                                 \
    }

DEFINE(4)
DEFINE(5)
DEFINE(6)
DEFINE(7)
DEFINE(8)
