"""Convolution on lanes of 16 bits whose input is large: codegen/kernels/conv2d_lanes_far.c.

Where a network does not pool, or has many channels, an input is larger than the 64 KiB that entries address by bytes.
They count words here, which reaches four times as far and costs an instruction.
"""

from pqk_codegen.kernels.base import DSP_CORES
from pqk_codegen.kernels.conv2d_lanes import ENTRY, LONG, SHORT, Conv2dLanes, Conv2dLanesShort, further, once

FAR_ENTRY = ENTRY.replace("uxtah r3, r1, r2", "uxth r3, r2\nadd r3, r1, r3, lsl #2")
WORD = 4  # bytes


class Conv2dLanesFar(Conv2dLanes):
    """Sums of 16 bits."""

    name = "conv2d_lanes_far"
    cores = DSP_CORES
    place = WORD
    code = 660
    channel_listing = once(FAR_ENTRY, LONG)
    entry_listing = further(FAR_ENTRY)


class Conv2dLanesFarShort(Conv2dLanesShort):
    """Sums of 15 bits."""

    name = "conv2d_lanes_far_short"
    cores = DSP_CORES
    place = WORD
    code = 630
    channel_listing = once(FAR_ENTRY, SHORT)
    entry_listing = further(FAR_ENTRY)

    @property
    def source(self) -> str:
        return "conv2d_lanes_far.c"
