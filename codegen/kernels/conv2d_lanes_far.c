/* Convolution on lanes of inputs up to 256 KiB: an entry counts words, not bytes, which takes an
 * instruction more than in conv2d_lanes.c to decode. */

#define ENTRY(...) "uxth r3, r2\nadd r3, r1, r3, lsl #2\n" BURST(__VA_ARGS__)
#define KERNEL(suffix) pqk_conv2d_lanes_far##suffix
#define PLACE 4u

#include "pqk_conv2d_lanes.h"
