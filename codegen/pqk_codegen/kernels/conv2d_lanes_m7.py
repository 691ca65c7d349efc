"""Convolution on lanes of 16 bits for Cortex-M7: codegen/kernels/conv2d_lanes_m7.c.

Its two pipelines take a load and a multiplication in the same cycle, but a multiple load takes one for itself. So the
loads are single and stand between the multiplications: of an entry's 17 instructions 4 loads pair with 4
multiplications, where LDM leaves all 7 multiplications alone. That is from the processor's documentation: there is no
model of its cycles here, and no board to measure it on. Costs are counts of instructions and cycles of a Cortex-M4, as
for all kernels. This kernel is taken on Cortex-M7 because the ones with fewer instructions are not offered there.
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
