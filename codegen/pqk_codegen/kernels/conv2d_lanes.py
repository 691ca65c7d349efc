"""Convolution on lanes of 16 bits by multiply-accumulates of whole words: codegen/kernels/conv2d_lanes.c."""

from collections.abc import Sequence

from pqk_codegen.kernels.base import DSP_CORES
from pqk_codegen.kernels.lane_stream import LaneStream
from pqk_codegen.kernels.lanes import LANE, Channel

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


class Conv2dLanes(LaneStream):
    """Two multiply-accumulates an instruction, where the sums of every output channel provably fit 16 bits."""

    name = "conv2d_lanes"
    cores = DSP_CORES
    lane = LANE
    tile = 7
    code = 600
    channel_listing = f"""
    ldmia r0!, {{r2, r10}}
    {ENTRY}
    bcs 3f
    ldmia r0!, {{r2, r3}}
    mov r11, #0x8000
    .rept 7
    uqsub16 r4, r4, r2
    smlawb r12, r3, r4, r11
    smlawt r4, r3, r4, r11
    pkhtb r4, r4, r12, asr #16
    usat16 r4, #7, r4
    .endr
    ldmia sp, {{r3, r11, r12}}
    stmia r3, {{r4-r10}}
    add r3, r11
    str r3, [sp]
    cmp r0, r12
    bne 1b @ taken
    """
    entry_listing = f"""
    ldr r2, [r0], #4
    {ENTRY}
    bcc 2b @ taken
    """

    def fits_channel(self, channel: Channel) -> bool:
        return channel.fits_lane

    def pack_channel(self, channel: Channel, entries: Sequence[int]) -> list[int]:
        start, offset = channel.start * 0x10001, channel.offset * 0x10001
        return [entries[0], start, *entries[1:], offset, channel.multiplier]
