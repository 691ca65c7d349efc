"""What the accumulator of each output channel can reach, and constants that make it fit a lane of a vector."""

from dataclasses import dataclass

import numpy as np

from pqk_codegen.ir import Array, Tensor
from pqk_codegen.ops import Conv2d


@dataclass(frozen=True, eq=False)
class Channels:
    """Equivalent constants of a convolution: all arrays int64, [out, ...].

    With `acc = start + sum of weights * x`, 0 <= acc < 2**lane for every input; `s` is the sum of
    `max(acc - floor, 0)` over the pool window, and `y = min((s * multiplier + 2**31) >> 32, maximum)`.
    A channel whose output is always the same has no weights left, and that output as its start.
    """

    weights: Array
    start: Array
    floor: Array
    multiplier: Array
    peak: int
    """Largest max(acc - floor, 0) of all channels."""


def channels(op: Conv2d, source: Tensor, output: Tensor, lane: int) -> Channels | None:
    """Constants for lanes of `lane` bits, or None where a channel does not fit.

    The real bounds count: positive weights with the input's largest value, negative ones with its smallest, padding
    (0) included. A lane holds the accumulator above its lower bound, so a range of 2**lane is used in full.
    """
    window = op.pool[0] * op.pool[1]
    weights = op.weights.astype(np.int64)
    bias, multiplier = op.bias.astype(np.int64), op.multiplier.astype(np.int64)
    low, high = bounds(weights, bias, source)
    ends = [requantized(np.maximum(end, 0) * window, multiplier, op.shift, output.maximum) for end in (low, high)]
    constant = ends[0] == ends[1]
    # A real factor of a half or more does not fit 2**32 times it: the accumulator takes over powers of two.
    scale = 2 ** np.array([_spare(int(m), 32 - op.shift) for m in multiplier], np.int64)
    multiplier, low, high = (multiplier << (32 - op.shift)) // scale, low * scale, high * scale
    floor = np.maximum(-low, 0)
    weights = np.where(constant[:, None, None, None], 0, weights * scale[:, None, None, None])
    peak = np.where(constant, 0, np.maximum(high, 0))
    fits = (high + floor < 2**lane) & (peak * window < 2**31)
    if not (fits | constant).all() or np.abs(weights).max(initial=0) >= 2**15:
        return None
    return Channels(
        weights,
        np.where(constant, ends[0], bias * scale + floor),
        np.where(constant, 0, floor),
        np.where(constant, 0, multiplier),
        int(peak.max(initial=0)),
    )


def bounds(weights: Array, bias: Array, source: Tensor) -> tuple[Array, Array]:
    """Smallest and largest value, [out], of bias plus the weighted sum of any inputs."""
    least, most = min(source.minimum, 0), max(source.maximum, 0)
    products = np.stack([weights * least, weights * most])
    axes = tuple(range(1, weights.ndim))
    return bias + products.min(axis=0).sum(axis=axes), bias + products.max(axis=0).sum(axis=axes)


def requantized(sums: Array, multiplier: Array, shift: int, maximum: int) -> Array:
    """Output elements of pooled sums, as `Conv2d` defines them."""
    return np.asarray(np.minimum((sums * multiplier + 2 ** (shift - 1)) >> shift, maximum))


def _spare(multiplier: int, bits: int) -> int:
    """By how many of `bits` bits `multiplier` cannot be shifted without reaching 2**31."""
    return max(0, multiplier.bit_length() + bits - 31)
