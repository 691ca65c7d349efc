"""Iterative magnitude pruning with a dynamic mask.

Gradients reach pruned weights too, so that they can come back: DPF (Lin et al., "Dynamic Model Pruning with Feedback",
ICLR 2020). Sparsity grows along a cubic ramp (Zhu & Gupta 2017), and one threshold serves all convolutions.
"""

import math

import torch
from torch import Tensor, nn

from pqk.errors import ProjectError
from pqk.project import CompressionConfig
from pqk.train.networks.layers import Classifier, Convolution, Network

MASK_PERIOD = 16  # iterations between two choices of the mask
RAMP = 0.6  # share of the pruning epochs in which sparsity grows


class Pruner(nn.Module):
    """The masks of a network's convolutions. The classifier stays dense but counts as weights.

    Raises ProjectError when more weights would be zero than the convolutions have.
    """

    def __init__(self, network: Network, compression: CompressionConfig) -> None:
        super().__init__()
        self._layers = network.convolutions()  # a plain list: the network owns them
        self.weights = network.weight_count()
        prunable = sum(layer.weight.numel() for layer in self._layers)
        self.zeros = math.ceil(compression.sparsity * self.weights)
        if self.zeros >= prunable:
            raise ProjectError(
                f"compression.sparsity = {compression.sparsity}: {self.zeros} of {self.weights} weights would be zero, "
                f"but only the {prunable} of the convolutions are pruned",
                "ask for less sparsity",
            )
        for layer in self._layers:
            self.register_buffer(f"mask_{layer.name}", torch.ones_like(layer.weight))

    def begin_step(self, iteration: int, per_epoch: int, epochs: int) -> None:
        """Choose the mask anew every few iterations. Full sparsity is reached in the last of `epochs`, however short.

        `iteration` counts from the start of training; after `epochs` the mask goes on being chosen at full sparsity.
        """
        last_epoch = (epochs - 1) * per_epoch
        if iteration % MASK_PERIOD == 0 or iteration == last_epoch:
            ramp = max(1, int(RAMP * epochs * per_epoch) - MASK_PERIOD)
            self.prune(1.0 if iteration >= last_epoch else cubic_ramp(iteration / ramp))

    @torch.no_grad()
    def prune(self, share: float) -> None:
        """Mask exactly this share of the zeros that are wanted in the end: the weights of the smallest magnitude."""
        magnitude = torch.cat([layer.weight.abs().flatten() for layer in self._layers])
        mask = torch.ones_like(magnitude)
        mask[torch.argsort(magnitude, stable=True)[: round(self.zeros * share)]] = 0
        parts = torch.split(mask, [layer.weight.numel() for layer in self._layers])
        for layer, part in zip(self._layers, parts, strict=True):
            self.mask(layer).copy_(part.view_as(layer.weight))

    def mask(self, layer: Convolution) -> Tensor:
        """1 where a weight of `layer` is kept, 0 where it is pruned."""
        return self.get_buffer(f"mask_{layer.name}")

    def kept(self, layer: Convolution | Classifier) -> Tensor:
        """The layer's weight, 0 where it is pruned."""
        return self.mask(layer) * layer.weight if isinstance(layer, Convolution) else layer.weight

    def sparsity(self) -> float:
        """Share of masked weights among all weights of the network."""
        return sum(int((self.mask(layer) == 0).sum()) for layer in self._layers) / self.weights


def cubic_ramp(progress: float) -> float:
    """1 - (1 - t)^3 for t = `progress` limited to 0 .. 1: fast first, slow when little is left."""
    return 1 - (1 - min(max(progress, 0.0), 1.0)) ** 3
