"""Iterative magnitude pruning with a dynamic mask.

Gradients reach pruned weights too, so that they can come back: DPF (Lin et al., "Dynamic Model Pruning with Feedback",
ICLR 2020). Sparsity grows along a cubic ramp (Zhu & Gupta 2017), and one threshold serves all convolutions; where
weights cost differently, one threshold on what is kept for the cost, see `pqk.train.allocation`.
"""

import math

import torch
from torch import Tensor, nn

from pqk.budget import NetworkCosts, Prices
from pqk.errors import ProjectError
from pqk.project import CompressionConfig
from pqk.train.allocation import allocate, check_budget
from pqk.train.networks.layers import Classifier, Convolution, Network
from pqk.train.quantize import straight_through

MASK_PERIOD = 16  # iterations between two choices of the mask
RAMP = 0.6  # share of the pruning epochs in which sparsity grows


class Pruner(nn.Module):
    """The masks of a network's convolutions. The classifier stays dense but counts as weights.

    Sparsity is a budget of nonzeros; budgets of other things need `take_costs` before the first mask is chosen.
    Raises ProjectError when the budget cannot be met.
    """

    def __init__(self, network: Network, compression: CompressionConfig) -> None:
        super().__init__()
        self._layers = network.convolutions()  # a plain list: the network owns them
        self._compression = compression
        self.weights = network.weight_count()
        for layer in self._layers:
            self.register_buffer(f"mask_{layer.name}", torch.ones_like(layer.weight))
        counts = {layer.name: layer.weight.numel() for layer in self._layers}
        nonzeros = Prices.of_nonzeros(counts, self.weights - sum(counts.values()))
        key = compression.budget
        self._budget = self.weights - math.ceil(compression.sparsity * self.weights)
        self._prices: Prices | None = nonzeros
        if key is None and self._budget <= nonzeros.least:
            raise ProjectError(
                f"compression.sparsity = {compression.sparsity}: {self.weights - self._budget} of {self.weights} "
                f"weights would be zero, but only the {sum(counts.values())} of the convolutions are pruned",
                "ask for less sparsity",
            )
        if key is not None:
            self._budget = int(getattr(compression, key))
            self._prices = nonzeros if key == nonzeros.budget else None
        if self._prices is not None:
            check_budget(self._prices, self._budget)

    def take_costs(self, costs: NetworkCosts) -> None:
        """What nonzeros cost on the device, for a budget of bytes or instructions. Raises as the constructor."""
        if self._prices is None and self._compression.budget is not None:
            self._prices = costs.prices(self._compression.budget)
            check_budget(self._prices, self._budget)

    def begin_step(self, iteration: int, per_epoch: int, epochs: int) -> None:
        """Choose the mask anew every few iterations. The budget is reached in the last of `epochs`, however short.

        `iteration` counts from the start of training; after `epochs` the mask goes on being chosen within the budget.
        """
        last_epoch = (epochs - 1) * per_epoch
        if iteration % MASK_PERIOD == 0 or iteration == last_epoch:
            ramp = max(1, int(RAMP * epochs * per_epoch) - MASK_PERIOD)
            self.prune(1.0 if iteration >= last_epoch else cubic_ramp(iteration / ramp))

    @torch.no_grad()
    def prune(self, share: float) -> None:
        """Choose the mask that keeps the largest weights for what they cost, this share of the way to the budget."""
        assert self._prices is not None, "take_costs comes first"
        allowed = self._prices.dense - share * max(0.0, self._prices.dense - self._budget)
        weights = {layer.name: layer.weight.detach().cpu().numpy() for layer in self._layers}
        for name, mask in allocate(weights, self._prices, allowed).items():
            self.get_buffer(f"mask_{name}").copy_(torch.from_numpy(mask))

    def mask(self, layer: Convolution) -> Tensor:
        """1 where a weight of `layer` is kept, 0 where it is pruned."""
        return self.get_buffer(f"mask_{layer.name}")

    def kept(self, layer: Convolution | Classifier) -> Tensor:
        """The layer's weight, 0 where it is pruned."""
        return self.mask(layer) * layer.weight if isinstance(layer, Convolution) else layer.weight

    def reached(self, layer: Convolution | Classifier) -> Tensor:
        """The layer's weight as gradients are to reach it: all of it, also what is pruned.

        The sums of a channel that has lost all its weights do not vary, and normalisation would multiply their gradient
        by 1 / sqrt(eps), a few hundred: the weights would explode. It gets the gradient that a variance of 1 gives.
        """
        if not isinstance(layer, Convolution):
            return layer.weight
        empty = ~self.mask(layer).flatten(1).any(1)
        share = torch.where(empty, layer.norm.eps**0.5, 1.0).view(-1, 1, 1, 1)
        return straight_through(layer.weight, share * layer.weight)

    def sparsity(self) -> float:
        """Share of masked weights among all weights of the network."""
        return sum(int((self.mask(layer) == 0).sum()) for layer in self._layers) / self.weights


def cubic_ramp(progress: float) -> float:
    """1 - (1 - t)^3 for t = `progress` limited to 0 .. 1: fast first, slow when little is left."""
    return 1 - (1 - min(max(progress, 0.0), 1.0)) ** 3
