"""Windows that overlap, computed once: from a network of a whole window to one of the rows that are new.

A window's rows (of time) are the same in the next window, only further up, unless the zero padding at its two ends
reaches them. Those that it does not reach are the interior rows. If the mean is taken over interior rows only, the
network needs no row twice: the chunk network computes the rows that a hop brings and remembers earlier ones (`Append`)
where a window of a convolution reaches back to them, and where the mean does.

Where convolutions stride or pool over rows, windows a hop apart may not have rows in common, but those a few hops apart
do: there are so many phases, each with a state of its own, whose turn it is one after the other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pqk_codegen.errors import IrError
from pqk_codegen.ir import Network, Op, Tensor, verify
from pqk_codegen.ops import Add, Append, Convolution, FullyConnected, SumPool

PREFIX = "chunk_"  # of the names of all operations, which become C names beside those of the whole window's network

Rows = tuple[int, int]
"""The first and the last row."""


@dataclass(frozen=True, eq=False)
class Chunked:
    """A network that gives, from run to run, the logits of windows that are `hop` frames apart."""

    network: Network
    """Its input are some consecutive frames of each window."""
    hop: int
    phases: int
    """Runs take turns with so many states: run i has that of phase i % phases, whichever comes first."""
    first_frame: int
    """Of the window: the first one that a run reads."""
    warm_up: int
    """Runs of a phase, from a fresh state, whose logits are not yet those of the window."""

    @property
    def frames(self) -> int:
        """How many a run reads."""
        return self.network.tensors[self.network.input].shape[1]


def interior_rows(network: Network) -> Rows:
    """The rows of what is averaged that no zero row reaches; the last is before the first if there are none.

    Raises:
        IrError: the network has no mean.
    """
    return _interiors(network)[_mean(network).inputs[0]].rows


def with_interior_mean(network: Network) -> Network:
    """The same network with its mean over interior rows, verified. What follows the mean gets its scale.

    Raises:
        IrError: there are none, or something else than a fully connected layer follows the mean.
    """
    mean = _mean(network)
    (source,), output = network.op_tensors(mean)
    first, last = interior_rows(network)
    if last < first:
        raise IrError(f"{network.arch}: zero padding reaches every row of what is averaged")
    changed = replace(mean, first_row=first, last_row=last)
    positions = changed.positions(source)
    share = positions / mean.positions(source)
    tensors = {**network.tensors}
    tensors[output.name] = replace(output, scale=source.scale / positions, maximum=source.maximum * positions)
    ops: list[Op] = []
    for op in network.ops:
        if mean.output in op.inputs:
            if not isinstance(op, FullyConnected):
                raise IrError(f"{op.kind} {op.name!r} after the mean has no bias to be scaled")
            # A step of the accumulator now stands for more, so the same bias is fewer of them.
            op = replace(op, bias=np.rint(op.bias * share).astype(np.int32))
            logits = tensors[op.output]
            tensors[op.output] = replace(logits, scale=logits.scale / share)
        ops.append(changed if op is mean else op)
    return verify(replace(network, tensors=tensors, ops=tuple(ops)))


def chunked(network: Network, hop: int) -> Chunked:
    """The network that computes what is new in windows `hop` frames apart.

    Raises:
        IrError: rows of different windows are not the same: the mean is over rows that zero padding reaches, or an
            operation is none of those that a chunk network can have.
    """
    if hop < 1:
        raise IrError(f"windows cannot be {hop} frames apart")
    maker = _Maker(network, hop, _interiors(network))
    return maker.chunked()


def shares_rows(network: Network) -> bool:
    """Whether windows of a stream have rows in common: the mean is over interior rows only."""
    try:
        mean, (first, last) = _mean(network), interior_rows(network)
    except IrError:
        return False
    start, stop = mean.rows(network.tensors[mean.inputs[0]])
    return first <= start and stop <= last


def period_of(network: Network, hop: int) -> int:
    """Frames between windows that have all rows in common, of those that are `hop` frames apart.

    Raises:
        IrError: see `chunked`.
    """
    return math.lcm(hop, *(interior.every for interior in _interiors(network).values()))


@dataclass(frozen=True)
class _Interior:
    """Of a tensor with rows: which of them no zero row reaches, and how many frames each is after the one before."""

    rows: Rows
    every: int


def _interiors(network: Network) -> dict[str, _Interior]:
    found = {network.input: _Interior((0, network.tensors[network.input].shape[1] - 1), 1)}
    for op in network.ops:
        if isinstance(op, Convolution):
            found[op.output] = _after_convolution(op, found[op.inputs[0]])
        elif isinstance(op, Add):
            found[op.output] = _common(op, *(found[name] for name in op.inputs))
        elif not isinstance(op, SumPool | FullyConnected):
            raise IrError(f"{op.kind} {op.name!r} cannot be computed in chunks")
    return found


def _after_convolution(op: Convolution, source: _Interior) -> _Interior:
    (first, last), (step, pool, top) = source.rows, (op.stride[0], op.pool[0], op.padding[0])
    start = -(-(first + top) // step)  # before pooling
    stop = (last + top - _reach(op)) // step
    return _Interior((-(-start // pool), (stop + 1) // pool - 1), source.every * step * pool)


def _reach(op: Convolution) -> int:
    """Rows from the first tap of a window to its last."""
    return (op.kernel[0] - 1) * op.dilation[0]


def _common(op: Op, first: _Interior, second: _Interior) -> _Interior:
    if first.every != second.every:
        raise IrError(f"{op.kind} {op.name!r}: the rows of its inputs are not equally far apart in time")
    return _Interior(
        (max(first.rows[0], second.rows[0]), min(first.rows[1], second.rows[1])),
        first.every,
    )


def _mean(network: Network) -> SumPool:
    found = [op for op in network.ops if isinstance(op, SumPool)]
    if len(found) != 1:
        raise IrError(f"{network.arch} has {len(found)} means over rows, not one")
    return found[0]


class _Maker:
    """Goes backwards from the mean to the input for the rows that each operation computes, then writes them down.

    Rows are counted as in the whole window. Each run computes the newest interior rows of a tensor, at most so many as
    are new since the last run of its phase.
    """

    def __init__(self, network: Network, hop: int, interiors: dict[str, _Interior]) -> None:
        self.network, self.hop, self.interiors = network, hop, interiors
        self.period = period_of(network, hop)
        self.computed: dict[str, Rows] = {}
        self.tensors: dict[str, Tensor] = {}
        self.ops: list[Op] = []

    def chunked(self) -> Chunked:
        network = self.network
        for op in reversed(network.ops):
            self._plan(op.output)
        self.computed[network.input] = self._wanted(network.input)
        self._tensor(network.tensors[network.input], self.computed[network.input])
        for op in network.ops:
            self._write(op)
        made = replace(network, tensors=self.tensors, ops=tuple(self.ops))
        phases, first_frame = self.period // self.hop, self.computed[network.input][0]
        warm_up = -(-(first_frame - self._oldest_frame()) // self.period)
        return Chunked(verify(made), self.hop, phases, first_frame, warm_up)

    def _oldest_frame(self) -> int:
        """Of those that the logits of a window depend on."""
        oldest: dict[str, int] = {}
        for op in reversed(self.network.ops):
            if isinstance(op, SumPool):
                first = op.first_row
            elif isinstance(op, Convolution):
                first = oldest[op.output] * op.pool[0] * op.stride[0] - op.padding[0]
            elif isinstance(op, Add):
                first = oldest[op.output]
            else:
                continue
            for name in op.inputs:
                oldest[name] = min(first, oldest.get(name, first))
        return oldest[self.network.input]

    def _plan(self, tensor: str) -> None:
        """Decide which rows of a tensor a run computes; those of its readers are decided."""
        if tensor in self.interiors:
            first, newest = self._wanted(tensor)[0], self.interiors[tensor].rows[1]
            fresh = self.period // self.interiors[tensor].every
            self.computed[tensor] = max(first, newest - fresh + 1), newest

    def _wanted(self, tensor: str) -> Rows:
        """The rows that all readers of a tensor need together."""
        needs = [self._needs(op) for op in self._readers(tensor)]
        return min(first for first, _ in needs), max(last for _, last in needs)

    def _needs(self, op: Op) -> Rows:
        """The rows of its inputs that an operation needs for the rows that it computes."""
        if isinstance(op, SumPool):
            return self._averaged(op)
        first, last = self.computed[op.output]
        if isinstance(op, Convolution):
            (step, pool, top) = (op.stride[0], op.pool[0], op.padding[0])
            return first * pool * step - top, (last * pool + pool - 1) * step - top + _reach(op)
        return first, last

    def _averaged(self, op: SumPool) -> Rows:
        rows = op.rows(self.network.tensors[op.inputs[0]])
        first, last = self.interiors[op.inputs[0]].rows
        if rows[0] < first or rows[1] > last:
            raise IrError(
                f"{self.network.arch} averages rows {rows[0]}..{rows[1]}, and zero padding leaves {first}..{last}: "
                "windows have no rows in common"
            )
        return rows

    def _write(self, op: Op) -> None:
        output = self.network.tensors[op.output]
        if isinstance(op, FullyConnected):
            inputs: Sequence[str] = op.inputs
        else:
            inputs = [self._rows(op, index) for index in range(op.arity)]
        changed = replace(op, name=PREFIX + op.name, inputs=tuple(inputs))
        if isinstance(changed, Convolution):
            _, left, _, right = changed.padding
            changed = replace(changed, padding=(0, left, 0, right))
        elif isinstance(changed, SumPool):
            changed = replace(changed, first_row=0, last_row=None)
        self._tensor(output, self.computed.get(op.output))
        self.ops.append(changed)

    def _rows(self, op: Op, index: int) -> str:
        """Name of a tensor with exactly the rows that an operation needs of an input."""
        name, (first, last) = op.inputs[index], self._needs(op)
        start, newest = self.computed[name]
        if (first, last) == (start, newest):
            return name
        if first < start:
            name, (start, newest) = self._joined(name)
        if (first, last) == (start, newest):
            return name
        cut = f"{name}_for_{op.name}"
        self._append(name, cut, (first, last), history=0, skipped=first - start)
        return cut

    def _joined(self, name: str) -> tuple[str, Rows]:
        """A tensor with all rows of another that some operation needs, and that are older than what is computed."""
        joined, start = f"{name}_rows", self.computed[name][0]
        needs = [rows for rows in map(self._needs, self._readers(name)) if rows[0] < start]
        rows = min(first for first, _ in needs), max(last for _, last in needs)
        if joined not in self.tensors:
            self._append(name, joined, rows, history=start - rows[0], skipped=0)
        return joined, rows

    def _append(self, source: str, output: str, rows: Rows, *, history: int, skipped: int) -> None:
        self._tensor(replace(self.tensors[source], name=output), rows)
        self.ops.append(Append(PREFIX + output, (source,), output, history, skipped))

    def _readers(self, tensor: str) -> list[Op]:
        return [op for op in self.network.ops if tensor in op.inputs]

    def _tensor(self, tensor: Tensor, rows: Rows | None) -> None:
        shape = tensor.shape
        if rows:
            shape = (shape[0], rows[1] - rows[0] + 1, shape[2])
        self.tensors[tensor.name] = replace(tensor, shape=shape)
