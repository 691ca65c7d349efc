/* Convolution on lanes for Cortex-M0 and M0+, and for M3; contract in pqk_kernels.h.
 *
 * ARMv6-M multiplies in r0 - r7 only and has no multiply-accumulate, but its ADD reaches the upper
 * registers. A tile is seven words, fourteen positions, of every output channel. The sums of a
 * channel stay in r7 - r12 and lr while its entries go by; each entry costs 21 instructions: 4 to
 * decode it, 2 to load seven words, 14 to multiply and add, 1 to go on. */
#include "pqk_lanes.h"

#define TILE 7u

#if defined(__thumb__)

/* r0 stream, r1 input, r2 entry, then weight; r3 address of the words, r3 - r6 words, r7 - r12 and
 * lr sums. On the stack: output, bytes from behind a tile to the next plane's, end, input, stream.
 */
// clang-format off
#define MULTIPLY(word, sum)                                                                        \
    "muls " word ", r2\n"                                                                          \
    "add " sum ", " word "\n"

/* The carry is the entry's `last` once its weight has been shifted out; MULS, LDM and this ADD
 * leave it alone (DDI 0419, A6.7), so the branch still finds it. */
#define ENTRIES                                                                                    \
    "2: ldmia r0!, {r2}\n"                                                                         \
    "uxth r3, r2\n"                                                                                \
    "add r3, r1\n"                                                                                 \
    "asrs r2, r2, #17\n"                                                                           \
    "ldmia r3!, {r4-r6}\n"                                                                         \
    MULTIPLY("r4", "r7")                                                                           \
    MULTIPLY("r5", "r8")                                                                           \
    MULTIPLY("r6", "r9")                                                                           \
    "ldmia r3, {r3-r6}\n"                                                                          \
    MULTIPLY("r3", "r10")                                                                          \
    MULTIPLY("r4", "r11")                                                                          \
    MULTIPLY("r5", "r12")                                                                          \
    MULTIPLY("r6", "lr")                                                                           \
    "bcc 2b\n"

/* From here to the end of the channel: r0 output, r2 mask of the bits that no result has, r3 lower
 * lane, r6 scratch, r7 word, then upper lane; r1, r4, r5 belong to the kind of requantisation. */

/* Sums are signed; the upper one is what is left when the lower one has been taken away. ReLU. */
#define SPLIT                                                                                      \
    "sxth r3, r7\n"                                                                                \
    "subs r7, r7, r3\n"                                                                            \
    "asrs r7, r7, #16\n"                                                                           \
    "asrs r6, r3, #31\n"                                                                           \
    "bics r3, r6\n"                                                                                \
    "asrs r6, r7, #31\n"                                                                           \
    "bics r7, r6\n"

/* Few results are too large, so that the common way through this is three instructions. */
#define CLAMP_AND_STORE(most)                                                                      \
    "tst r7, r2\n"                                                                                 \
    "beq 9f\n"                                                                                     \
    "uxth r3, r7\n"                                                                                \
    "lsrs r7, r7, #16\n"                                                                           \
    "cmp r3, #" #most "\n"                                                                         \
    "bls 8f\n"                                                                                     \
    "movs r3, #" #most "\n"                                                                        \
    "8: cmp r7, #" #most "\n"                                                                      \
    "bls 8f\n"                                                                                     \
    "movs r7, #" #most "\n"                                                                        \
    "8: lsls r7, r7, #16\n"                                                                        \
    "orrs r7, r3\n"                                                                                \
    "9: stmia r0!, {r7}\n"

/* r1 shift, r4 multiplier, r5 rounding. */
#define SHORT_CONSTANTS                                                                            \
    "ldmia r0!, {r1, r4, r5}\n"

#define SHORT(most)                                                                                \
    SPLIT                                                                                          \
    "muls r3, r4\n"                                                                                \
    "adds r3, r3, r5\n"                                                                            \
    "lsrs r3, r1\n"                                                                                \
    "muls r7, r4\n"                                                                                \
    "adds r7, r7, r5\n"                                                                            \
    "lsrs r7, r1\n"                                                                                \
    "lsls r7, r7, #16\n"                                                                           \
    "orrs r7, r3\n"                                                                                \
    CLAMP_AND_STORE(most)

/* r1 half of a unit in the upper 16 bits, r4 lower and r5 upper half of the multiplier. */
#define LONG_CONSTANTS                                                                             \
    "ldmia r0!, {r4, r5}\n"                                                                        \
    "movs r1, #1\n"                                                                                \
    "lsls r1, r1, #15\n"

/* lane = lane * multiplier >> 16, exactly: what is shifted out is part of the lower product alone.
 * A lane has 15 bits here, so neither product exceeds 31. */
#define LONG_PRODUCT(lane)                                                                         \
    "movs r6, " lane "\n"                                                                          \
    "muls r6, r4\n"                                                                                \
    "lsrs r6, r6, #16\n"                                                                           \
    "muls " lane ", r5\n"                                                                          \
    "adds " lane ", " lane ", r6\n"

/* The lower lane is rounded by the last bit shifted out, the carry. */
#define LONG(most)                                                                                 \
    SPLIT                                                                                          \
    LONG_PRODUCT("r3")                                                                             \
    LONG_PRODUCT("r7")                                                                             \
    "adds r7, r7, r1\n"                                                                            \
    "lsrs r7, r7, #16\n"                                                                           \
    "lsls r7, r7, #16\n"                                                                           \
    "lsrs r3, r3, #16\n"                                                                           \
    "adcs r7, r3\n"                                                                                \
    CLAMP_AND_STORE(most)

#define DEFINE_TILE(name, KIND, most, mask)                                                        \
    PQK_NAKED_TILE(name) {                                                                         \
        __asm(                                                                                     \
            ".syntax unified\n"                                                                    \
            "push {r4-r7, lr}\n"                                                                   \
            "mov r4, r8\n"                                                                         \
            "mov r5, r9\n"                                                                         \
            "mov r6, r10\n"                                                                        \
            "mov r7, r11\n"                                                                        \
            "push {r4-r7}\n"                                                                       \
            "ldr r4, [sp, #36]\n"                                                                  \
            "subs r3, #28\n"                                                                       \
            "sub sp, #20\n"                                                                        \
            "str r2, [sp, #0]\n"                                                                   \
            "str r3, [sp, #4]\n"                                                                   \
            "str r4, [sp, #8]\n"                                                                   \
            "str r1, [sp, #12]\n"                                                                  \
            "1: ldmia r0!, {r7}\n"                                                                 \
            "mov r8, r7\n"                                                                         \
            "mov r9, r7\n"                                                                         \
            "mov r10, r7\n"                                                                        \
            "mov r11, r7\n"                                                                        \
            "mov r12, r7\n"                                                                        \
            "mov lr, r7\n"                                                                         \
            ENTRIES                                                                                \
            KIND##_CONSTANTS                                                                       \
            "str r0, [sp, #16]\n"                                                                  \
            "ldr r0, [sp, #0]\n"                                                                   \
            "ldr r2, 4f\n"                                                                         \
            KIND(most)                                                                             \
            "mov r7, r8\n" KIND(most)                                                              \
            "mov r7, r9\n" KIND(most)                                                              \
            "mov r7, r10\n" KIND(most)                                                             \
            "mov r7, r11\n" KIND(most)                                                             \
            "mov r7, r12\n" KIND(most)                                                             \
            "mov r7, lr\n" KIND(most)                                                              \
            "ldr r1, [sp, #4]\n"                                                                   \
            "add r0, r1\n"                                                                         \
            "str r0, [sp, #0]\n"                                                                   \
            "ldr r1, [sp, #12]\n"                                                                  \
            "ldr r0, [sp, #16]\n"                                                                  \
            "ldr r2, [sp, #8]\n"                                                                   \
            "cmp r0, r2\n"                                                                         \
            "beq 3f\n"                                                                             \
            "b 1b\n"                                                                               \
            "3: add sp, #20\n"                                                                     \
            "pop {r4-r7}\n"                                                                        \
            "mov r8, r4\n"                                                                         \
            "mov r9, r5\n"                                                                         \
            "mov r10, r6\n"                                                                        \
            "mov r11, r7\n"                                                                        \
            "pop {r4-r7, pc}\n"                                                                    \
            ".balign 4\n"                                                                          \
            "4: .word " #mask "\n");                                                               \
    }
// clang-format on

#else

/* The same in C, word by word. */

typedef uint32_t (*requantize_t)(int32_t sum, const uint32_t *constants, uint32_t most);

PQK_INLINE uint32_t requantize_short(int32_t sum, const uint32_t *constants, uint32_t most) {
    const uint32_t value = sum > 0 ? (uint32_t)sum : 0;
    const uint32_t scaled = (value * constants[1] + constants[2]) >> constants[0];
    return scaled < most ? scaled : most;
}

PQK_INLINE uint32_t requantize_long(int32_t sum, const uint32_t *constants, uint32_t most) {
    const uint32_t multiplier = constants[0] | constants[1] << 16;
    return pqk_requantize(sum > 0 ? sum : 0, (int32_t)multiplier, 32, (uint8_t)most);
}

PQK_INLINE const uint32_t *tile_channel(const uint32_t *stream, const uint32_t *input,
                                        uint32_t *output, uint32_t most, requantize_t requantize) {
    uint32_t sums[TILE];
    for (uint32_t i = 0; i < TILE; i++) {
        sums[i] = *stream;
    }
    uint32_t entry;
    do {
        entry = *++stream;
        const uint32_t weight = (uint32_t)((int32_t)entry >> 17);
        const uint32_t *words = input + (entry & 0xFFFFu) / 4;
        for (uint32_t i = 0; i < TILE; i++) {
            sums[i] += words[i] * weight;
        }
    } while (!(entry & 0x10000u));
    stream++;
    for (uint32_t i = 0; i < TILE; i++) {
        const int16_t low = (int16_t)sums[i];
        const int16_t high = (int16_t)((sums[i] - (uint32_t)low) >> 16);
        output[i] = requantize(low, stream, most) | requantize(high, stream, most) << 16;
    }
    return stream;
}

#define SHORT_WORDS 3
#define LONG_WORDS 2
#define SHORT_C requantize_short
#define LONG_C requantize_long

#define DEFINE_TILE(name, KIND, most, mask)                                                        \
    static void name(const void *stream, const uint32_t *input, uint32_t *output, uint32_t plane,  \
                     const void *end) {                                                            \
        for (; stream < end; output += plane / 4) {                                                \
            stream = tile_channel(stream, input, output, most##u, KIND##_C) + KIND##_WORDS;        \
        }                                                                                          \
    }

#endif

#define DEFINE(bits, most, mask)                                                                   \
    DEFINE_TILE(short_u##bits, SHORT, most, mask)                                                  \
    DEFINE_TILE(long_u##bits, LONG, most, mask)                                                    \
    PQK_LANE_STREAM(pqk_conv2d_lanes_v6m_u##bits, TILE, short_u##bits)                             \
    PQK_LANE_STREAM(pqk_conv2d_lanes_v6m_long_u##bits, TILE, long_u##bits)

DEFINE(4, 15, 0xFFF0FFF0)
DEFINE(5, 31, 0xFFE0FFE0)
DEFINE(6, 63, 0xFFC0FFC0)
DEFINE(7, 127, 0xFF80FF80)
DEFINE(8, 255, 0xFF00FF00)
