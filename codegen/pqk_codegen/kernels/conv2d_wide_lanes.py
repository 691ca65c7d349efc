"""Convolution on wide lanes by 64-bit multiply-accumulates: codegen/kernels/conv2d_wide_lanes.c."""

from collections.abc import Sequence

from pqk_codegen.kernels.base import DSP_CORES
from pqk_codegen.kernels.lane_stream import EntryStream
from pqk_codegen.kernels.lanes import WIDE, Channel


class Conv2dWideLanes(EntryStream):
    """Two multiply-accumulates an instruction for sums of up to 23 bits, as weights of 8 bits need."""

    name = "conv2d_wide_lanes"
    cores = DSP_CORES
    lane = WIDE
    tile = 4
    code = 550
    entry_listing = """
    ldr r2, [r0], #4
    uxtah r3, r1, r2
    asrs r2, r2, #17
    ldmia r3!, {r12, lr}
    .rept 2
    smlal r4, r5, r12, r2
    .endr
    ldmia r3, {r12, lr}
    .rept 2
    smlal r8, r9, r12, r2
    .endr
    bcc 2b @ taken
    """
    channel_listing = f"""
    ldmia r0!, {{r4, r5}}
    .rept 6
    mov r6, r4
    .endr
    {entry_listing}
    ldr r2, [r0], #4
    .rept 4
    sbfx r12, r4, #0, #23
    lsr r4, r4, #23
    orr r4, r4, r5, lsl #9
    sub r4, r4, r12, asr #31
    smmulr r12, r12, r2
    usat r12, #7, r12
    smmulr r4, r4, r2
    usat r4, #7, r4
    orr r4, r12, r4, lsl #23
    .endr
    ldmia sp, {{r3, r11, r12}}
    stmia r3, {{r4, r6, r8, r10}}
    add r3, r11
    str r3, [sp]
    cmp r0, r12
    bne 1b @ taken
    """

    def fits_channel(self, channel: Channel) -> bool:
        return channel.fits_wide_lane

    def pack_channel(self, channel: Channel, entries: Sequence[int]) -> list[int]:
        start = channel.bias * (1 + 2**WIDE) % 2**64
        return [start % 2**32, start >> 32, *entries, channel.multiplier]
