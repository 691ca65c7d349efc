"""Global average pooling, exact: the division lives in the scale."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pqk_codegen.ir import Array, Op, Tensor, require, require_accumulator


@dataclass(frozen=True, eq=False)
class SumPool(Op):
    """`y[c]` = sum of the channel's positions, int32. The output's scale is the input's divided by their number."""

    kind = "sum_pool"

    def check(self, inputs: Sequence[Tensor], output: Tensor) -> None:
        source = inputs[0]
        require(source.dtype in ("uint8", "int8") and len(source.shape) == 3, "the input must be 8-bit planes")
        require(output.dtype == "int32", "the output must be int32")
        require(output.shape == source.shape[:1], f"the output has shape {output.shape}, not {source.shape[:1]}")
        positions = source.shape[1] * source.shape[2]
        require_accumulator(positions * source.magnitude)
        require(
            bool(np.isclose(output.scale * positions, source.scale, rtol=1e-6)),
            f"the output's scale must be the input's divided by {positions}",
        )
        require(output.maximum >= positions * source.maximum, f"a sum can exceed {output.maximum}")

    def reference(self, inputs: Sequence[Array], output: Tensor) -> Array:
        del output
        return np.asarray(inputs[0].sum(axis=(2, 3)))
