"""The networks that `pqk-mcu bench` measures: published shapes with seeded weights, pruned and quantised; no training.

Weights are Gaussian and the same for every sparsity and number of bits. In every layer the same share of them is zero,
those of smallest magnitude, in the first convolution and the fully connected layer too; only DS-CNN's depthwise
layers stay dense at every sparsity. What is left is quantised with one step for each output channel (one for the whole
fully connected layer), largest magnitude / (2**(bits - 1) - 1), to integers that are not zero, so that the share of
zeros is exactly the one that was asked for.

Biases and multipliers are calibrated as training would have them: random inputs run through the integer reference
layer by layer, each channel's bias centres its sums as batch normalisation does, and its multiplier brings their high
quantile to `LEVEL`, or as near as a factor below a half can (a channel that is hardly ever above zero).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pqk_codegen.fold import fold_conv
from pqk_codegen.ir import Network, Op, Tensor, verify
from pqk_codegen.ops import Add, Conv2d, Convolution, DepthwiseConv2d, FullyConnected, SumPool

Array = NDArray[Any]

CLASSES = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "_silence_", "_unknown_")
MAXIMUM = 127  # unsigned 7-bit activations
SCALE = 4 / MAXIMUM  # one for all activations: what is added to a residual must have the residual's
CALIBRATION_INPUTS = 4
QUANTILE = 0.99
LEVEL = 100.0  # what an activation's high quantile becomes
RESIDUAL_LEVEL = 50.0  # the same for what is summed up along a residual stream
LARGEST_BIAS = 2000  # of a channel whose sums fit 16 bits
LARGEST_FACTOR = 0.49  # real factor of a multiplier; below a half the shift is 32
SUM_LIMIT = 2**15  # of a 16-bit sum
DS_CNN_PAIRS = 4
RES8_BLOCKS = 3


def random_inputs(network: Network, rng: np.random.Generator, count: int) -> Array:
    """Inputs [count, channels, height, width] of the input's type, uniform over its range."""
    source = network.tensors[network.input]
    return rng.integers(source.minimum, source.maximum + 1, (count, *source.shape)).astype(source.dtype)


def res8_narrow(sparsity: float, bits: int, seed: int = 0) -> Network:
    """19 channels; see `NETWORKS`."""
    return _res8("res8-narrow", 19, sparsity, bits, seed)


def res8(sparsity: float, bits: int, seed: int = 0) -> Network:
    """45 channels; see `NETWORKS`."""
    return _res8("res8", 45, sparsity, bits, seed)


def ds_cnn(sparsity: float, bits: int, seed: int = 0) -> Network:
    """MLPerf Tiny's keyword spotting network: MFCC [49, 10], 64 channels, depthwise layers dense; see `NETWORKS`."""
    chain = _Chain((1, 49, 10), "int8", sparsity, bits, seed)
    chain.conv("conv0", 64, (10, 4), stride=(2, 2), padding=(4, 1, 5, 1))
    for pair in range(1, DS_CNN_PAIRS + 1):
        chain.depthwise(f"depthwise{pair}", (3, 3), padding=(1, 1, 1, 1))
        chain.conv(f"pointwise{pair}", 64, (1, 1))
    return chain.finish("ds-cnn")


NETWORKS: dict[str, Callable[[float, int, int], Network]] = {
    "res8-narrow": res8_narrow,
    "res8": res8,
    "ds-cnn": ds_cnn,
}
"""Makers of verified networks: share of zeros in every layer (0 <= sparsity < 1), bits of the weights (2..8), seed of
weights and calibration. Equal arguments give equal networks."""


def _res8(name: str, channels: int, sparsity: float, bits: int, seed: int) -> Network:
    """Tang & Lin 2018: one convolution with a 4x3 average pool, three residual blocks, mean, classifier."""
    chain = _Chain((1, 101, 40), "uint8", sparsity, bits, seed)
    chain.conv("conv0", channels, (3, 3), padding=(1, 1, 1, 1), pool=(4, 3), level=RESIDUAL_LEVEL)
    for block in range(1, RES8_BLOCKS + 1):
        residual = chain.current
        chain.conv(f"conv{2 * block - 1}", channels, (3, 3), padding=(1, 1, 1, 1))
        chain.conv(f"conv{2 * block}", channels, (3, 3), padding=(1, 1, 1, 1), level=RESIDUAL_LEVEL)
        chain.add(f"add{block}", residual)
    return chain.finish(name)


class _Chain:
    """A network that grows layer by layer, each calibrated on what the layers before it make of random inputs."""

    def __init__(self, shape: tuple[int, int, int], dtype: str, sparsity: float, bits: int, seed: int) -> None:
        self._sparsity, self._bits, self._largest = sparsity, bits, 2 ** (bits - 1) - 1
        # Separate streams, so that the weights depend on nothing but the seed.
        self._weights, self._biases, inputs = (np.random.default_rng([seed, stream]) for stream in range(3))
        largest = {"uint8": 255, "int8": 127}[dtype]
        self._tensors: dict[str, Tensor] = {}
        self._ops: list[Op] = []
        source = self._tensor("input", shape, dtype, SCALE, largest)
        drawn = inputs.integers(source.minimum, source.maximum + 1, (CALIBRATION_INPUTS, *shape))
        self._values: dict[str, Array] = {source.name: drawn.astype(np.int64)}

    def conv(
        self,
        name: str,
        channels: int,
        kernel: tuple[int, int],
        *,
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
        pool: tuple[int, int] = (1, 1),
        level: float = LEVEL,
    ) -> None:
        """Append a convolution with ReLU and average pool."""
        shape = (channels, self.current.shape[0], *kernel)
        weights = quantise(prune(self._weights.normal(size=shape), self._sparsity), self._largest)
        self._convolution(Conv2d, name, weights, stride, padding, pool, level)

    def depthwise(self, name: str, kernel: tuple[int, int], *, padding: tuple[int, int, int, int]) -> None:
        """Append a depthwise convolution with ReLU, of which no weight is pruned."""
        weights = quantise(self._weights.normal(size=(self.current.shape[0], *kernel)), self._largest)
        self._convolution(DepthwiseConv2d, name, weights, (1, 1), padding, (1, 1), LEVEL)

    def add(self, name: str, residual: Tensor) -> None:
        """Append the addition of `residual` to the current tensor."""
        inputs = (self.current.name, residual.name)
        self._append(Add(name, inputs, f"{name}_out"), residual.shape, "uint8", SCALE, MAXIMUM)

    def finish(self, arch: str) -> Network:
        """Append mean and fully connected layer and return the verified network."""
        source = self.current
        positions = source.shape[1] * source.shape[2]
        mean = SumPool("mean", (source.name,), "mean_out")
        self._append(mean, source.shape[:1], "int32", source.scale / positions, positions * MAXIMUM)
        pruned = prune(self._weights.normal(size=(len(CLASSES), *source.shape[:1])), self._sparsity)
        weights = quantise(pruned[None], self._largest)[0]  # as one channel, hence with one step
        spread = np.std(self._values["mean_out"] @ weights.T.astype(np.int64))
        bias = np.rint(self._biases.normal(0, 0.1 * spread, len(CLASSES))).astype(np.int32)
        fully = FullyConnected("fc", ("mean_out",), "logits", weights, bias)
        self._append(fully, (len(CLASSES),), "int32", 1.0, 2**31 - 1)
        return verify(
            Network(arch, CLASSES, self._bits, "input", "logits", self._tensors, tuple(self._ops), {"kind": "random"})
        )

    @property
    def current(self) -> Tensor:
        """What the last layer writes."""
        return next(reversed(self._tensors.values()))

    def _convolution(
        self,
        kind: type[Convolution],
        name: str,
        weights: Array,
        stride: tuple[int, int],
        padding: tuple[int, int, int, int],
        pool: tuple[int, int],
        level: float,
    ) -> None:
        source, x = self.current, self._values[self.current.name]
        zeros = np.zeros(len(weights), np.int32)
        bare = kind(
            name, (source.name,), f"{name}_out", weights, zeros, zeros, stride=stride, padding=padding, pool=pool
        )
        bias = self._bias(bare, x, source)
        pooled = dataclasses.replace(bare, bias=bias).pooled(x)
        factor = np.minimum(level / _high(pooled), LARGEST_FACTOR) * pool[0] * pool[1]  # of a single sum
        folded = fold_conv(
            weights.reshape(len(weights), -1, 1, 1),
            np.ones(len(weights)),
            factor,
            bias * factor,
            input_scale=1,
            output_scale=1,
            pool=pool,
        )
        op = dataclasses.replace(bare, bias=folded.bias, multiplier=folded.multiplier, shift=folded.shift)
        self._append(op, pooled.shape[1:], "uint8", SCALE, MAXIMUM)

    def _bias(self, op: Convolution, x: Array, source: Tensor) -> Array:
        """int32 [out]: what centres each channel's sums, roughly, within the limits of `_bias_limit`."""
        sums = op.sums(x)
        mean, spread = sums.mean(axis=(0, 2, 3)), sums.std(axis=(0, 2, 3))
        wanted = 0.3 * spread * self._biases.normal(size=len(mean)) - mean
        limit = _bias_limit(op, source)
        return np.asarray(np.rint(np.clip(wanted, -limit, limit)), np.int32)

    def _append(self, op: Op, shape: tuple[int, ...], dtype: str, scale: float, maximum: int) -> None:
        output = self._tensor(op.output, shape, dtype, scale, maximum)
        self._values[output.name] = op.reference([self._values[name] for name in op.inputs], output)
        self._ops.append(op)

    def _tensor(self, name: str, shape: tuple[int, ...], dtype: str, scale: float, maximum: int) -> Tensor:
        self._tensors[name] = Tensor(name, tuple(shape), dtype, scale, maximum)
        return self._tensors[name]


def prune(weights: Array, sparsity: float) -> Array:
    """The weights with the share `sparsity` of them, those of smallest magnitude, set to zero."""
    flat = weights.ravel().copy()
    flat[np.argsort(np.abs(flat), kind="stable")[: round(sparsity * flat.size)]] = 0
    return flat.reshape(weights.shape)


def quantise(weights: Array, limit: int | Array) -> Array:
    """int8 of the same shape [out, ...]: symmetric, one step for each output channel; only zero becomes zero.

    `limit`: the largest integer, of all channels or of each [out].
    """
    largest = np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True)
    step = np.where(largest > 0, largest, 1) / np.broadcast_to(limit, len(weights)).reshape(largest.shape)
    magnitude = np.maximum(np.rint(np.abs(weights) / step), 1)
    return np.asarray((np.sign(weights) * magnitude).astype(np.int8))


def _bias_limit(op: Convolution, source: Tensor) -> Array:
    """float64 [out]: the largest bias with which sums that fit 16 bits go on to fit them, at most LARGEST_BIAS.

    Sums that do not fit anyway may have a sixteenth of their range; a channel without weights gets none.
    """
    weights = op.weights.astype(np.int64).reshape(len(op.weights), -1)
    positive, negative = (np.maximum(sign * weights, 0).sum(axis=1) for sign in (1, -1))
    high = positive * source.maximum - negative * source.minimum
    low = negative * source.maximum - positive * source.minimum
    room = SUM_LIMIT - np.maximum(high, low)
    limit = np.where(room > 0, np.minimum(room / 2, LARGEST_BIAS), (high + low) / 16)
    return np.asarray(np.where(high + low > 0, limit, 0))


def _high(pooled: Array) -> Array:
    """float64 [out]: each channel's high quantile; the layer's median where a channel is never above zero."""
    high = np.quantile(pooled, QUANTILE, axis=(0, 2, 3))
    alive = high[high > 0]
    return np.asarray(np.where(high > 0, high, np.median(alive) if alive.size else 1.0))
