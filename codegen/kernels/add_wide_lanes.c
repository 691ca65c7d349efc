/* Residual addition on wide lanes; contract in pqk_kernels.h. */
#include "pqk_lanes.h"

/* Bit `bits` of both lanes, where a sum above 2^bits - 1 shows; and the bits below it. */
#define CARRIES(bits) ((1u << (bits)) | (1u << ((bits) + 23)))
#define ELEMENTS(bits) (((1u << (bits)) - 1u) * 0x800001u)

/* A carry less itself, `bits` places lower, is all ones there. */
PQK_INLINE void add(const uint32_t *a, const uint32_t *b, uint32_t *output, uint32_t words,
                    uint32_t bits) {
    for (uint32_t i = 0; i < words; i++) {
        const uint32_t sum = a[i] + b[i], carries = sum & CARRIES(bits);
        output[i] = (sum | (carries - (carries >> bits))) & ELEMENTS(bits);
    }
}

#if defined(__ARM_FEATURE_DSP)

/* Four words in 25 instructions. r0 a, r1 b, r2 output, r3 groups, r12 carries, lr elements. */
#define SUM(a, b, bits)                                                                            \
    "add " a ", " b "\n"                                                                           \
    "and " b ", " a ", r12\n"                                                                      \
    "sub " b ", " b ", " b ", lsr #" #bits "\n"                                                    \
    "orr " a ", " b "\n"                                                                           \
    "and " a ", lr\n"

#define DEFINE_GROUPS(bits)                                                                        \
    __attribute__((naked)) static void groups_u##bits(                                             \
        __attribute__((unused)) const uint32_t *a, __attribute__((unused)) const uint32_t *b,      \
        __attribute__((unused)) uint32_t *output, __attribute__((unused)) uint32_t groups) {       \
        __asm("push {r4-r11, lr}\n"                                                                \
              "mov r12, #1 << " #bits "\n"                                                         \
              "orr r12, r12, r12, lsl #23\n"                                                       \
              "sub lr, r12, r12, lsr #" #bits "\n"                                                 \
              "1: ldmia r0!, {r4-r7}\n"                                                            \
              "ldmia r1!, {r8-r11}\n" SUM("r4", "r8", bits) SUM("r5", "r9", bits)                  \
                  SUM("r6", "r10", bits) SUM("r7", "r11", bits) "stmia r2!, {r4-r7}\n"             \
                                                                "subs r3, #1\n"                    \
                                                                "bne 1b\n"                         \
                                                                "pop {r4-r11, pc}\n");             \
    }

#endif

#define GROUP 4u

#define KERNEL(suffix) pqk_add_wide_lanes##suffix

#include "pqk_add_lanes.h"
