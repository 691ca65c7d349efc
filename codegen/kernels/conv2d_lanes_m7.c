/* Convolution on lanes for processors that issue a load and a multiplication together: an entry
 * costs 17 instructions, 4 more than in conv2d_lanes.c, but each load of a word stands beside a
 * multiplication, and three instructions pass before a word is used. */

/* clang-format off */
#define ENTRY(s4, s5, s6, s7, s8, s9, s10)                                                         \
    "uxtah r3, r1, r2\n"                                                                           \
    "asrs r2, r2, #17\n"                                                                           \
    "ldrd r11, r12, [r3]\n"                                                                        \
    "ldr lr, [r3, #8]\n"                                                                           \
    MULTIPLY("r4", "r11", s4)                                                                      \
    "ldr r11, [r3, #12]\n"                                                                         \
    MULTIPLY("r5", "r12", s5)                                                                      \
    "ldr r12, [r3, #16]\n"                                                                         \
    MULTIPLY("r6", "lr", s6)                                                                       \
    "ldr lr, [r3, #20]\n"                                                                          \
    MULTIPLY("r7", "r11", s7)                                                                      \
    "ldr r3, [r3, #24]\n"                                                                          \
    MULTIPLY("r8", "r12", s8)                                                                      \
    MULTIPLY("r9", "lr", s9)                                                                       \
    MULTIPLY("r10", "r3", s10)
/* clang-format on */

#define KERNEL(suffix) pqk_conv2d_lanes_m7##suffix
#define PLACE 1u

#include "pqk_conv2d_lanes.h"
