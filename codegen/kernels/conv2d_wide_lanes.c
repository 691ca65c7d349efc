/* Convolution on wide lanes by 64-bit multiply-accumulates of whole words; contract in
 * pqk_kernels.h.
 *
 * A tile is four words, eight positions, of every output channel. Each entry costs 10 instructions:
 * 3 to decode it, 2 to load four words, 4 to multiply, 1 to go on. */
#include "pqk_lanes.h"

#define TILE 4u

#if defined(__ARM_FEATURE_DSP)

/* r0 stream, r1 input, r2 entry, then weight; r3 address; sums r4:r5, r6:r7, r8:r9, r10:r11; words
 * r12, lr. On the stack: output, plane, end. */

/* The carry is the entry's `last` once its weight has been shifted out. */
#define ENTRY                                                                                      \
    "ldr r2, [r0], #4\n"                                                                           \
    "uxtah r3, r1, r2\n"                                                                           \
    "asrs r2, r2, #17\n"                                                                           \
    "ldmia r3!, {r12, lr}\n"                                                                       \
    "smlal r4, r5, r12, r2\n"                                                                      \
    "smlal r6, r7, lr, r2\n"                                                                       \
    "ldmia r3, {r12, lr}\n"                                                                        \
    "smlal r8, r9, r12, r2\n"                                                                      \
    "smlal r10, r11, lr, r2\n"

/* r2 multiplier. The lower lane is a signed number, which borrows from the upper one if it is
 * negative. */
#define REQUANTIZE(low, high, bits)                                                                \
    "sbfx r12, " low ", #0, #23\n"                                                                 \
    "lsr " low ", " low ", #23\n"                                                                  \
    "orr " low ", " low ", " high ", lsl #9\n"                                                     \
    "sub " low ", " low ", r12, asr #31\n"                                                         \
    "smmulr r12, r12, r2\n"                                                                        \
    "usat r12, #" #bits ", r12\n"                                                                  \
    "smmulr " low ", " low ", r2\n"                                                                \
    "usat " low ", #" #bits ", " low "\n"                                                          \
    "orr " low ", r12, " low ", lsl #23\n"

/* clang-format off */
#define DEFINE_TILE(bits)                                                                          \
    PQK_NAKED_TILE(tile_u##bits) {                                                                 \
        __asm(PQK_ENTER_TILE                                                                       \
              "1: ldmia r0!, {r4, r5}\n"                                                           \
              "mov r6, r4\n"                                                                       \
              "mov r7, r5\n"                                                                       \
              "mov r8, r4\n"                                                                       \
              "mov r9, r5\n"                                                                       \
              "mov r10, r4\n"                                                                      \
              "mov r11, r5\n"                                                                      \
              "2: " ENTRY "bcc 2b\n"                                                               \
              "ldr r2, [r0], #4\n"                                                                 \
              REQUANTIZE("r4", "r5", bits) REQUANTIZE("r6", "r7", bits)                            \
              REQUANTIZE("r8", "r9", bits) REQUANTIZE("r10", "r11", bits)                          \
              PQK_LEAVE_TILE("r3", "r11", "r4, r6, r8, r10"));                                     \
    }
/* clang-format on */

#else

/* The same in C, one position at a time. */
PQK_INLINE uint32_t element(int32_t sum, int32_t multiplier, uint32_t bits) {
    return pqk_requantize(sum > 0 ? sum : 0, multiplier, 32, (uint8_t)((1u << bits) - 1u));
}

PQK_INLINE const uint32_t *tile_channel(const uint32_t *stream, const uint32_t *input,
                                        uint32_t *output, uint32_t bits) {
    int64_t sums[TILE];
    for (uint32_t i = 0; i < TILE; i++) {
        sums[i] = (int64_t)((uint64_t)stream[1] << 32 | stream[0]);
    }
    uint32_t entry;
    stream += 2;
    do {
        entry = *stream++;
        const uint32_t *words = input + (entry & 0xFFFFu) / 4;
        for (uint32_t i = 0; i < TILE; i++) {
            sums[i] += (int64_t)(int32_t)words[i] * ((int32_t)entry >> 17);
        }
    } while (!(entry & 0x10000u));
    const int32_t multiplier = (int32_t)*stream++;
    for (uint32_t i = 0; i < TILE; i++) {
        const int32_t low = (int32_t)((uint32_t)sums[i] << 9) >> 9;
        const int32_t high = (int32_t)((sums[i] - low) / (1 << 23));
        output[i] = element(low, multiplier, bits) | element(high, multiplier, bits) << 23;
    }
    return stream;
}

#define DEFINE_TILE(bits)                                                                          \
    static void tile_u##bits(const void *stream, const uint32_t *input, uint32_t *output,          \
                             uint32_t plane, const void *end) {                                    \
        for (; stream < end; output += plane / 4) {                                                \
            stream = tile_channel(stream, input, output, bits);                                    \
        }                                                                                          \
    }

#endif

#define DEFINE(bits)                                                                               \
    DEFINE_TILE(bits)                                                                              \
    PQK_LANE_STREAM(pqk_conv2d_wide_lanes_u##bits, TILE, tile_u##bits)

PQK_FOR_ALL_BITS(DEFINE)
