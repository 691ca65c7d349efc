"""The intermediate representation: tensors, operations in execution order, and the rules they keep.

All arithmetic is integer. What an operation computes is defined by its `reference` method (`pqk_codegen.ops`),
which the C kernels equal bit for bit.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pqk_codegen.errors import IrError

Array = npt.NDArray[Any]

DTYPE_RANGES = {"uint8": (0, 255), "int8": (-128, 127), "int32": (-(2**31), 2**31 - 1)}
NEWER = "newer"
"""Marks, in its metadata, an attribute that older files lack: they get its default."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Tensor:
    """A value of the network: integers `q` that stand for the real numbers `q * scale` (zero point 0)."""

    name: str
    shape: tuple[int, ...]
    """(channels, height, width) or (channels,)."""
    dtype: str
    scale: float
    maximum: int
    """Largest value an element can take; 127 for a 7-bit activation in a uint8."""

    @property
    def minimum(self) -> int:
        """Smallest value an element can take."""
        return DTYPE_RANGES[self.dtype][0]

    @property
    def magnitude(self) -> int:
        """Largest absolute value an element can take."""
        return max(self.maximum, -self.minimum)

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Op(ABC):
    """One operation. Fields that are arrays are weights; the others are attributes."""

    kind: ClassVar[str]
    arity: ClassVar[int] = 1

    name: str
    inputs: tuple[str, ...]
    output: str

    @abstractmethod
    def check(self, inputs: Sequence[Tensor], output: Tensor) -> None:
        """Raise IrError unless shapes, types, scales and value ranges fit together."""

    @abstractmethod
    def reference(self, inputs: Sequence[Array], output: Tensor) -> Array:
        """The definition of the arithmetic, from a fresh state. Arrays are int64 [n, *shape]; so is the result."""

    @property
    def has_state(self) -> bool:
        """Whether the result depends on earlier runs of the network."""
        return False

    def fresh_state(self, inputs: Sequence[Tensor], n: int) -> Array:
        """What an operation with a state knows before the first run: int64 [n, ...] for n sequences of runs."""
        del inputs
        return np.zeros((n, 0), np.int64)

    def advance(self, inputs: Sequence[Array], state: Array, output: Tensor) -> tuple[Array, Array]:
        """The result of a run, see `reference`, and the state after it."""
        return self.reference(inputs, output), state

    @property
    def weight_values(self) -> Array | None:
        """The multiplied weights (pruning and weight bits count these), or None."""
        return None

    @property
    def parameters(self) -> int:
        """Trained numbers of the operation as published counts have them (weights, and biases that are not folded)."""
        return 0

    def macs(self, inputs: Sequence[Tensor], output: Tensor) -> int:
        """Multiply-accumulates of a dense implementation (every weight, no skipped padding)."""
        return self._multiplications(inputs, output, dense=True)

    def nonzero_macs(self, inputs: Sequence[Tensor], output: Tensor) -> int:
        """Multiply-accumulates with a weight that is not zero."""
        return self._multiplications(inputs, output, dense=False)

    def _multiplications(self, inputs: Sequence[Tensor], output: Tensor, *, dense: bool) -> int:
        del inputs, output, dense  # an operation without weights multiplies nothing
        return 0


@dataclass(frozen=True)
class Network:
    """A whole network. `ops` are in execution order; `tensors` holds every value by name."""

    arch: str
    classes: tuple[str, ...]
    weight_bits: int
    input: str
    output: str
    tensors: Mapping[str, Tensor]
    ops: tuple[Op, ...]
    front_end: Mapping[str, Any] = field(default_factory=dict)
    """What the features were made with; carried along for the record."""

    def op_tensors(self, op: Op) -> tuple[list[Tensor], Tensor]:
        """The tensors `op` reads, and the one it writes."""
        return [self.tensors[name] for name in op.inputs], self.tensors[op.output]

    @property
    def has_state(self) -> bool:
        """Whether a run depends on the runs before it."""
        return any(op.has_state for op in self.ops)

    @property
    def parameters(self) -> int:
        """Weights and fully connected biases (a folded BatchNorm counts nothing, as in published counts)."""
        return sum(op.parameters for op in self.ops)

    @property
    def weights(self) -> int:
        """Number of weights, zero or not."""
        return sum(values.size for values in self._weight_arrays())

    @property
    def nonzeros(self) -> int:
        """Number of weights that are not zero."""
        return sum(int(np.count_nonzero(values)) for values in self._weight_arrays())

    def _weight_arrays(self) -> list[Array]:
        return [op.weight_values for op in self.ops if op.weight_values is not None]


def verify(network: Network) -> Network:
    """Check every rule of the representation and return `network`.

    Raises:
        IrError: naming the operation or tensor and what is wrong with it.
    """
    _verify_tensors(network)
    written = {network.input}
    names: set[str] = set()
    for op in network.ops:
        _verify_name(op.name, names)
        _verify_wiring(network, op, written)
        inputs, output = network.op_tensors(op)
        try:
            op.check(inputs, output)
            _verify_weight_bits(op, network.weight_bits)
        except IrError as error:
            raise IrError(f"{op.kind} {op.name!r}: {error}") from error
        written.add(op.output)
    _verify_ends(network, written)
    return network


def _verify_tensors(network: Network) -> None:
    names: set[str] = set()
    for key, tensor in network.tensors.items():
        _verify_name(tensor.name, names)
        if key != tensor.name:
            raise IrError(f"tensor {tensor.name!r} is filed under {key!r}")
        if tensor.dtype not in DTYPE_RANGES:
            raise IrError(f"tensor {key!r}: unknown type {tensor.dtype!r} (known: {', '.join(DTYPE_RANGES)})")
        if len(tensor.shape) not in (1, 3) or min(tensor.shape) < 1:
            raise IrError(f"tensor {key!r}: shape {tensor.shape} is neither (channels, height, width) nor (channels,)")
        if not (math.isfinite(tensor.scale) and tensor.scale > 0):
            raise IrError(f"tensor {key!r}: scale {tensor.scale} is not a positive number")
        if not 0 < tensor.maximum <= DTYPE_RANGES[tensor.dtype][1]:
            raise IrError(f"tensor {key!r}: maximum {tensor.maximum} does not fit {tensor.dtype}")


def _verify_name(name: str, seen: set[str]) -> None:
    if not _NAME.fullmatch(name):
        raise IrError(f"name {name!r} is not of lower-case letters, digits and underscores")
    if name in seen:
        raise IrError(f"name {name!r} is used twice")
    seen.add(name)


def _verify_wiring(network: Network, op: Op, written: set[str]) -> None:
    if len(op.inputs) != op.arity:
        raise IrError(f"{op.kind} {op.name!r} has {len(op.inputs)} inputs, not {op.arity}")
    for name in (*op.inputs, op.output):
        if name not in network.tensors:
            raise IrError(f"{op.kind} {op.name!r} names tensor {name!r}, which does not exist")
    for name in op.inputs:
        if name not in written:
            raise IrError(f"{op.kind} {op.name!r} reads {name!r} before anything has written it")
    if op.output in written:
        raise IrError(f"{op.kind} {op.name!r} writes {op.output!r}, which is written already")


def _verify_weight_bits(op: Op, bits: int) -> None:
    limit = 2 ** (bits - 1) - 1
    if op.weight_values is not None and np.abs(op.weight_values.astype(np.int64)).max(initial=0) > limit:
        raise IrError(f"a weight lies outside -{limit}..{limit} ({bits} bits, symmetric)")


def _verify_ends(network: Network, written: set[str]) -> None:
    for role, name in (("input", network.input), ("output", network.output)):
        if name not in network.tensors:
            raise IrError(f"the network's {role} {name!r} does not exist")
    unwritten = set(network.tensors) - written
    if unwritten:
        raise IrError(f"nothing writes tensor {min(unwritten)!r}")
    output, source = network.tensors[network.output], network.tensors[network.input]
    if output.shape != (len(network.classes),) or output.dtype != "int32":
        raise IrError(f"output {output.name!r} must be int32 ({len(network.classes)},), one logit per class")
    if len(source.shape) != 3 or source.dtype == "int32":
        raise IrError(f"input {source.name!r} must be uint8 or int8 (channels, height, width)")
    if network.output in {name for op in network.ops for name in op.inputs} or not network.ops:
        raise IrError(f"output {network.output!r} must be the result of the last operation")


def require(condition: bool, message: str) -> None:
    """Raise IrError(message) unless `condition` holds."""
    if not condition:
        raise IrError(message)


def require_array(array: Array, name: str, dtype: str, shape: tuple[int, ...]) -> None:
    """Raise IrError unless `array` has exactly this type and shape."""
    require(array.dtype == np.dtype(dtype), f"{name} must be {dtype}, not {array.dtype}")
    require(array.shape == shape, f"{name} must have shape {shape}, not {array.shape}")


def require_accumulator(largest: int) -> None:
    """Raise IrError unless sums up to `largest` in magnitude fit a 32-bit accumulator."""
    require(largest < 2**31, f"sums can reach {largest}, beyond a 32-bit accumulator")
