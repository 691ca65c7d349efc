"""Convolution with ReLU, average pooling and requantisation in one operation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pqk_codegen.ir import Array, Op, Tensor, require, require_accumulator, require_array

SMALLEST_SHIFT = 24  # real factors below 128: one accumulator unit moves the output over its whole range


@dataclass(frozen=True, eq=False)
class Conv2d(Op):
    """Two-dimensional convolution, ReLU, average pool, requantisation.

    For output channel o, position p::

        acc[p] = bias[o] + sum over i, ky, kx of weights[o, i, ky, kx] * x[i, p * stride + k * dilation - padding]
        s      = sum over the pool window of max(acc[p], 0)
        y      = min((s * multiplier[o] + 2**(shift - 1)) >> shift, maximum)

    Padding has the value 0. The average's division by the window's size is part of the multiplier, so a result
    is rounded once. With a window of 1 x 1 this is the plain convolution. Sizes are rounded down.
    """

    kind = "conv2d"

    weights: Array
    """int8 [out, in, kernel height, kernel width]."""
    bias: Array
    """int32 [out], in units of the accumulator."""
    multiplier: Array
    """int32 [out], not negative; the real factor is multiplier / 2**shift."""
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Top, left, bottom, right."""
    pool: tuple[int, int] = (1, 1)
    shift: int = 32
    """24..32. At 32 the result is the high word of a product; less where a real factor reaches a half."""

    def check(self, inputs: Sequence[Tensor], output: Tensor) -> None:
        source = inputs[0]
        require(source.dtype in ("uint8", "int8") and len(source.shape) == 3, "the input must be 8-bit planes")
        require(output.dtype == "uint8" and len(output.shape) == 3, "the output must be uint8 planes")
        require(self.weights.ndim == 4, f"weights must have 4 dimensions, not {self.weights.ndim}")
        out = self.weights.shape[0]
        require_array(self.weights, "weights", "int8", (out, source.shape[0], *self.weights.shape[2:]))
        require_array(self.bias, "bias", "int32", (out,))
        require_array(self.multiplier, "multiplier", "int32", (out,))
        require(bool((self.multiplier >= 0).all()), "a multiplier is negative")
        require(min(*self.stride, *self.dilation, *self.pool) >= 1, "stride, dilation and pool must be 1 or more")
        require(min(self.padding) >= 0, "padding must not be negative")
        require(SMALLEST_SHIFT <= self.shift <= 32, f"shift {self.shift} is not in {SMALLEST_SHIFT}..32")
        height, width = self.conv_size(source)
        require(height >= self.pool[0] and width >= self.pool[1], f"nothing is left of an input of {source.shape}")
        shape = (out, height // self.pool[0], width // self.pool[1])
        require(output.shape == shape, f"the output has shape {output.shape}, not {shape}")
        window = self.pool[0] * self.pool[1]
        require_accumulator(int(self.largest_accumulator(source).max(initial=0)) * window)

    def conv_size(self, source: Tensor) -> tuple[int, int]:
        """Height and width of the convolution's result before pooling."""
        top, left, bottom, right = self.padding
        kernel = self.weights.shape[2:]
        padded = (source.shape[1] + top + bottom, source.shape[2] + left + right)
        sizes = [
            (size - step * (taps - 1) - 1) // stride + 1
            for size, step, taps, stride in zip(padded, self.dilation, kernel, self.stride, strict=True)
        ]
        return sizes[0], sizes[1]

    def largest_accumulator(self, source: Tensor) -> Array:
        """int64 [out]: the largest magnitude that the accumulator can reach, bias included."""
        total = np.abs(self.weights.astype(np.int64)).sum(axis=(1, 2, 3))
        return np.asarray(total * source.magnitude + np.abs(self.bias.astype(np.int64)))

    def reference(self, inputs: Sequence[Array], output: Tensor) -> Array:
        accumulator = np.maximum(self._accumulate(inputs[0]), 0)
        n, out, height, width = accumulator.shape
        rows, columns = self.pool
        height, width = height // rows, width // columns
        cut = accumulator[:, :, : height * rows, : width * columns]
        pooled = cut.reshape(n, out, height, rows, width, columns).sum(axis=(3, 5))
        product = pooled * self.multiplier.astype(np.int64)[:, None, None]
        scaled = (product + 2 ** (self.shift - 1)) >> self.shift
        return np.asarray(np.minimum(scaled, output.maximum))

    def _accumulate(self, x: Array) -> Array:
        """int64 [n, out, height, width]: bias plus the weighted sums.

        Matrix products run in float64 for speed: every partial sum is an integer below 2**31, hence exact.
        """
        top, left, bottom, right = self.padding
        padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right))).astype(np.float64)
        _, _, taps_y, taps_x = self.weights.shape
        (step_y, step_x), (dilation_y, dilation_x) = self.stride, self.dilation
        height = (padded.shape[2] - dilation_y * (taps_y - 1) - 1) // step_y + 1
        width = (padded.shape[3] - dilation_x * (taps_x - 1) - 1) // step_x + 1
        total = np.zeros((x.shape[0], len(self.bias), height * width))
        for ky in range(taps_y):
            for kx in range(taps_x):
                y, z = ky * dilation_y, kx * dilation_x
                window = padded[:, :, y : y + step_y * height : step_y, z : z + step_x * width : step_x]
                planes = window.reshape(*window.shape[:2], height * width)
                total += self.weights[:, :, ky, kx].astype(np.float64) @ planes
        total += self.bias.astype(np.float64)[:, None]
        return np.asarray(total.reshape(*total.shape[:2], height, width).astype(np.int64))

    @property
    def weight_values(self) -> Array:
        return self.weights

    @property
    def parameters(self) -> int:
        return self.weights.size

    def _multiplications(self, inputs: Sequence[Tensor], output: Tensor, *, dense: bool) -> int:
        del output
        height, width = self.conv_size(inputs[0])
        count = self.weights.size if dense else int(np.count_nonzero(self.weights))
        return count * height * width
