"""The layers networks are made of, and the protocol by which a network is given a meaning.

A network says only how its layers are connected (`Network.interpret`). What a layer computes is the business of an
`Arithmetic`: floats, fake-quantised floats, exact integers, or a record of the layers for the generator. So no network
changes for a compression method, and the network that is exported cannot differ from the one that was trained.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

T = TypeVar("T")

Size = tuple[int, int]
"""Rows and columns."""


class Convolution(nn.Module):
    """Convolution without bias, batch normalisation, ReLU, then an average pool of `pool` (rows, columns).

    `stream` names the activations that share one scale with the output: what is added up must be of one stream.
    Padding (top, left, bottom, right) has the value 0. Sizes are rounded down. In a `depthwise` one output channel c
    reads input channel c alone. Weights: [outputs, inputs or 1, kernel height, kernel width].
    """

    def __init__(
        self,
        name: str,
        inputs: int,
        outputs: int,
        *,
        stream: str,
        kernel: Size = (3, 3),
        stride: Size = (1, 1),
        dilation: Size = (1, 1),
        padding: tuple[int, int, int, int] = (1, 1, 1, 1),
        depthwise: bool = False,
        pool: Size = (1, 1),
        norm: nn.BatchNorm2d | None = None,
    ) -> None:
        super().__init__()
        self.name, self.stream = name, stream
        self.kernel, self.stride, self.dilation, self.padding = kernel, stride, dilation, padding
        self.depthwise, self.pool = depthwise, pool
        self.weight = nn.Parameter(torch.empty(outputs, 1 if depthwise else inputs, *kernel))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        self.norm = norm or nn.BatchNorm2d(outputs)

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        """The bare convolution with `weight`, at those positions only that the pool reads."""
        top, left, _, _ = self.padding
        rows, columns = self.output_size((x.shape[2], x.shape[3]))
        bottom = self._last_tap(0, rows * self.pool[0] - 1) - (x.shape[2] - 1)
        right = self._last_tap(1, columns * self.pool[1] - 1) - (x.shape[3] - 1)
        padding = (top, left)
        if (bottom, right) != padding:
            x, padding = F.pad(x, (left, right, top, bottom)), (0, 0)  # less than none is cut off
        groups = len(weight) if self.depthwise else 1
        return F.conv2d(x, weight, None, self.stride, padding, self.dilation, groups)

    def conv_size(self, size: Size) -> Size:
        """Of the convolution's result before pooling, for an input of `size`."""
        top, left, bottom, right = self.padding
        return self._positions(0, size[0] + top + bottom), self._positions(1, size[1] + left + right)

    def output_size(self, size: Size) -> Size:
        """Of the output, for an input of `size`."""
        rows, columns = self.conv_size(size)
        return rows // self.pool[0], columns // self.pool[1]

    def _positions(self, axis: int, padded: int) -> int:
        return (padded - self.dilation[axis] * (self.kernel[axis] - 1) - 1) // self.stride[axis] + 1

    def _last_tap(self, axis: int, position: int) -> int:
        """The row or column of the input that the last tap at `position` reads."""
        return position * self.stride[axis] + self.dilation[axis] * (self.kernel[axis] - 1) - self.padding[axis]


class NoNorm(nn.BatchNorm2d):
    """In place of batch normalisation in a block's convolution: changes nothing, and has no parameters."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=False, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        """`x` itself."""
        return x


Convolve = Callable[[Convolution, Tensor], Tensor]
"""A convolution with its normalisation, without ReLU."""


class Block(nn.Module, ABC):
    """Convolutions and operations between them that only real numbers have: a single layer to an `Arithmetic`.

    Its output, which is not negative, is an activation of the stream that has the block's name. What is between its
    layers is not quantised, and there is no integer arithmetic for it.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = self.stream = name

    @abstractmethod
    def compute(self, x: Tensor, convolve: Convolve) -> Tensor:
        """[n, C, H, W] to [n, C', H', W'], with convolutions and normalisations computed by `convolve`."""

    def convolutions(self) -> list[Convolution]:
        """Every convolution, in the order of the block."""
        return [module for module in self.modules() if isinstance(module, Convolution)]


class Classifier(nn.Module):
    """Fully connected layer with bias: [n, inputs] to one logit per class."""

    def __init__(self, name: str, inputs: int, classes: int) -> None:
        super().__init__()
        self.name = name
        linear = nn.Linear(inputs, classes)
        self.weight, self.bias = linear.weight, linear.bias


class Arithmetic(Protocol[T]):
    """What the layers compute. `T` is the activation: a tensor, or a name in a record."""

    def convolution(self, layer: Convolution, x: T) -> T:
        """Convolution, normalisation, ReLU and pool: [n, C, H, W] to [n, C', *layer.output_size((H, W))]."""

    def block(self, layer: Block, x: T) -> T:
        """What the block computes."""

    def add(self, stream: str, a: T, b: T) -> T:
        """Sum of two activations of `stream`; the result belongs to it too."""

    def mean(self, x: T) -> T:
        """Mean over the positions: [n, C, H, W] to [n, C]."""

    def classify(self, layer: Classifier, x: T) -> T:
        """Logits: [n, C] to [n, classes]."""


class Network(nn.Module, ABC):
    """Layers and how they are connected. Input: [n, 1, frames, bands]; output: logits [n, classes]."""

    @abstractmethod
    def interpret(self, arithmetic: Arithmetic[T], x: T) -> T:
        """Run the network on `x` with the layers meaning what `arithmetic` says."""

    @property
    def integral(self) -> bool:
        """Whether there is integer arithmetic for all of it, so that a device can run it: it has no blocks."""
        return not self.composites()

    def composites(self) -> list[Block]:
        """Every block, in the order of the network."""
        return [module for module in self.modules() if isinstance(module, Block)]

    def convolutions(self) -> list[Convolution]:
        """Every convolution, in the order of the network."""
        return [module for module in self.modules() if isinstance(module, Convolution)]

    def classifiers(self) -> list[Classifier]:
        """Every fully connected layer, in the order of the network."""
        return [module for module in self.modules() if isinstance(module, Classifier)]

    def layers(self) -> list[Convolution | Classifier]:
        """Every layer that has weights."""
        return [*self.convolutions(), *self.classifiers()]

    def weight_count(self) -> int:
        """Number of weights: what sparsity is a share of."""
        return sum(layer.weight.numel() for layer in self.layers())

    def parameter_count(self) -> int:
        """Weights and classifier biases. Batch normalisation is not counted: it folds into the requantisation."""
        return self.weight_count() + sum(layer.bias.numel() for layer in self.classifiers())
