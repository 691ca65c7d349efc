"""Fully connected layer that ends a network: exact 32-bit logits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pqk_codegen.ir import Array, Op, Tensor, require, require_accumulator, require_array


@dataclass(frozen=True, eq=False)
class FullyConnected(Op):
    """`y[k] = bias[k] + sum over c of weights[k, c] * x[c]`, int32, nothing rounded; one scale for all weights."""

    kind = "fully_connected"

    weights: Array
    """int8 [out, in]."""
    bias: Array
    """int32 [out], in units of the accumulator."""

    def check(self, inputs: Sequence[Tensor], output: Tensor) -> None:
        source = inputs[0]
        require(source.dtype == "int32" and len(source.shape) == 1, "the input must be int32 (channels,)")
        require(output.dtype == "int32" and len(output.shape) == 1, "the output must be int32 (channels,)")
        require_array(self.weights, "weights", "int8", (output.shape[0], source.shape[0]))
        require_array(self.bias, "bias", "int32", output.shape)
        total = np.abs(self.weights.astype(np.int64)).sum(axis=1) * source.maximum
        require_accumulator(int((total + np.abs(self.bias.astype(np.int64))).max()))

    def reference(self, inputs: Sequence[Array], output: Tensor) -> Array:
        del output
        return np.asarray(inputs[0] @ self.weights.T.astype(np.int64) + self.bias)

    @property
    def weight_values(self) -> Array:
        return self.weights

    @property
    def parameters(self) -> int:
        return self.weights.size + self.bias.size

    def _multiplications(self, inputs: Sequence[Tensor], output: Tensor, *, dense: bool) -> int:
        del inputs, output
        return self.weights.size if dense else int(np.count_nonzero(self.weights))
