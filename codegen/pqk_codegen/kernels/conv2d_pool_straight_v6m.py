"""Convolution + ReLU + average pool on lanes as straight-line code of ARMv6-M's instructions.

The loops are in codegen/kernels/conv2d_straight.c. A tile is one word of every output channel, two windows of
positions. The words under a line of the windows are weighted, summed and rectified in r0 - r2, those of wide windows in
two parts; nothing but the windows' sums is kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from pqk_codegen.kernels.base import V6M_CORES, Form, Invocation, Node, Site
from pqk_codegen.kernels.conv2d_pool_straight import Conv2dPoolStraight, parts, pooling
from pqk_codegen.kernels.geometry import conv2d_of
from pqk_codegen.kernels.lanes import (
    Channel,
    activation_bits,
    channel_offsets,
    channels,
    convolved,
    taps_of,
)
from pqk_codegen.kernels.straight import invocation
from pqk_codegen.kernels.straight_v6m import (
    FLAGS,
    Add,
    Advance,
    Instruction,
    Literals,
    Load,
    LowerLane,
    Move,
    Multiply,
    Point,
    Rectify,
    Repeat,
    Set,
    ShiftRight,
    StoreLanes,
    Subtract,
    printed,
    scaled,
)
from pqk_codegen.lane_limits import LANE
from pqk_codegen.layout import Lanes
from pqk_codegen.ops import Conv2d, Convolution

WORDS = ("r0", "r1", "r2")
FURTHER_WORDS = ("r4", "r5", "r6")
LARGEST_TOTAL = 2**20 - 1
WIDEST_POOL = 2 * len(WORDS)
MOST_TAPS = 40  # of all parts of a line, so that the constants at a channel's end are in reach
PER_TILE = 20  # instructions of the C loops round a tile
LOOPS = 430  # bytes of them


class Conv2dPoolStraightV6m(Conv2dPoolStraight):
    """Stride 1, windows up to six columns wide."""

    name = "conv2d_pool_straight_v6m"

    def supports(self, node: Node) -> bool:
        op = node.op
        if not isinstance(op, Conv2d) or node.core not in V6M_CORES or activation_bits(node.output) is None:
            return False
        if op.stride != (1, 1) or op.pool == (1, 1) or op.pool[1] > WIDEST_POOL:
            return False
        return all(_fits(channel, op.pool) for channel in channels(op, node.inputs[0], node.output.maximum))

    def writes(self, node: Node) -> tuple[Form, ...]:
        del node
        return (Form("lanes", LANE),)

    def resolve(self, site: Site) -> Invocation:
        op = conv2d_of(site)
        source, output = convolved(site)
        loops = replace(pooling(op, source, output, 1), per_tile=PER_TILE, code=LOOPS)
        return invocation(self.name, site, printed(site, list(_tile(site, op, source, output))), loops)


def _fits(channel: Channel, pool: tuple[int, int]) -> bool:
    high, widths = max(channel.high, 0), parts(pool[1], len(WORDS))
    if high * max(widths) >= 2**LANE or high * pool[0] * pool[1] > LARGEST_TOTAL:
        return False
    return channel.fits_signed_lane and int(np.count_nonzero(channel.weights)) * len(widths) <= MOST_TAPS


def _tile(site: Site, op: Convolution, source: Lanes, output: Lanes) -> Iterator[Instruction]:
    plane = 4 * output.plane
    window = op.pool[0] * op.pool[1]
    for channel, places in zip(
        channels(op, site.inputs[0], site.output.maximum), 4 * channel_offsets(op, source), strict=True
    ):
        taps = taps_of(channel, places)
        if taps:
            yield from _sums(channel, taps, op.pool, 4 * source.row)
            yield from scaled(("r0", "r1"), max(channel.high, 0) * window, channel.multiplier, channel.maximum)
        else:
            total = max(channel.bias, 0) * window
            value = min((total * channel.multiplier + 2**31) >> 32, channel.maximum)
            yield from (Set("r0", value), Set("r1", value))
        yield StoreLanes("r0", "r1", plane)
        if taps:
            yield Literals()


def _sums(channel: Channel, taps: Sequence[tuple[int, int]], pool: tuple[int, int], row: int) -> Iterator[Instruction]:
    """r0, r1 = the sums of the lower and the upper window. r9 and r10 keep them, or r9 both if they fit a lane."""
    ordered = sorted(taps, key=lambda tap: (tap[0] < 0, tap[1]))  # what comes first is not subtracted
    rectified = channel.low < 0
    start = (channel.bias + (FLAGS if rectified else 0)) * 0x10001
    in_lanes = max(channel.high, 0) * pool[0] * pool[1] < 2**LANE
    yield from (Set("r0", 0), Move("r9", "r0"), Move("r10", "r0"))
    yield from (Set("r0", start), Move("r11", "r0"))
    yield from (Point(), Advance(ordered[0][1]))
    yield from (Set("r0", pool[0] * row), Add("r0", "r3"), Move("lr", "r0"))
    if len(ordered) == 1:
        yield Set("r7", ordered[0][0])
        yield from _masks(rectified=rectified)
    widths = parts(pool[1], len(WORDS))
    steps = [4 * width for width in widths[:-1]]
    line: list[Instruction] = []
    for width, step in zip(widths, [*steps, row - sum(steps)], strict=True):
        line += _line(ordered, width, step, start=start != 0, rectified=rectified)
        line += [Add("r9", "r0")] if in_lanes else _split()
    yield Repeat(tuple(line), pool[0])
    if in_lanes:
        yield from (Move("r1", "r9"), LowerLane("r0", "r1"), ShiftRight("r1", "r1", LANE))
    else:
        yield from (Move("r0", "r9"), Move("r1", "r10"))


def _line(
    taps: Sequence[tuple[int, int]], width: int, step: int, *, start: bool, rectified: bool
) -> Iterator[Instruction]:
    """r0 = the sum of so many columns of one line of both windows; r3 goes on by `step` bytes to what is next."""
    words, further = WORDS[:width], FURTHER_WORDS[:width]
    place = taps[0][1]
    for index, (weight, offset) in enumerate(taps):
        loaded = further if index else words
        yield Advance(offset - place)
        yield Load(loaded)
        place = offset + 4 * width
        if len(taps) > 1:
            yield Set("r7", abs(weight) if index else weight)
        yield from (Multiply(name, "r7") for name in loaded)
        if index:
            change = Add if weight > 0 else Subtract
            yield from (change(name, value) for name, value in zip(words, further, strict=True))
    if start:
        yield from (Add(name, "r11") for name in words)
    if len(taps) > 1:
        yield from _masks(rectified=rectified)
    if rectified:
        yield from (Rectify(name) for name in words)
    yield from (Add("r0", name) for name in words[1:])
    yield Advance(taps[0][1] + step - place)


def _masks(*, rectified: bool) -> Iterator[Instruction]:
    if rectified:
        yield from (Set("r5", 0x10001), Set("r6", FLAGS - 1))


def _split() -> list[Instruction]:
    """r9 += lower lane of r0, r10 += upper lane."""
    return [LowerLane("r1", "r0"), Add("r9", "r1"), ShiftRight("r0", "r0", LANE), Add("r10", "r0")]
