"""Rows that earlier runs of the network have seen, above those of this one: the only operation with a memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pqk_codegen.ir import Array, Op, Tensor, require


@dataclass(frozen=True, eq=False)
class Append(Op):
    """The last `history` rows of the inputs of earlier runs and then the input's, oldest first, without the first
    `first` of them; the output has as many as fit it. Before the first run all rows were zero.
    """

    kind = "append"

    history: int
    first: int = 0

    def check(self, inputs: Sequence[Tensor], output: Tensor) -> None:
        source = inputs[0]
        require(source.dtype in ("uint8", "int8") and len(source.shape) == 3, "the input must be 8-bit planes")
        same = (source.dtype, source.scale, source.maximum) == (output.dtype, output.scale, output.maximum)
        require(same, "input and output differ in type, scale or maximum")
        require(len(output.shape) == 3, "the output must be planes")
        channels, rows, width = output.shape
        require((channels, width) == source.shape[::2], "only the number of rows may change")
        require(min(self.history, self.first) >= 0, "history and first row must not be negative")
        there = self.history + source.shape[1] - self.first
        require(rows <= there, f"the output has {rows} rows, of which only {there} are there")

    @property
    def has_state(self) -> bool:
        return self.history > 0

    def fresh_state(self, inputs: Sequence[Tensor], n: int) -> Array:
        channels, _, width = inputs[0].shape
        return np.zeros((n, channels, self.history, width), np.int64)

    def advance(self, inputs: Sequence[Array], state: Array, output: Tensor) -> tuple[Array, Array]:
        rows = np.concatenate([state, inputs[0]], axis=2)
        kept = rows[:, :, rows.shape[2] - self.history :]
        return rows[:, :, self.first : self.first + output.shape[1]], kept

    def reference(self, inputs: Sequence[Array], output: Tensor) -> Array:
        n, channels, _, width = inputs[0].shape
        return self.advance(inputs, np.zeros((n, channels, self.history, width), np.int64), output)[0]
