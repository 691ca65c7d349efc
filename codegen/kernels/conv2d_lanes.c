/* Convolution on lanes in as few instructions as possible: an entry costs 13, 3 to decode it, 2 to
 * load seven words, 7 to multiply, 1 to go on. */

/* The first load leaves r3 behind the words it loaded; the second overwrites it. */
/* clang-format off */
#define ENTRY(s4, s5, s6, s7, s8, s9, s10)                                                         \
    "uxtah r3, r1, r2\n"                                                                           \
    "asrs r2, r2, #17\n"                                                                           \
    "ldmia r3!, {r11, r12, lr}\n"                                                                  \
    MULTIPLY("r4", "r11", s4) MULTIPLY("r5", "r12", s5) MULTIPLY("r6", "lr", s6)                   \
    "ldmia r3, {r3, r11, r12, lr}\n"                                                               \
    MULTIPLY("r7", "r3", s7) MULTIPLY("r8", "r11", s8) MULTIPLY("r9", "r12", s9)                   \
    MULTIPLY("r10", "lr", s10)
/* clang-format on */

#define KERNEL(suffix) pqk_conv2d_lanes##suffix

#include "pqk_conv2d_lanes.h"
