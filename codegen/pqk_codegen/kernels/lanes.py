"""What kernels on lanes share: which channels' sums provably fit, and C descriptions of the layout."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from pqk_codegen.cycles import Cost
from pqk_codegen.ir import Array, Tensor
from pqk_codegen.kernels.base import Site
from pqk_codegen.kernels.geometry import compiled
from pqk_codegen.lane_limits import LANE, WeightBits, weight_bits
from pqk_codegen.layout import Lanes, Layout
from pqk_codegen.ops import Convolution, DepthwiseConv2d

WIDE = 23
"""Bits between two lanes whose sums are accumulated in 64 bits; an element of 8 bits more fits a signed word."""

OFFSETS = 4096  # tried for a requantisation; nearly always the first one is exact
CONSTANT_MULTIPLIER = 2**30  # with it a sum of 4 * y becomes y


@dataclass(frozen=True, eq=False)
class Channel:
    """An output channel with a shift of exactly 32: y = min((max(bias + sum, 0) * multiplier + 2^31) >> 32, maximum).

    `low` and `high` bound bias + sum for every input.
    """

    weights: Array
    """int64, in the operation's order; all zero for a constant channel."""
    bias: int
    multiplier: int
    low: int
    high: int
    maximum: int

    @property
    def offset(self) -> int:
        """What makes bias + sum not negative."""
        return max(0, -self.low)

    @property
    def start(self) -> int:
        """Value at which the sum of the weighted inputs starts, in a lane that never borrows."""
        return self.bias + self.offset

    @property
    def fits_lane(self) -> bool:
        """Whether 16 bits hold the final sum, and 15 what is above the offset (a signed halfword's multiplication)."""
        return self.high <= 2**15 - 1 and self.high + self.offset <= 2**LANE - 1

    @property
    def fits_signed_lane(self) -> bool:
        """Whether a signed halfword holds the final sum."""
        return self.low >= -(2**15) and self.high < 2**15

    @property
    def fits_wide_lane(self) -> bool:
        """Whether a signed lane of WIDE bits holds the final sum."""
        limit: int = 2 ** (WIDE - 1)
        return -limit <= self.low and self.high < limit


@dataclass(frozen=True)
class Requantization:
    """How a lane of 15 bits becomes an element without a subtraction: ((lane * multiplier >> 16) + rounding) >> 16.

    The lane holds offset + bias + sum, never negative; results below 0 saturate to 0.
    """

    start: int
    """offset + bias."""
    rounding: int


def requantization(channel: Channel) -> Requantization | None:
    """An offset for which that is exact, or None: the sums do not fit 15 bits, or there is no such offset."""
    found = _exact_offset(channel.offset, max(channel.high, 0), channel.multiplier)
    return Requantization(channel.bias + found[0], 2**15 - found[1]) if found else None


@cache
def _exact_offset(smallest: int, high: int, multiplier: int) -> tuple[int, int] | None:
    """An offset, and what takes it back after the multiplication, exactly for sums up to `high`.

    That is offset * multiplier / 2^16, rounded down or up, so that a remainder is left over in every result. It changes
    none if it is smaller than the distance of every sum's product to the next rounding threshold.
    """
    offsets = np.arange(smallest, min(smallest + OFFSETS, 2**15 - high))
    beyond = (np.arange(high + 1) * multiplier + 2**31) % 2**32
    remainders = offsets * multiplier % 2**16
    down, up = remainders < 2**32 - beyond.max(), 2**16 - remainders <= beyond.min()
    exact = np.flatnonzero(down | up)
    if not exact.size:
        return None
    offset = int(offsets[exact[0]])
    return offset, (offset * multiplier >> 16) + int(not down[exact[0]])


def channels(op: Convolution, source: Tensor, maximum: int) -> list[Channel]:
    """The output channels of a convolution, rescaled to a shift of 32; exactly the same results.

    A multiplier that would not fit 31 bits is kept and weights and bias are doubled instead. A channel whose output
    does not depend on the input (no weights, never above zero, or saturated) becomes a small constant.
    """
    rows = op.weights.reshape(op.weights.shape[0], -1).astype(np.int64)
    return [
        _channel(row, int(bias), int(multiplier), 32 - op.shift, source, maximum, op.pool == (1, 1))
        for row, bias, multiplier in zip(rows, op.bias, op.multiplier, strict=True)
    ]


def _channel(
    weights: Array, bias: int, multiplier: int, doublings: int, source: Tensor, maximum: int, pointwise: bool
) -> Channel:
    while doublings and multiplier < 2**30:
        multiplier, doublings = 2 * multiplier, doublings - 1
    weights, bias = weights << doublings, bias << doublings
    positive, negative = int(weights[weights > 0].sum()), int(weights[weights < 0].sum())
    low = bias + positive * min(source.minimum, 0) + negative * source.maximum
    high = bias + positive * source.maximum + negative * min(source.minimum, 0)
    at_low, at_high = (_output(value, multiplier, maximum) for value in (low, high))
    if high <= 0 or (pointwise and at_low == at_high):
        return Channel(np.zeros_like(weights), 4 * at_low, CONSTANT_MULTIPLIER, 4 * at_low, 4 * at_low, maximum)
    return Channel(weights, bias, multiplier, low, high, maximum)


def _output(value: int, multiplier: int, maximum: int) -> int:
    return min((max(value, 0) * multiplier + 2**31) >> 32, maximum)


@dataclass(frozen=True)
class Budget:
    """How a layer's channels use 16-bit lanes: what must fit is the range of bias + sum, whatever the weights' bits."""

    used: float
    """Largest share of a lane's 2^16 values that a channel's sum can take."""
    beyond: int
    """Channels that do not fit a lane."""
    spare_bits: int
    """By so many more bits could every weight of the layer be finer with all channels still in their lanes."""
    weight_bits: WeightBits
    """What the channels use; with `compression.lane_budget` as many as fit."""


def budget(op: Convolution, source: Tensor, output: Tensor) -> Budget:
    """The lane budget of a convolution: largest activation * sum|w| < 2^16, exactly, for every output channel."""
    found = channels(op, source, output.maximum)
    used = max((channel.high + channel.offset + 1) / 2**LANE for channel in found)
    beyond = sum(not channel.fits_lane for channel in found)
    # Signed halfwords are what the multiplication wants: a channel's largest sum has 15 bits.
    largest = max(max(channel.high / (2**15 - 1), (channel.high + channel.offset) / (2**LANE - 1)) for channel in found)
    spare = 0 if beyond or largest <= 0 else max(0, math.floor(-math.log2(largest)))
    return Budget(used, beyond, spare, weight_bits(op))


def activation_bits(tensor: Tensor) -> int | None:
    """b where the tensor's largest value is 2^b - 1 with b in 4..8, which saturating instructions need; else None."""
    bits = (tensor.maximum + 1).bit_length() - 1
    return bits if tensor.maximum == 2**bits - 1 and 4 <= bits <= 8 else None


def same_size(op: Convolution, source: Tensor, output: Tensor) -> bool:
    """Whether the convolution has a stride of 1, does not pool, and keeps height and width."""
    return op.stride == op.pool == (1, 1) and source.shape[1:] == output.shape[1:]


def lanes_of(layout: Layout) -> Lanes:
    """`layout`, which must be lanes."""
    if not isinstance(layout, Lanes):
        raise TypeError(f"{layout} is not of lanes")
    return layout


def convolved(site: Site) -> tuple[Lanes, Lanes]:
    """The layouts of a convolution's input and output."""
    return lanes_of(site.layouts[site.inputs[0].name]), lanes_of(site.layouts[site.output.name])


def lanes_expression(lanes: Lanes) -> str:
    """Initialiser of a `pqk_lanes_t`."""
    return (
        f"{{ .planes = {lanes.planes}, .height = {lanes.height}, .width = {lanes.width}, .rows = {lanes.rows}, "
        f".row = {lanes.row}, .origin = {lanes.origin}, .plane = {lanes.plane}, .shift = {lanes.shift}, "
        f".surrounded = {int(lanes.surrounded)} }}"
    )


def channel_offsets(op: Convolution, source: Lanes) -> Array:
    """int64 [out, taps]: words from the input buffer's start to each tap of output (0, 0), for every output channel."""
    if isinstance(op, DepthwiseConv2d):
        return _tap_offsets(op, source, op.weights.shape[0]).reshape(op.weights.shape[0], -1)
    taps = _tap_offsets(op, source, op.weights.shape[1])
    return np.broadcast_to(taps, (op.weights.shape[0], taps.size))


def taps_of(channel: Channel, places: Array) -> list[tuple[int, int]]:
    """Weight and place of a channel's nonzero taps."""
    return [(int(channel.weights[tap]), int(places[tap])) for tap in np.flatnonzero(channel.weights)]


def _tap_offsets(op: Convolution, source: Lanes, inputs: int) -> Array:
    channel, ky, kx = np.indices((inputs, *op.kernel))
    y, x = ky * op.dilation[0], kx * op.dilation[1]
    (step_y, step_x), (top, left, _, _) = source.stride, op.padding
    plane = (channel * step_y + y % step_y) * step_x + x % step_x
    line, column = y // step_y, x // step_x
    offsets = plane * source.plane + (line + source.top - top) * source.row + column + source.left - left
    return np.asarray(offsets.ravel())


def can_finish(lanes: Lanes) -> bool:
    """Whether every halo word repeats a word of the first half; not so for a halo higher than half the tensor."""
    half = lanes.rows * lanes.row
    return lanes.origin <= half and lanes.plane - lanes.origin - half <= half


def finishing_cost(lanes: Lanes) -> Cost:
    """Estimate of pqk_lanes_finish."""
    if not lanes.surrounded:
        return compiled(10)
    halo = lanes.plane - lanes.rows * lanes.row
    missing = (2 * lanes.rows - lanes.height) * lanes.row
    gap = lanes.row - lanes.width
    gaps = lanes.rows * (5 + 4 * gap) if gap else 0
    return compiled(lanes.planes * (5 * (halo + missing) + gaps + 30))
