"""Runs a network with the reference arithmetic. What this computes is, by definition, right."""

from collections.abc import Mapping

import numpy as np

from pqk_codegen.errors import IrError
from pqk_codegen.ir import DTYPE_RANGES, Array, Network, Tensor

BATCH = 32  # clips at a time: bounds the memory that unpooled activations take


def run(network: Network, x: Array) -> dict[str, Array]:
    """Every tensor of the network for inputs `x`.

    Args:
        network: a verified network.
        x: integers [n, channels, height, width] within the input's range.

    Returns:
        int64 arrays [n, *shape] by tensor name.

    Raises:
        IrError: the input's shape or range is wrong, or a result leaves its tensor's range (a bug in an operation),
            or the network has a state (see `advance`).
    """
    if network.has_state:
        raise IrError(f"{network.arch} has a state: what it computes depends on the runs before")
    return advance(network, x, fresh_state(network, len(x)))[0]


State = Mapping[str, Array]
"""What the operations of a network know of earlier runs, by operation: int64 [n, ...] for n sequences of runs."""


def fresh_state(network: Network, n: int) -> State:
    """The state of `n` sequences before their first run."""
    return {op.name: op.fresh_state(network.op_tensors(op)[0], n) for op in network.ops if op.has_state}


def advance(network: Network, x: Array, state: State) -> tuple[dict[str, Array], State]:
    """One run of `n` sequences at once: every tensor, see `run`, and the state after it."""
    after = dict(state)
    values = {network.input: _checked(np.asarray(x), network.tensors[network.input])}
    for op in network.ops:
        _, output = network.op_tensors(op)
        operands = [values[name] for name in op.inputs]
        if op.has_state:
            result, after[op.name] = op.advance(operands, state[op.name], output)
        else:
            result = op.reference(operands, output)
        values[op.output] = _checked(result, output)
    return values, after


def logits(network: Network, x: Array) -> Array:
    """int64 [n, classes]: the network's output, computed in batches; see `run`."""
    parts = [run(network, x[start : start + BATCH])[network.output] for start in range(0, len(x), BATCH)]
    empty = np.zeros((0, len(network.classes)), np.int64)
    return np.concatenate([empty, *parts])


def _checked(values: Array, tensor: Tensor) -> Array:
    if values.shape[1:] != tensor.shape:
        raise IrError(f"tensor {tensor.name!r} got shape {values.shape[1:]}, not {tensor.shape}")
    low, high = tensor.minimum, min(tensor.maximum, DTYPE_RANGES[tensor.dtype][1])
    if values.size and (values.min() < low or values.max() > high):
        raise IrError(f"tensor {tensor.name!r} got values {values.min()}..{values.max()}, not in {low}..{high}")
    return values.astype(np.int64)
