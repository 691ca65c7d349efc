"""Convolution on lanes of 16 bits with the instructions of ARMv6-M: codegen/kernels/conv2d_lanes_v6m.c."""

from collections.abc import Sequence

from pqk_codegen.kernels.base import V6M_CORES
from pqk_codegen.kernels.lane_stream import EntryStream
from pqk_codegen.kernels.lanes import Channel
from pqk_codegen.kernels.scaling import Scaling, short_scaling
from pqk_codegen.lane_limits import LANE

ENTRY = """
    ldmia r0!, {r2}
    uxth r3, r2
    add r3, r1
    asrs r2, r2, #17
    ldmia r3!, {r4-r6}
    .rept 3
    muls r4, r2
    add r8, r4
    .endr
    ldmia r3, {r3-r6}
    .rept 4
    muls r4, r2
    add r8, r4
    .endr
    bcc 2b @ taken
"""
START = """
    ldmia r0!, {r7}
    .rept 6
    mov r8, r7
    .endr
"""
SPLIT = """
    mov r7, r8
    sxth r3, r7
    subs r7, r7, r3
    asrs r7, r7, #16
    asrs r6, r3, #31
    bics r3, r6
    asrs r6, r7, #31
    bics r7, r6
"""
SHORT = """
    .rept 2
    muls r3, r4
    adds r3, r3, r5
    lsrs r3, r1
    .endr
    lsls r7, r7, #16
    orrs r7, r3
"""
LONG = """
    .rept 2
    movs r6, r3
    muls r6, r4
    lsrs r6, r6, #16
    muls r3, r5
    adds r3, r3, r6
    .endr
    adds r7, r7, r1
    lsrs r7, r7, #16
    lsls r7, r7, #16
    lsrs r3, r3, #16
    adcs r7, r3
"""
CLAMP_AND_STORE = """
    tst r7, r2
    beq 9f @ taken
    stmia r0!, {r7}
"""
END = """
    ldr r1, [sp, #4]
    add r0, r1
    str r0, [sp, #0]
    ldr r0, [sp, #16]
    ldr r1, [sp, #12]
    ldr r2, [sp, #8]
    cmp r0, r2
    beq 3f
    b 1b
"""


def _channel_listing(constants: str, requantize: str) -> str:
    words = f".rept 7\n{SPLIT}{requantize}{CLAMP_AND_STORE}.endr\n"
    return f"{START}{ENTRY}str r0, [sp, #16]\nldr r0, [sp]\nldr r2, [pc, #400]\n{constants}\n{words}{END}"


class Conv2dLanesV6m(EntryStream):
    """Three instructions for two multiply-accumulates; requantisation by one multiplication, where that is exact."""

    name = "conv2d_lanes_v6m"
    cores = V6M_CORES
    lane = LANE
    tile = 7
    code = 940
    entry_listing = ENTRY
    channel_listing = _channel_listing("ldmia r0!, {r1, r4, r5}", SHORT)

    def fits_channel(self, channel: Channel) -> bool:
        return channel.fits_signed_lane and _short(channel) is not None

    def pack_channel(self, channel: Channel, entries: Sequence[int]) -> list[int]:
        scaling = _short(channel)
        assert scaling is not None
        return [_start(channel), *entries, scaling.shift, scaling.multiplier, scaling.rounding]


class Conv2dLanesV6mLong(EntryStream):
    """The same with two multiplications, which are always exact."""

    name = "conv2d_lanes_v6m_long"
    cores = V6M_CORES
    lane = LANE
    tile = 7
    code = 1040
    entry_listing = ENTRY
    channel_listing = _channel_listing("ldmia r0!, {r4, r5}\nmovs r1, #1\nlsls r1, r1, #15", LONG)

    @property
    def source(self) -> str:
        return f"{Conv2dLanesV6m.name}.c"

    def fits_channel(self, channel: Channel) -> bool:
        return channel.fits_signed_lane

    def pack_channel(self, channel: Channel, entries: Sequence[int]) -> list[int]:
        return [_start(channel), *entries, channel.multiplier & 0xFFFF, channel.multiplier >> 16]


def _start(channel: Channel) -> int:
    """The bias in both lanes."""
    return channel.bias * 0x10001 % 2**32


def _short(channel: Channel) -> Scaling | None:
    return short_scaling(max(channel.high, 0), channel.multiplier, channel.maximum)
