"""Depthwise convolution with ReLU, average pooling and requantisation in one operation."""

from dataclasses import dataclass

import numpy as np

from pqk_codegen.ir import Array, Tensor
from pqk_codegen.ops.convolution import Convolution


@dataclass(frozen=True, eq=False)
class DepthwiseConv2d(Convolution):
    """The convolution whose output channel c reads input channel c alone; weights [channels, kernel height, width].

    For channel c, position p: the sum is over ky, kx of
    `weights[c, ky, kx] * x[c, p * stride + k * dilation - padding]`; the rest is in `Convolution`.
    """

    kind = "depthwise_conv2d"
    weight_dimensions = 3

    def weight_shape(self, source: Tensor) -> tuple[int, ...]:
        return (source.shape[0], *self.kernel)

    def _apply_tap(self, ky: int, kx: int, planes: Array) -> Array:
        return np.asarray(self.weights[:, ky, kx, None].astype(planes.dtype) * planes)
