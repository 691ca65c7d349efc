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

#else

#define DEFINE_GROUPS(bits)                                                                        \
    static void groups_u##bits(const uint32_t *a, const uint32_t *b, uint32_t *output,             \
                               uint32_t groups) {                                                  \
        add(a, b, output, GROUP *groups, bits);                                                    \
    }

#endif

#define GROUP 5u

#define DEFINE(bits)                                                                               \
    DEFINE_GROUPS(bits)                                                                            \
    void pqk_add_lanes_u##bits(const pqk_add_lanes_t *layer, const uint32_t *a, const uint32_t *b, \
                               uint32_t *output) {                                                 \
        const uint32_t groups = layer->words / GROUP;                                              \
        const uint32_t done = groups * GROUP;                                                      \
        if (groups) {                                                                              \
            groups_u##bits(a, b, output, groups);                                                  \
        }                                                                                          \
        add(a + done, b + done, output + done, layer->words - done, bits);                         \
    }

DEFINE(4)
DEFINE(5)
DEFINE(6)
DEFINE(7)
DEFINE(8)
