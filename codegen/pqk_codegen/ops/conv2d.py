"""Convolution with ReLU, average pooling and requantisation in one operation."""

from dataclasses import dataclass

import numpy as np

from pqk_codegen.ir import Array, Tensor
from pqk_codegen.ops.convolution import Convolution


@dataclass(frozen=True, eq=False)
class Conv2d(Convolution):
    """The convolution whose output channels read every input channel; weights [out, in, kernel height, kernel width].

    For output channel o, position p: the sum is over i, ky, kx of
    `weights[o, i, ky, kx] * x[i, p * stride + k * dilation - padding]`; the rest is in `Convolution`.
    """

    kind = "conv2d"
    weight_dimensions = 4

    def weight_shape(self, source: Tensor) -> tuple[int, ...]:
        return (self.weights.shape[0], source.shape[0], *self.kernel)

    def _apply_tap(self, ky: int, kx: int, planes: Array) -> Array:
        return np.asarray(self.weights[:, :, ky, kx].astype(planes.dtype) @ planes)
