"""Channels that are 0 whatever the input is are taken out of a network; what it computes stays the same to the bit.

A pass from IR to IR. Training that removes whole filters leaves such channels, and a network without them is smaller
in weights, in activations and in work.
"""

from dataclasses import dataclass, replace

import numpy as np

from pqk_codegen.errors import IrError
from pqk_codegen.ir import Array, Network, Op, Tensor, verify
from pqk_codegen.ops import Add, Append, Conv2d, Convolution, DepthwiseConv2d, FullyConnected, SumPool


def without_dead_channels(network: Network) -> Network:
    """`network` without the channels that cannot be other than 0, verified.

    A channel is known to be 0 where the largest value it can reach is, from the input's range through every operation.
    Operations that pass channels on one by one (add, append, sum_pool, depthwise_conv2d) tie the tensors they read and
    write: a channel goes from all of them, or it stays. A tensor keeps one channel at least.

    Raises IrError for a kind of operation that this pass does not know.
    """
    kept = _kept(network, _bounds(network))
    tensors = {
        name: replace(tensor, shape=(int(kept[name].sum()), *tensor.shape[1:]))
        for name, tensor in network.tensors.items()
    }
    ops = tuple(_narrow(op, kept[op.inputs[0]], kept[op.output]) for op in network.ops)
    return verify(replace(network, tensors=tensors, ops=ops))


@dataclass(frozen=True)
class _Bounds:
    """The smallest and the largest value of each channel: int64 [channels] each, on both sides of 0."""

    low: Array
    high: Array


def _bounds(network: Network) -> dict[str, _Bounds]:
    """By tensor. The output's are its type's: logits are never taken out."""
    source = network.tensors[network.input]
    bounds = {source.name: _all(source)}
    for op in network.ops:
        bounds[op.output] = _bound(op, network, [bounds[name] for name in op.inputs])
    return bounds


def _all(tensor: Tensor) -> _Bounds:
    """What the tensor's type and maximum allow."""
    channels = tensor.shape[0]
    return _Bounds(np.full(channels, tensor.minimum, np.int64), np.full(channels, tensor.maximum, np.int64))


def _bound(op: Op, network: Network, inputs: list[_Bounds]) -> _Bounds:
    sources, output = network.op_tensors(op)
    first = inputs[0]
    if isinstance(op, Convolution):
        high = _largest_output(op, first, output)
        return _Bounds(np.zeros_like(high), high)
    if isinstance(op, Add):
        high = np.minimum(first.high + inputs[1].high, output.maximum)
        return _Bounds(np.zeros_like(high), high)
    if isinstance(op, SumPool):
        positions = op.positions(sources[0])
        return _Bounds(first.low * positions, first.high * positions)
    if isinstance(op, Append):  # the rows of before the first run are 0
        return first
    if isinstance(op, FullyConnected):
        return _all(output)
    raise IrError(f"{op.kind} {op.name!r}: it is not known which of its channels are always 0")


def _largest_output(op: Convolution, source: _Bounds, output: Tensor) -> Array:
    """int64 [out]: no output of the channel is larger. Padding is 0, which lies within the bounds of every channel."""
    weights = op.weights.astype(np.int64)  # [out, in, ...], or [channels, ...] of a depthwise one
    low, high = source.low[:, None, None], source.high[:, None, None]
    reach = np.maximum(weights * low, weights * high).reshape(len(weights), -1).sum(axis=1)
    pooled = np.maximum(reach + op.bias, 0) * (op.pool[0] * op.pool[1])
    scaled = (pooled * op.multiplier.astype(np.int64) + 2 ** (op.shift - 1)) >> op.shift
    return np.asarray(np.minimum(scaled, output.maximum))


def _kept(network: Network, bounds: dict[str, _Bounds]) -> dict[str, Array]:
    """bool [channels] by tensor: which ones stay."""
    kept = {name: (bound.low < 0) | (bound.high > 0) for name, bound in bounds.items()}
    for channels in kept.values():
        channels[0] |= not channels.any()
    tied = [(*op.inputs, op.output) for op in network.ops if isinstance(op, Add | Append | SumPool | DepthwiseConv2d)]
    while any(_tie([kept[name] for name in names]) for names in tied):
        pass
    return kept


def _tie(kept: list[Array]) -> bool:
    """Let every tensor keep what one of them keeps. Returns whether that changed any."""
    union = np.logical_or.reduce(kept)
    changed = any(not np.array_equal(channels, union) for channels in kept)
    for channels in kept:
        channels[:] = union
    return changed


def _narrow(op: Op, read: Array, written: Array) -> Op:
    """`op` for inputs and an output that have these channels left."""
    if isinstance(op, FullyConnected):
        return replace(op, weights=op.weights[:, read])
    if isinstance(op, Convolution):
        weights = op.weights[written][:, read] if isinstance(op, Conv2d) else op.weights[written]
        return replace(op, weights=weights, bias=op.bias[written], multiplier=op.multiplier[written])
    return op
