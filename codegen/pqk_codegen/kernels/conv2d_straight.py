"""Convolution on lanes of 16 bits as straight-line code; the loops: codegen/kernels/conv2d_straight.c."""

from collections.abc import Iterator
from itertools import groupby

from pqk_codegen.kernels.base import Invocation, Site
from pqk_codegen.kernels.conv2d_lanes import Conv2dLanes
from pqk_codegen.kernels.geometry import conv2d_of
from pqk_codegen.kernels.lanes import (
    Channel,
    activation_bits,
    channel_offsets,
    channels,
    convolved,
    lanes_of,
    taps_of,
)
from pqk_codegen.kernels.straight import (
    ROUND,
    SEVEN,
    Constant,
    Instruction,
    Load,
    Loops,
    MultiplyAdd,
    MultiplySeven,
    NextPlane,
    Rectify,
    Requantize,
    Store,
    invocation,
    printed,
)


class Conv2dStraight(Conv2dLanes):
    """What Conv2dLanes does, without a stream to decode: faster, and some ten times as large."""

    name = "conv2d_straight"

    def resolve(self, site: Site) -> Invocation:
        output = lanes_of(site.layouts[site.output.name])
        loops = Loops(lines=1, columns=output.words, tile_columns=self.tile, input_line=0, input_column=1)
        return invocation(self.name, site, printed(site, list(_tile(site))), loops)


def _tile(site: Site) -> Iterator[Instruction]:
    """Seven words of every output channel."""
    op = conv2d_of(site)
    source, output = convolved(site)
    bits = activation_bits(site.output)
    assert bits is not None
    offsets = 4 * channel_offsets(op, source)
    for channel, places in zip(channels(op, site.inputs[0], site.output.maximum), offsets, strict=True):
        taps = taps_of(channel, places)
        yield from _channel(channel, taps, bits, output.shift)
        yield NextPlane(4 * output.plane)


def _channel(channel: Channel, taps: list[tuple[int, int]], bits: int, shift: int) -> Iterator[Instruction]:
    """r2 weight, then offset; taps with equal weights follow each other, so that it is loaded once."""
    if not taps:
        value = min((max(channel.bias, 0) * channel.multiplier + 2**31) >> 32, 2**bits - 1)
        yield from (Constant(name, value | value << shift) for name in SEVEN)
        yield Store(SEVEN)
        return
    first = True
    for weight, group in groupby(sorted(taps), key=lambda tap: tap[0]):
        yield Constant("r2", weight)
        for _, offset in group:
            if first:
                yield Constant("lr", channel.start * 0x10001)
                yield Load(SEVEN, offset)
                yield from (MultiplyAdd(name, name, "r2", "lr") for name in SEVEN)
            else:
                yield MultiplySeven("r2", offset)
            first = False
    yield Constant("r2", channel.offset * 0x10001)
    yield from (Rectify(name, "r2") for name in SEVEN)
    yield Constant("r3", channel.multiplier)
    yield Constant("r11", ROUND)
    yield from (Requantize(name, "r3", "r11", "r12", bits, False, shift) for name in SEVEN)
    yield Store(SEVEN)
