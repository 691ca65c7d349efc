"""Convolution on lanes of 16 bits by multiply-accumulates of whole words: codegen/kernels/conv2d_lanes.c."""

from collections.abc import Sequence

from pqk_codegen.kernels.base import BURST_CORES
from pqk_codegen.kernels.lane_stream import EntryStream
from pqk_codegen.kernels.lanes import Channel, requantization
from pqk_codegen.lane_limits import LANE

ENTRY = """
    uxtah r3, r1, r2
    asrs r2, r2, #17
    ldmia r3!, {r11, r12, lr}
    .rept 3
    mla r4, r11, r2, r4
    .endr
    ldmia r3, {r3, r11, r12, lr}
    .rept 4
    mla r7, r3, r2, r7
    .endr
"""
SCALE = """
    smlawb r12, r3, r4, r11
    smlawt r4, r3, r4, r11
    pkhtb r4, r4, r12, asr #16
    usat16 r4, #7, r4
"""
SUBTRACT_AND_SCALE = f"""
    mov r11, #0x8000
    .rept 7
    uqsub16 r4, r4, r2
    {SCALE}
    .endr
"""
LONG = f"""
    ldmia r0!, {{r2, r3}}
    {SUBTRACT_AND_SCALE}
"""
SHORT = f"""
    ldmia r0!, {{r3, r11}}
    .rept 7
    {SCALE}
    .endr
"""
LEAVE = """
    ldmia sp, {r3, r11, r12}
    stmia r3, {r4-r10}
    add r3, r11
    str r3, [sp]
    cmp r0, r12
    bne 1b @ taken
"""


def further(entry: str) -> str:
    """What is executed for an entry after a channel's first."""
    return f"ldr r2, [r0], #4\n{entry}\nbcc 2b @ taken"


def once(entry: str, requantize: str) -> str:
    """What is executed once a tile and channel, the first entry included."""
    return f"""
    ldmia r0!, {{r2, r10}}
    {entry}
    bcs 3f
    {requantize}
    {LEAVE}
    """


class Conv2dLanes(EntryStream):
    """Two multiply-accumulates an instruction, where the sums of every output channel provably fit 16 bits.

    Cortex-M7 has kernels of its own (conv2d_lanes_m7).
    """

    name = "conv2d_lanes"
    cores = BURST_CORES
    lane = LANE
    tile = 7
    code = 650
    channel_listing = once(ENTRY, LONG)
    entry_listing = further(ENTRY)

    def fits_channel(self, channel: Channel) -> bool:
        return channel.fits_lane

    def pack_channel(self, channel: Channel, entries: Sequence[int]) -> list[int]:
        start, offset = channel.start * 0x10001, channel.offset * 0x10001
        return [entries[0], start, *entries[1:], offset, channel.multiplier]


class Conv2dLanesShort(Conv2dLanes):
    """The same for sums of 15 bits, which are requantised in an instruction less a word."""

    name = "conv2d_lanes_short"
    code = 620
    channel_listing = once(ENTRY, SHORT)

    @property
    def source(self) -> str:
        return "conv2d_lanes.c"

    def fits_channel(self, channel: Channel) -> bool:
        return requantization(channel) is not None

    def pack_channel(self, channel: Channel, entries: Sequence[int]) -> list[int]:
        lane = requantization(channel)
        assert lane is not None  # `supports` asked
        return [entries[0], lane.start * 0x10001, *entries[1:], channel.multiplier, lane.rounding % 2**32]
