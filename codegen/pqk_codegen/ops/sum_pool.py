"""Global average pooling over all rows or some of them, exact: the division lives in the scale."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pqk_codegen.ir import NEWER, Array, Op, Tensor, require, require_accumulator


@dataclass(frozen=True, eq=False)
class SumPool(Op):
    """`y[c]` = sum of the channel's positions in some rows, int32. The output's scale is the input's divided by
    their number.
    """

    kind = "sum_pool"

    first_row: int = field(default=0, metadata={NEWER: True})
    last_row: int | None = field(default=None, metadata={NEWER: True})
    """The last one that counts; None: the input's last."""

    def rows(self, source: Tensor) -> tuple[int, int]:
        """The first and the last row of the input that count."""
        return self.first_row, source.shape[1] - 1 if self.last_row is None else self.last_row

    def positions(self, source: Tensor) -> int:
        """How many elements of a channel are summed up."""
        first, last = self.rows(source)
        return (last - first + 1) * source.shape[2]

    def check(self, inputs: Sequence[Tensor], output: Tensor) -> None:
        source = inputs[0]
        require(source.dtype in ("uint8", "int8") and len(source.shape) == 3, "the input must be 8-bit planes")
        require(output.dtype == "int32", "the output must be int32")
        require(output.shape == source.shape[:1], f"the output has shape {output.shape}, not {source.shape[:1]}")
        first, last = self.rows(source)
        require(0 <= first <= last < source.shape[1], f"rows {first}..{last} are not rows of {source.shape}")
        positions = self.positions(source)
        require_accumulator(positions * source.magnitude)
        require(
            bool(np.isclose(output.scale * positions, source.scale, rtol=1e-6)),
            f"the output's scale must be the input's divided by {positions}",
        )
        require(output.maximum >= positions * source.maximum, f"a sum can exceed {output.maximum}")

    def reference(self, inputs: Sequence[Array], output: Tensor) -> Array:
        del output
        stop = None if self.last_row is None else self.last_row + 1
        return np.asarray(inputs[0][:, :, self.first_row : stop].sum(axis=(2, 3)))
