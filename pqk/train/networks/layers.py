"""The layers networks are made of, and the protocol by which a network is given a meaning.

A network says only how its layers are connected (`Network.interpret`). What a layer computes is the business of an
`Arithmetic`: floats, fake-quantised floats, exact integers, or a record of the layers for the generator. So no network
changes for a compression method, and the network that is exported cannot differ from the one that was trained.
"""

from abc import ABC, abstractmethod
from typing import Protocol, TypeVar

import torch
from torch import nn

T = TypeVar("T")

Rows = tuple[int, int]
"""The first and the last row."""


class Convolution(nn.Module):
    """3x3 convolution without bias, batch normalisation, ReLU, then an average pool of `pool` (rows, columns).

    `stream` names the activations that share one scale with the output: what is added up must be of one stream.
    """

    def __init__(self, name: str, inputs: int, outputs: int, *, stream: str, pool: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.name, self.stream, self.pool = name, stream, pool
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        self.norm = nn.BatchNorm2d(outputs)


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
        """Convolution, normalisation, ReLU and pool: [n, C, H, W] to [n, C', H // pool, W // pool]."""

    def add(self, stream: str, a: T, b: T) -> T:
        """Sum of two activations of `stream`; the result belongs to it too."""

    def mean(self, x: T, rows: Rows | None) -> T:
        """Mean over the positions of some rows, first and last, or of all: [n, C, H, W] to [n, C]."""

    def classify(self, layer: Classifier, x: T) -> T:
        """Logits: [n, C] to [n, classes]."""


class Network(nn.Module, ABC):
    """Layers and how they are connected. Input: [n, 1, frames, bands]; output: logits [n, classes]."""

    mean_rows: Rows | None = None
    """The rows that the mean is over; all if None."""

    @abstractmethod
    def interpret(self, arithmetic: Arithmetic[T], x: T) -> T:
        """Run the network on `x` with the layers meaning what `arithmetic` says."""

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
