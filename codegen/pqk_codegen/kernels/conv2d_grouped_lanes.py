"""Convolution on lanes of 16 bits, taps of equal weight in groups: codegen/kernels/conv2d_grouped_lanes.c."""

from collections.abc import Iterator, Sequence

import numpy as np

from pqk_codegen.cycles import Cost, block
from pqk_codegen.ir import Array
from pqk_codegen.kernels.base import BURST_CORES
from pqk_codegen.kernels.conv2d_lanes import LEAVE, SUBTRACT_AND_SCALE
from pqk_codegen.kernels.geometry import compiled
from pqk_codegen.kernels.lane_stream import LOOP, LaneStream, some_taps_of
from pqk_codegen.kernels.lanes import Channel, finishing_cost
from pqk_codegen.lane_limits import LANE
from pqk_codegen.layout import Lanes

MOST = 8  # taps of a group
END = 0x900

TAP = """
    ldrh r2, [r0], #2
    add r2, r1
    ldmia r2!, {r11, r12, lr}
    .rept 3
    mla r4, r11, r3, r4
    .endr
    ldmia r2, {r2, r11, r12, lr}
    .rept 4
    mla r7, r2, r3, r7
    .endr
"""
GROUP = """
    b 2b
    ldrsb r3, [r0], #2
    ldrb r2, [r0, #-1]
    tbb [pc, r2]
"""
CHANNEL = f"""
    ldrh r10, [r0], #2
    orr r10, r10, r10, lsl #16
    ldrsb r3, [r0], #2
    {TAP}
    ldrb r2, [r0, #-3]
    tbb [pc, r2]
    {GROUP}
    ldrh r2, [r0], #2
    orr r2, r2, r2, lsl #16
    ldr r3, [r0], #4
    {SUBTRACT_AND_SCALE}
    {LEAVE}
"""


class Conv2dGroupedLanes(LaneStream):
    """2 bytes a tap and 2 a group. Faster than one entry a tap where more than two taps share a weight on average."""

    name = "conv2d_grouped_lanes"
    cores = BURST_CORES
    lane = LANE
    tile = 7
    code = 770
    largest_weight = 127

    def fits_channel(self, channel: Channel) -> bool:
        return channel.fits_lane

    def pack(self, found: Sequence[Channel], offsets: Array) -> Array:
        numbers: list[int] = []
        for channel, places in zip(found, offsets, strict=True):
            (weight, (first, *rest)), *further = _groups(channel, places)
            multiplier = channel.multiplier
            numbers += [channel.start, _head(weight, rest), first, *rest]
            numbers += [number for weight, rest in further for number in (_head(weight, rest), *rest)]
            numbers += [END, channel.offset, multiplier & 0xFFFF, multiplier >> 16]
        return np.array(numbers, np.uint16)

    def cost(self, found: Sequence[Channel], output: Lanes, wait_states: int) -> Cost:
        groups = [list(_groups(channel, np.arange(channel.weights.size))) for channel in found]
        taps = sum(len(places) for channel in groups for _, places in channel)
        channel, group, tap = (block(listing, wait_states=wait_states) for listing in (CHANNEL, GROUP, TAP))
        further = sum(map(len, groups)) - len(found)
        tile = channel * len(found) + group * further + tap * (taps - len(found)) + compiled(LOOP)
        return tile * -(-output.words // self.tile) + finishing_cost(output)


def _groups(channel: Channel, places: Array) -> Iterator[tuple[int, list[int]]]:
    """Weights, and the places of up to `MOST` taps that have it; one more in the first group."""
    by_weight: dict[int, list[int]] = {}
    for weight, place in some_taps_of(channel, places):
        by_weight.setdefault(weight, []).append(place)
    most = MOST + 1
    for weight, alike in sorted(by_weight.items()):
        while alike:
            yield weight, alike[:most]
            alike, most = alike[most:], MOST


def _head(weight: int, counted: Sequence[int]) -> int:
    return len(counted) << 8 | weight & 0xFF
