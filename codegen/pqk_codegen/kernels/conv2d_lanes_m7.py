"""Convolution on lanes of 16 bits for Cortex-M7: codegen/kernels/conv2d_lanes_m7.c.

The core issues two instructions a cycle, a load and a multiplication among the pairs that it takes, but nothing beside
a multiple load. So the loads are single ones and stand between the multiplications: an entry's 17 instructions hold 4
such pairs, and a word is used three instructions after it is loaded. How much that gains is not known: the core's
manual gives no cycles, there is no model of them here, and no board has been measured. Costs are what they are for all
kernels, executed instructions and cycles of a Cortex-M4, in which this order loses; it is taken on Cortex-M7 because
the one with fewer instructions is not offered there.
"""

from pqk_codegen.kernels.conv2d_lanes import LONG, SHORT, Conv2dLanes, Conv2dLanesShort, further, once

ENTRY = """
    uxtah r3, r1, r2
    asrs r2, r2, #17
    ldrd r11, r12, [r3]
    ldr lr, [r3, #8]
    .rept 4
    mla r4, r11, r2, r4
    ldr r11, [r3, #12]
    .endr
    .rept 3
    mla r8, r12, r2, r8
    .endr
"""
CORES = ("host", "cortex-m7")


class Conv2dLanesM7(Conv2dLanes):
    """Sums of 16 bits."""

    name = "conv2d_lanes_m7"
    cores = CORES
    code = 720
    channel_listing = once(ENTRY, LONG)
    entry_listing = further(ENTRY)


class Conv2dLanesM7Short(Conv2dLanesShort):
    """Sums of 15 bits."""

    name = "conv2d_lanes_m7_short"
    cores = CORES
    code = 690
    channel_listing = once(ENTRY, SHORT)
    entry_listing = further(ENTRY)

    @property
    def source(self) -> str:
        return "conv2d_lanes_m7.c"
