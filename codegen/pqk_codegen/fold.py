"""From trained real numbers to the integers of the IR: BatchNorm and scales become bias and multiplier."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pqk_codegen.ir import Array
from pqk_codegen.ops.convolution import SMALLEST_SHIFT

# Beyond this a bias drowns its channel's weighted sums: the channel is a constant in all but name.
LARGEST_BIAS = 2**22
LARGEST_MULTIPLIER = 2**31 - 2  # even, as all are; see `fold_conv`


@dataclass(frozen=True)
class FoldedConv:
    """Integer parameters of a `Conv2d`."""

    weights: Array
    bias: Array
    multiplier: Array
    shift: int


def fold_conv(
    weights: Array,
    weight_scale: Array,
    bn_scale: Array,
    bn_shift: Array,
    *,
    input_scale: float,
    output_scale: float,
    pool: tuple[int, int] = (1, 1),
) -> FoldedConv:
    """Integers for `relu(bn_scale * conv(x) + bn_shift)`, averaged over the pool window.

    Args:
        weights: quantised weights, integers [out, in, height, width]; the real weight is `weights * weight_scale`.
        weight_scale: [out], not negative; 0 where a channel has no weights left.
        bn_scale: [out], gamma / sqrt(variance + epsilon). A negative one is absorbed by negating the weights.
        bn_shift: [out], beta - mean * bn_scale.
        input_scale: real value of one unit of the input.
        output_scale: real value of one unit of the output.
        pool: window of the average pool that follows the ReLU.

    The shift is 32 unless a channel's real factor reaches a half: then the largest that keeps multipliers below
    2**31, and the smallest allowed with saturated multipliers for factors beyond that.

    Multipliers are even: kernels that sum up a pool's window in unsigned lanes of 16 bits multiply by signed ones, and
    make good for that with multiplier / 2, which must be whole. Beside a factor near a half it is 2**-31 of the result.
    """
    window = pool[0] * pool[1]
    sign = np.where(np.asarray(bn_scale) < 0, -1, 1)
    unit = np.abs(np.asarray(bn_scale, np.float64)) * np.asarray(weight_scale, np.float64) * input_scale
    offset = np.asarray(bn_shift, np.float64)
    constant = np.abs(offset) >= unit * LARGEST_BIAS
    safe_unit = np.where(constant, np.maximum(np.abs(offset), 1e-30) / LARGEST_BIAS, unit)
    bias = np.rint(offset / safe_unit)
    factor = safe_unit / output_scale / window
    shift = _shift(float(factor.max(initial=0.0)))
    multiplier = np.clip(_even(factor * 2.0**shift), 0, LARGEST_MULTIPLIER)
    signed = np.asarray(weights) * sign[:, None, None, None]
    kept = np.where(constant[:, None, None, None], 0, signed)
    return FoldedConv(kept.astype(np.int8), bias.astype(np.int32), multiplier.astype(np.int32), shift)


def _shift(largest: float) -> int:
    fitting = [shift for shift in range(32, SMALLEST_SHIFT, -1) if _even(largest * 2.0**shift) < 2**31]
    return fitting[0] if fitting else SMALLEST_SHIFT


def _even(value: Any) -> Any:
    """The nearest even integer; of floats or arrays."""
    return 2 * np.rint(value / 2)
