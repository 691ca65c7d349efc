"""From a trained network to integers: folding, the exact integer forward pass, and the IR for the generator.

The forward pass and the IR take the same folded integers, so the trainer's labels and logits are those of
`pqk_codegen.interpreter`, and of the device.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import torch
import torch.nn.functional as F
from pqk_codegen.fold import FoldedConv, fold_conv
from pqk_codegen.ir import Network as IrNetwork
from pqk_codegen.ir import Op, verify
from pqk_codegen.ir import Tensor as IrTensor
from pqk_codegen.ops import Add, Conv2d, DepthwiseConv2d, FullyConnected, SumPool
from torch import Tensor, nn

from pqk.errors import ProjectError
from pqk.frontend import FrontEnd
from pqk.train.arithmetic import RealArithmetic
from pqk.train.networks.layers import Block, Classifier, Convolution, Network
from pqk.train.quantize import QuantizedWeight, on_grid

LARGEST_INPUT = 255
"""Of all that a layer reads, network input and activations."""
EXACT_IN_FLOAT32 = 2**24
"""Below it, every integer is a float32."""


@dataclass(frozen=True)
class InputFormat:
    """What the network reads: integers of `dtype` [1, frames, bands]; real value = integer * scale."""

    shape: tuple[int, int, int]
    dtype: str
    scale: float

    @classmethod
    def of(cls, front_end: FrontEnd) -> "InputFormat":
        """One clip's features."""
        return cls((1, front_end.frames, front_end.features_per_frame), front_end.dtype, front_end.scale)


@dataclass(frozen=True)
class Quantization:
    """Everything a trained network needs to become integers."""

    weight_bits: int
    """Of the largest integer."""
    activation_bits: int
    weights: Mapping[str, QuantizedWeight]
    """By layer."""
    steps: Mapping[str, float]
    """Activation steps by stream."""


@dataclass(frozen=True)
class Integers:
    """The integer parameters of a network, by layer; none where the network is not integral."""

    input: InputFormat
    quantization: Quantization
    convolutions: Mapping[str, FoldedConv]
    classifiers: Mapping[str, "IntegerClassifier"]


@dataclass(frozen=True)
class IntegerClassifier:
    """int8 weights [classes, inputs], int32 bias, and the real value of one unit of a logit."""

    weights: np.ndarray[Any, Any]
    bias: np.ndarray[Any, Any]
    scale: float


def fold(network: Network, quantization: Quantization, source: InputFormat) -> Integers:
    """Integers of `network`: batch normalisation (running statistics) and scales become biases and multipliers.

    A network that has layers without integer arithmetic keeps its quantised weights and steps alone.
    """
    folder = _Folder(quantization)
    if not network.integral:
        return Integers(source, quantization, {}, {})
    network.interpret(folder, _Real(source.scale, source.shape[1:]))
    return Integers(source, quantization, folder.convolutions, folder.classifiers)


@dataclass(frozen=True)
class _Real:
    """What folding has to know of an activation: the real value of one unit, and the number of positions."""

    scale: float
    size: tuple[int, ...]


class _Integral:
    """What is integer arithmetic has no blocks."""

    def block(self, layer: Block, x: object) -> NoReturn:
        del x
        raise AssertionError(f"{layer.name}: an integral network has no blocks")


class _Folder(_Integral):
    """`Arithmetic` that follows the scales through a network and folds each layer."""

    def __init__(self, quantization: Quantization) -> None:
        self._quantization = quantization
        self.convolutions: dict[str, FoldedConv] = {}
        self.classifiers: dict[str, IntegerClassifier] = {}

    def convolution(self, layer: Convolution, x: _Real) -> _Real:
        weight, scale = self._quantization.weights[layer.name], self._quantization.steps[layer.stream]
        bn_scale, bn_shift = affine(layer)
        self.convolutions[layer.name] = fold_conv(
            to_numpy(weight.integers).astype(np.int8),
            to_numpy(weight.step).reshape(-1),
            bn_scale,
            bn_shift,
            input_scale=x.scale,
            output_scale=scale,
            pool=layer.pool,
        )
        return _Real(scale, layer.output_size((x.size[0], x.size[1])))

    def add(self, stream: str, a: _Real, b: _Real) -> _Real:
        del stream, b
        return a

    def mean(self, x: _Real) -> _Real:
        return _Real(x.scale / (x.size[0] * x.size[1]), ())

    def classify(self, layer: Classifier, x: _Real) -> _Real:
        weight = self._quantization.weights[layer.name]
        scale = float(weight.step) * x.scale
        bias = np.rint(to_numpy(layer.bias) / scale).astype(np.int32)
        self.classifiers[layer.name] = IntegerClassifier(to_numpy(weight.integers).astype(np.int8), bias, scale)
        return _Real(scale, ())


def affine(layer: Convolution) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Batch normalisation with its running statistics as `scale * x + shift`, float64 [out] each.

    Raises ProjectError for any other normalisation.
    """
    norm = layer.norm
    if type(norm) is not nn.BatchNorm2d:
        raise ProjectError(
            f"network.arch: {layer.name!r} has a normalisation that does not become integers",
            "write lane_budget = 0, or choose another architecture",
        )
    scale = to_numpy(norm.weight) / np.sqrt(to_numpy(norm.running_var) + norm.eps)
    return scale, to_numpy(norm.bias) - to_numpy(norm.running_mean) * scale


def to_numpy(tensor: Tensor | None) -> np.ndarray[Any, Any]:
    """float64 of the same shape."""
    assert tensor is not None
    return tensor.detach().cpu().to(torch.float64).numpy()


@torch.no_grad()
def logits(network: Network, integers: Integers, x: Tensor) -> Tensor:
    """int64 [n, classes]: exactly what `pqk_codegen.interpreter` computes. `x`: integers [n, 1, frames, bands].

    Of a network that is not integral the fake-quantised ones, float [n, classes].
    """
    if not network.integral:
        return _fake_quantized(network, integers, x)
    return network.interpret(_IntegerArithmetic(integers), x.to(torch.int64))


def _fake_quantized(network: Network, integers: Integers, x: Tensor) -> Tensor:
    """Float logits with weights and activations on their grids."""
    quantization = integers.quantization
    maximum = 2**quantization.activation_bits - 1

    arithmetic = RealArithmetic(
        lambda layer: quantization.weights[layer.name].value,
        activation=lambda stream, y: on_grid(y, quantization.steps[stream], maximum),
    )
    return network.interpret(arithmetic, x.float() * integers.input.scale)


class _IntegerArithmetic(_Integral):
    """`Arithmetic` on int64 tensors. Sums run in float32 where all that can occur are exact, else in float64."""

    def __init__(self, integers: Integers) -> None:
        self._integers = integers
        self._maximum = 2**integers.quantization.activation_bits - 1

    def convolution(self, layer: Convolution, x: Tensor) -> Tensor:
        folded = self._integers.convolutions[layer.name]
        weights, bias = torch.from_numpy(folded.weights).double(), torch.from_numpy(folded.bias).double()
        exact = layer.pool[0] * layer.pool[1] * _largest_sum(weights, bias) < EXACT_IN_FLOAT32
        kind = torch.float32 if exact else torch.float64
        sums = F.relu(layer.convolve(x.to(kind), weights.to(kind)) + bias.to(kind)[:, None, None])
        if layer.pool != (1, 1):
            sums = F.avg_pool2d(sums, layer.pool, divisor_override=1)
        multiplier = torch.from_numpy(folded.multiplier).to(torch.int64)[:, None, None]
        half: int = 2 ** (folded.shift - 1)
        return ((sums.to(torch.int64) * multiplier + half) >> folded.shift).clamp_max(self._maximum)

    def add(self, stream: str, a: Tensor, b: Tensor) -> Tensor:
        del stream
        return (a + b).clamp_max(self._maximum)

    def mean(self, x: Tensor) -> Tensor:
        return x.sum((2, 3))

    def classify(self, layer: Classifier, x: Tensor) -> Tensor:
        integer = self._integers.classifiers[layer.name]
        weights = torch.from_numpy(integer.weights).to(torch.int64)
        return x @ weights.T + torch.from_numpy(integer.bias).to(torch.int64)


def _largest_sum(weights: Tensor, bias: Tensor) -> int:
    """No sum, whole or partial, of `bias` [out] and weighted inputs to `weights` [out, ...] has a larger magnitude."""
    return int((LARGEST_INPUT * weights.abs().flatten(1).sum(1) + bias.abs()).max())


def to_ir(
    network: Network, integers: Integers, *, arch: str, classes: Sequence[str], front_end: Mapping[str, Any]
) -> IrNetwork:
    """The verified intermediate representation of `network` with these `integers`.

    Raises ProjectError where the network is not integral.
    """
    for block in network.composites():
        raise ProjectError(
            f"network.arch: the network cannot run on a device yet, its layer {block.name!r} has no integer arithmetic",
            "choose another architecture, such as res8-narrow",
        )
    source = integers.input
    largest = {"uint8": 255, "int8": 127}[source.dtype]
    recorder = _Recorder(integers)
    start = recorder.tensor("input", source.shape, source.dtype, source.scale, largest)
    output = network.interpret(recorder, start)
    return verify(
        IrNetwork(
            arch=arch,
            classes=tuple(classes),
            weight_bits=integers.quantization.weight_bits,
            input=start,
            output=output,
            tensors=recorder.tensors,
            ops=tuple(recorder.ops),
            front_end=front_end,
        )
    )


@dataclass
class _Recorder(_Integral):
    """`Arithmetic` whose activations are tensor names; it writes the operations down."""

    integers: Integers
    tensors: dict[str, IrTensor] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)

    def tensor(self, name: str, shape: tuple[int, ...], dtype: str, scale: float, maximum: int) -> str:
        self.tensors[name] = IrTensor(name=name, shape=shape, dtype=dtype, scale=scale, maximum=maximum)
        return name

    def convolution(self, layer: Convolution, x: str) -> str:
        folded = self.integers.convolutions[layer.name]
        _, height, width = self.tensors[x].shape
        shape = (len(folded.bias), *layer.output_size((height, width)))
        output = self._activation(f"{layer.name}_out", shape, layer.stream)
        kind = DepthwiseConv2d if layer.depthwise else Conv2d
        self.ops.append(
            kind(
                name=layer.name,
                inputs=(x,),
                output=output,
                weights=folded.weights[:, 0] if layer.depthwise else folded.weights,
                bias=folded.bias,
                multiplier=folded.multiplier,
                stride=layer.stride,
                dilation=layer.dilation,
                padding=layer.padding,
                pool=layer.pool,
                shift=folded.shift,
            )
        )
        return output

    def add(self, stream: str, a: str, b: str) -> str:
        name = f"add{sum(isinstance(op, Add) for op in self.ops) + 1}"
        output = self._activation(f"{name}_out", self.tensors[a].shape, stream)
        self.ops.append(Add(name=name, inputs=(a, b), output=output))
        return output

    def mean(self, x: str) -> str:
        source = self.tensors[x]
        positions = source.shape[1] * source.shape[2]
        output = self.tensor(
            "mean_out", source.shape[:1], "int32", source.scale / positions, source.maximum * positions
        )
        self.ops.append(SumPool(name="mean", inputs=(x,), output=output))
        return output

    def classify(self, layer: Classifier, x: str) -> str:
        integer = self.integers.classifiers[layer.name]
        output = self.tensor("logits", (len(integer.bias),), "int32", integer.scale, 2**31 - 1)
        self.ops.append(
            FullyConnected(name=layer.name, inputs=(x,), output=output, weights=integer.weights, bias=integer.bias)
        )
        return output

    def _activation(self, name: str, shape: tuple[int, ...], stream: str) -> str:
        quantization = self.integers.quantization
        return self.tensor(name, shape, "uint8", quantization.steps[stream], 2**quantization.activation_bits - 1)
