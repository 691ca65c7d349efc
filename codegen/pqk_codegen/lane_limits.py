"""How fine each output channel's weights may be, so that its sums still fit the kernels' lanes of 16 bits.

Kernels on lanes do not care how many bits a weight has, only how large a sum can become: where few weights are left,
they can be finer. It is not all free: sums of 15 bits are requantised a little faster, and kernels that group equal
weights find fewer of them.
"""

from dataclasses import dataclass

import numpy as np

from pqk_codegen.ir import Array
from pqk_codegen.ops import Convolution

LANE = 16
"""Bits between two lanes whose sums are accumulated in one 32-bit register."""
LARGEST_WEIGHT = 127  # int8, symmetric
ROUNDING = 0.5001  # a rounded weight is off by no more, in the float32 of the trainer
EXACT = 7  # to this limit the rounding of every weight is followed: beyond, half a unit for each is little
SMALLEST = 1e-30  # a channel without weights has steps of 0; anything but 0 divides


def lane_limits(
    weights: Array,
    bn_scale: Array,
    bn_shift: Array,
    *,
    input_scale: float,
    input_range: tuple[int, int],
    output_scale: float,
    pool: tuple[int, int] = (1, 1),
    bits: int = LANE,
    usual: int,
) -> Array:
    """The largest integer that the weights of each output channel may become: int64 [out], 1 .. 127.

    Every channel keeps to a lane: in the integers that `fold_conv` makes and for every input, bias +
    sum(weight * input) fits a signed halfword, and its range (0 included) 16 bits. So a channel of many large weights
    gets less than `usual`; only where weights of -1, 0 and 1 are too large, too, does it get 1 all the same. It gets
    more than `usual` where, moreover, that range fits `bits` bits, and the sum over a pool's window an unsigned
    halfword. Beyond small limits every weight is taken as rounded to the worse side, which costs a few percent of a
    lane and saves time.

    Args:
        weights: real weights [out, ...], 0 where pruned. A channel's step is its largest magnitude / its limit.
        bn_scale, bn_shift, input_scale, output_scale, pool: as for `fold_conv`.
        input_range: smallest and largest integer of the input.
        usual: the largest integer of the bits that weights have where nothing is known of their sums.
        bits: 16 for all that a lane can hold; 15 for what kernels with a shorter requantisation need.
    """
    rows = weights.reshape(len(weights), -1) * np.where(np.asarray(bn_scale) < 0, -1, 1)[:, None]
    limits = np.arange(1, LARGEST_WEIGHT + 1)[:, None]  # all of them for every channel: [limits, out]
    largest = np.abs(rows).max(axis=1)
    steps = np.maximum(largest / limits, SMALLEST)
    unit = np.maximum(np.abs(bn_scale) * steps * input_scale, SMALLEST)
    bias, window = np.asarray(bn_shift) / unit, pool[0] * pool[1]
    scale = 2.0 ** _doublings(unit / output_scale / window)
    high = (_largest_sum(rows, steps, input_range) + bias + 1) * scale
    low = (_largest_sum(-rows, steps, input_range) - bias + 1) * scale
    span = np.maximum(high, 0) + np.maximum(low, 0)
    lane = (high < 2 ** (LANE - 1)) & (low <= 2 ** (LANE - 1)) & (span < 2**LANE)
    finer = lane & (high * window < 2**LANE) & (span < 2**bits) & (largest > 0)
    fits = np.where(limits > usual, finer, lane)
    return np.asarray(np.where(fits, limits, 1).max(axis=0))


def _largest_sum(rows: Array, steps: Array, input_range: tuple[int, int]) -> Array:
    """float64 [limits, out]: no sum of input times integer weight is larger."""
    lowest, highest = min(input_range[0], 0), input_range[1]
    inputs = np.where(rows > 0, highest, np.where(rows < 0, -lowest, 0))
    largest = (np.abs(rows) * inputs).sum(axis=1) / steps + ROUNDING * inputs.sum(axis=1)
    of, tap = np.nonzero(inputs)  # few, of a pruned layer
    weights, reach = np.abs(rows[of, tap]), inputs[of, tap]
    for sums, step in zip(largest[:EXACT], steps, strict=False):
        sums[:] = np.bincount(of, np.floor(weights / step[of] + ROUNDING) * reach, len(rows))
    return np.asarray(largest)


def _doublings(factor: Array) -> Array:
    """How often `kernels.lanes.channels` doubles weights and bias at most: until the factor is below a half."""
    _, exponent = np.frexp(factor * (1 + 2.0**-20))  # the multiplier has been rounded
    return np.asarray(np.maximum(exponent + 1, 0))


@dataclass(frozen=True)
class WeightBits:
    """log2(2 * largest integer + 1) of the output channels that have weights; the bits of a symmetric range."""

    least: float
    mean: float
    most: float


def weight_bits(op: Convolution) -> WeightBits:
    """The bits that the channels of a convolution use; all 0 where none has weights."""
    largest = np.abs(op.weights.astype(np.int64)).reshape(len(op.weights), -1).max(axis=1)
    bits = np.log2(2 * largest[largest > 0] + 1)
    if not bits.size:
        return WeightBits(0.0, 0.0, 0.0)
    return WeightBits(float(bits.min()), float(bits.mean()), float(bits.max()))
