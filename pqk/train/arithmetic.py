"""The real-number arithmetic of the layers, with the places where a compression method may step in."""

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from pqk.train import patches
from pqk.train.networks.layers import Block, Classifier, Convolution


def own_weight(layer: Convolution | Classifier) -> Tensor:
    """The layer's weight as it is."""
    return layer.weight


def own_bias(layer: Classifier) -> Tensor:
    """The layer's bias as it is."""
    return layer.bias


def own_norm(layer: Convolution) -> nn.BatchNorm2d:
    """The layer's own batch normalisation."""
    return layer.norm


def unchanged(stream: str, x: Tensor) -> Tensor:
    """No activation quantisation."""
    del stream
    return x


@dataclass(frozen=True)
class RealArithmetic:
    """`Arithmetic` on float tensors; see `pqk.train.networks.layers.Arithmetic` for the shapes.

    weight, bias: the effective ones of a layer. norm: the batch normalisation of a convolution.
    activation: what becomes of an activation of a stream, after ReLU and pool, and after a sum.
    """

    weight: Callable[[Convolution | Classifier], Tensor] = own_weight
    norm: Callable[[Convolution], nn.BatchNorm2d] = own_norm
    activation: Callable[[str, Tensor], Tensor] = unchanged
    bias: Callable[[Classifier], Tensor] = own_bias

    def convolution(self, layer: Convolution, x: Tensor) -> Tensor:
        """Convolution, normalisation, ReLU, average pool."""
        norm, weight = self.norm(layer), self.weight(layer)
        if patches.suits(layer, x):
            return self.activation(layer.stream, patches.convolution(layer, norm, weight, x))
        y = F.relu(norm(layer.convolve(x, weight)))
        if layer.pool != (1, 1):
            y = F.avg_pool2d(y, layer.pool)
        return self.activation(layer.stream, y)

    def block(self, layer: Block, x: Tensor) -> Tensor:
        """A block, of which the output alone is an activation."""
        return self.activation(layer.stream, layer.compute(x, self._normalised))

    def _normalised(self, layer: Convolution, x: Tensor) -> Tensor:
        y: Tensor = self.norm(layer)(layer.convolve(x, self.weight(layer)))
        return y

    def add(self, stream: str, a: Tensor, b: Tensor) -> Tensor:
        """Sum of two activations of `stream`."""
        return self.activation(stream, a + b)

    def mean(self, x: Tensor) -> Tensor:
        """Mean over the positions."""
        return x.permute(0, 2, 3, 1).flatten(1, 2).mean(1)  # so that gradients are channels-last as activations are

    def classify(self, layer: Classifier, x: Tensor) -> Tensor:
        """Logits."""
        return F.linear(x, self.weight(layer), self.bias(layer))


FLOAT = RealArithmetic()
