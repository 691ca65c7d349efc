"""Convolution on lanes of 16 bits whose input is large: codegen/kernels/conv2d_lanes_far.c.

Where a network does not pool, or has many channels, an input is larger than the 64 KiB that entries address by bytes.
They count words here, which reaches four times as far and costs an instruction. A Cortex-M7 gets them for such inputs
only: its own order of instructions (conv2d_lanes_m7) is more of them, and better where it reaches.
"""

from pqk_codegen.kernels.base import BURST_CORES, DSP_CORES, Site
from pqk_codegen.kernels.conv2d_lanes import ENTRY, LONG, SHORT, Conv2dLanes, Conv2dLanesShort, further, once
from pqk_codegen.kernels.lane_stream import PLACES
from pqk_codegen.kernels.lanes import convolved

FAR_ENTRY = ENTRY.replace("uxtah r3, r1, r2", "uxth r3, r2\nadd r3, r1, r3, lsl #2")
WORD = 4  # bytes


class _Far(Conv2dLanes):
    """What the two have in common."""

    cores = DSP_CORES
    place = WORD
    entry_listing = further(FAR_ENTRY)

    @property
    def source(self) -> str:
        return "conv2d_lanes_far.c"

    def fits(self, site: Site) -> bool:
        wanted = site.core in BURST_CORES or convolved(site)[0].size >= PLACES
        return wanted and super().fits(site)


class Conv2dLanesFar(_Far):
    """Sums of 16 bits."""

    name = "conv2d_lanes_far"
    code = 660
    channel_listing = once(FAR_ENTRY, LONG)


class Conv2dLanesFarShort(_Far, Conv2dLanesShort):
    """Sums of 15 bits."""

    name = "conv2d_lanes_far_short"
    code = 630
    channel_listing = once(FAR_ENTRY, SHORT)
