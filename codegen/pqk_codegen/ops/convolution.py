"""What all convolutions share: everything but which inputs an output channel reads."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pqk_codegen.ir import Array, Op, Tensor, require, require_accumulator, require_array

SMALLEST_SHIFT = 24  # real factors below 128: one accumulator unit moves the output over its whole range


@dataclass(frozen=True, eq=False)
class Convolution(Op):
    """Two-dimensional convolution, ReLU, average pool, requantisation.

    For output channel o, position p::

        acc[p] = bias[o] + sum over the channel's taps of weight * x[i, p * stride + k * dilation - padding]
        s      = sum over the pool window of max(acc[p], 0)
        y      = min((s * multiplier[o] + 2**(shift - 1)) >> shift, maximum)

    Padding has the value 0. The average's division by the window's size is part of the multiplier, so a result
    is rounded once. With a window of 1 x 1 this is the plain convolution. Sizes are rounded down.
    """

    weight_dimensions: ClassVar[int]

    weights: Array
    """int8 [out, ..., kernel height, kernel width]; the last axes of `weight_shape`."""
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

    @abstractmethod
    def weight_shape(self, source: Tensor) -> tuple[int, ...]:
        """The shape that `weights` must have for this input."""

    @abstractmethod
    def _apply_tap(self, ky: int, kx: int, planes: Array) -> Array:
        """One tap of every window: floats [n, in, positions] to [n, out, positions]."""

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the kernel."""
        height, width = self.weights.shape[-2:]
        return height, width

    def check(self, inputs: Sequence[Tensor], output: Tensor) -> None:
        source = inputs[0]
        require(source.dtype in ("uint8", "int8") and len(source.shape) == 3, "the input must be 8-bit planes")
        require(output.dtype == "uint8" and len(output.shape) == 3, "the output must be uint8 planes")
        dimensions = self.weight_dimensions
        require(self.weights.ndim == dimensions, f"weights must have {dimensions} dimensions, not {self.weights.ndim}")
        require_array(self.weights, "weights", "int8", self.weight_shape(source))
        out = self.weights.shape[0]
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
        return self._size(source.shape[1:])

    def _size(self, size: tuple[int, ...]) -> tuple[int, int]:
        top, left, bottom, right = self.padding
        padded = (size[0] + top + bottom, size[1] + left + right)
        sizes = [
            (length - step * (taps - 1) - 1) // stride + 1
            for length, step, taps, stride in zip(padded, self.dilation, self.kernel, self.stride, strict=True)
        ]
        return sizes[0], sizes[1]

    def largest_accumulator(self, source: Tensor) -> Array:
        """int64 [out]: the largest magnitude that the accumulator can reach, bias included."""
        return self._largest_sum(source.magnitude)

    def _largest_sum(self, magnitude: int) -> Array:
        total = np.abs(self.weights.astype(np.int64)).reshape(len(self.weights), -1).sum(axis=1)
        return np.asarray(total * magnitude + np.abs(self.bias.astype(np.int64)))

    def reference(self, inputs: Sequence[Array], output: Tensor) -> Array:
        product = self.pooled(inputs[0]) * self.multiplier.astype(np.int64)[:, None, None]
        scaled = (product + 2 ** (self.shift - 1)) >> self.shift
        return np.asarray(np.minimum(scaled, output.maximum))

    def pooled(self, x: Array) -> Array:
        """int64 [n, out, height, width]: what is requantised, the sums over the pool windows."""
        accumulator = np.maximum(self.sums(x), 0)
        n, out, height, width = accumulator.shape
        rows, columns = self.pool
        height, width = height // rows, width // columns
        cut = accumulator[:, :, : height * rows, : width * columns]
        return np.asarray(cut.reshape(n, out, height, rows, width, columns).sum(axis=(3, 5)))

    def sums(self, x: Array) -> Array:
        """int64 [n, out, height, width]: bias plus the weighted sums, before ReLU and pool.

        Products run in floats for speed. They are exact, because every partial sum is an integer that fits: below 2**31
        always, and in float32 where it is below 2**24 for these inputs.
        """
        kind = np.float32 if self._largest_sum(int(np.abs(x).max(initial=0))).max(initial=0) < 2**24 else np.float64
        top, left, bottom, right = self.padding
        padded = np.pad(x.astype(kind), ((0, 0), (0, 0), (top, bottom), (left, right)))
        (step_y, step_x), (dilation_y, dilation_x) = self.stride, self.dilation
        height, width = self._size(x.shape[2:])
        total = np.zeros((x.shape[0], len(self.bias), height * width), kind)
        for ky, kx in np.ndindex(*self.kernel):
            y, z = ky * dilation_y, kx * dilation_x
            window = padded[:, :, y : y + step_y * height : step_y, z : z + step_x * width : step_x]
            total += self._apply_tap(ky, kx, window.reshape(*window.shape[:2], height * width))
        total += self.bias.astype(kind)[:, None]
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
