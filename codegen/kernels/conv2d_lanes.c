/* Convolution on lanes in as few instructions as possible: an entry costs 13, 3 to decode it, 2 to
 * load seven words, 7 to multiply, 1 to go on. */

#define ENTRY(...) "uxtah r3, r1, r2\n" BURST(__VA_ARGS__)
#define KERNEL(suffix) pqk_conv2d_lanes##suffix
#define PLACE 1u

#include "pqk_conv2d_lanes.h"
