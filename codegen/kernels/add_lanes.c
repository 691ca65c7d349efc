/* Residual addition on lanes; contract in pqk_kernels.h. */
#include "pqk_lanes.h"

/* Two lanes of at most 255 each; neither sum reaches the other lane. */
PQK_INLINE uint32_t add_word(uint32_t a, uint32_t b, uint32_t bits) {
    const uint32_t sum = a + b, most = (1u << bits) - 1u;
    const uint32_t low = sum & 0xFFFFu, high = sum >> 16;
    return (low < most ? low : most) | (high < most ? high : most) << 16;
}

PQK_INLINE void add(const uint32_t *a, const uint32_t *b, uint32_t *output, uint32_t words,
                    uint32_t bits) {
    for (uint32_t i = 0; i < words; i++) {
        output[i] = add_word(a[i], b[i], bits);
    }
}

#if defined(__ARM_FEATURE_DSP)

#define GROUP 5u

/* Five words in 15 instructions. r0 a, r1 b, r2 output, r3 groups. */
#define SUM(a, b, bits) "add " a ", " b "\nusat16 " a ", #" #bits ", " a "\n"

#define DEFINE_GROUPS(bits)                                                                        \
    __attribute__((naked)) static void groups_u##bits(                                             \
        __attribute__((unused)) const uint32_t *a, __attribute__((unused)) const uint32_t *b,      \
        __attribute__((unused)) uint32_t *output, __attribute__((unused)) uint32_t groups) {       \
        __asm("push {r4-r11, lr}\n"                                                                \
              "1: ldmia r0!, {r4-r8}\n"                                                            \
              "ldmia r1!, {r9-r12, lr}\n" SUM("r4", "r9", bits) SUM("r5", "r10", bits)             \
                  SUM("r6", "r11", bits) SUM("r7", "r12", bits)                                    \
                      SUM("r8", "lr", bits) "stmia r2!, {r4-r8}\n"                                 \
                                            "subs r3, #1\n"                                        \
                                            "bne 1b\n"                                             \
                                            "pop {r4-r11, pc}\n");                                 \
    }

#elif defined(__thumb__)

#define GROUP 4u

/* Four words in 20 instructions, if no sum is too large; each word with one that is takes 8 more.
 * r0 a, r1 b, r2 output, r3 and r4 words of a, r5 and r6 of b, r7 the bit above the result in both
 * lanes, r8 end of the output. */
// clang-format off
#define SUM(a, b, bits)                                                                            \
    "add " a ", " b "\n"                                                                           \
    "tst " a ", r7\n"                                                                              \
    "beq 2f\n"                                                                                     \
    /* b = 2^bits - 1 in every lane whose bit above the result is set, which is cleared then. */   \
    "movs " b ", " a "\n"                                                                          \
    "ands " b ", r7\n"                                                                             \
    "mov r12, " b "\n"                                                                             \
    "lsrs " b ", " b ", #" #bits "\n"                                                              \
    "rsbs " b ", " b ", #0\n"                                                                      \
    "add " b ", r12\n"                                                                             \
    "orrs " a ", " b "\n"                                                                          \
    "bics " a ", r7\n"                                                                             \
    "2:\n"

#define TWO_WORDS(bits)                                                                            \
    "ldmia r0!, {r3, r4}\n"                                                                        \
    "ldmia r1!, {r5, r6}\n"                                                                        \
    SUM("r3", "r5", bits)                                                                          \
    SUM("r4", "r6", bits)                                                                          \
    "stmia r2!, {r3, r4}\n"

#define DEFINE_GROUPS(bits)                                                                        \
    __attribute__((naked)) static void groups_u##bits(                                             \
        __attribute__((unused)) const uint32_t *a, __attribute__((unused)) const uint32_t *b,      \
        __attribute__((unused)) uint32_t *output, __attribute__((unused)) uint32_t groups) {       \
        __asm(                                                                                     \
            ".syntax unified\n"                                                                    \
            "push {r4-r7, lr}\n"                                                                   \
            "mov r7, r8\n"                                                                         \
            "push {r7}\n"                                                                          \
            "lsls r3, r3, #4\n"                                                                    \
            "add r3, r2\n"                                                                         \
            "mov r8, r3\n"                                                                         \
            "movs r7, #1\n"                                                                        \
            "lsls r7, r7, #16\n"                                                                   \
            "adds r7, #1\n"                                                                        \
            "lsls r7, r7, #" #bits "\n"                                                            \
            "1:\n"                                                                                 \
            TWO_WORDS(bits)                                                                        \
            TWO_WORDS(bits)                                                                        \
            "cmp r2, r8\n"                                                                         \
            "bne 1b\n"                                                                             \
            "pop {r7}\n"                                                                           \
            "mov r8, r7\n"                                                                         \
            "pop {r4-r7, pc}\n");                                                                  \
    }
// clang-format on

#else

#define GROUP 1u

#endif

#define KERNEL(suffix) pqk_add_lanes##suffix

#include "pqk_add_lanes.h"
