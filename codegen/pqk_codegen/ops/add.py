"""Residual addition on one common scale."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pqk_codegen.ir import Array, Op, Tensor, require


@dataclass(frozen=True, eq=False)
class Add(Op):
    """`y = min(a + b, maximum)`; both inputs and the output have the same scale, so nothing is requantised."""

    kind = "add"
    arity = 2

    def check(self, inputs: Sequence[Tensor], output: Tensor) -> None:
        for tensor in (*inputs, output):
            require(tensor.dtype == "uint8", f"{tensor.name!r} must be uint8")
            require(tensor.shape == output.shape, f"{tensor.name!r} has shape {tensor.shape}, not {output.shape}")
            require(tensor.scale == output.scale, f"{tensor.name!r} has scale {tensor.scale}, not {output.scale}")

    def reference(self, inputs: Sequence[Array], output: Tensor) -> Array:
        return np.asarray(np.minimum(inputs[0] + inputs[1], output.maximum))
