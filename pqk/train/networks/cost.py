"""What an inference of a network costs, before anything is pruned or folded."""

import torch
from torch import Tensor

from pqk.train.networks.layers import Block, Classifier, Convolution, Network


def macs(network: Network, frames: int, bands: int) -> int:
    """Multiply-accumulates of an inference on features [frames, bands], as publications count them.

    Every weight of a convolution counts at every position, those that no pool reads and those on padding too;
    normalisation, pools, residuals and means count nothing.
    """
    counter = _Counter()
    network.interpret(counter, torch.empty(1, 1, frames, bands, device="meta"))
    return counter.macs


class _Counter:
    """`Arithmetic` on tensors that have a shape and no values."""

    def __init__(self) -> None:
        self.macs = 0

    def convolution(self, layer: Convolution, x: Tensor) -> Tensor:
        size = (x.shape[2], x.shape[3])
        rows, columns = layer.conv_size(size)
        self.macs += layer.weight.numel() * rows * columns
        return x.new_empty(1, len(layer.weight), *layer.output_size(size))

    def block(self, layer: Block, x: Tensor) -> Tensor:
        return layer.compute(x, self.convolution)

    def add(self, stream: str, a: Tensor, b: Tensor) -> Tensor:
        del stream
        return a + b

    def mean(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))

    def classify(self, layer: Classifier, x: Tensor) -> Tensor:
        self.macs += layer.weight.numel()
        return x.new_empty(1, len(layer.weight))
