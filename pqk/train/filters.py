"""Whole filters taken out of a network: which channels go together, which matter least, and the masks without them."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from pqk.errors import ProjectError
from pqk.project import CompressionConfig
from pqk.train.lanes import input_streams
from pqk.train.networks.layers import Classifier, Convolution, Network


class Filters(nn.Module):
    """Which channels of a network are kept; at first all.

    What is added up lies in one stream, so a channel goes from all convolutions of a stream at once; and a depthwise
    convolution's goes together with the one that it reads. Such streams are a group. With a channel go its filters and
    all weights that read it. `compression.sparsity` is the share of all weights that has to go at least, or
    `compression.budget_nonzeros` how many may stay; every group keeps a channel.

    Raises ProjectError when so many weights cannot go.
    """

    def __init__(self, network: Network, compression: CompressionConfig) -> None:
        super().__init__()
        self._layers = network.layers()  # a plain list: the network owns them
        self._reads = input_streams(network)
        self._groups = _groups(network.convolutions(), self._reads)
        self._sizes = {self._groups[layer.stream]: len(layer.weight) for layer in network.convolutions()}
        for group, channels in self._sizes.items():
            self.register_buffer(f"kept_{group}", torch.ones(channels, dtype=torch.bool))
        self.weights = network.weight_count()
        self._most = compression.budget_nonzeros or self.weights * (1 - compression.sparsity)
        fewest = self._count(dict.fromkeys(self._sizes, 1))
        if fewest > self._most:
            key = compression.budget or "sparsity"
            raise ProjectError(
                f"compression.{key} = {getattr(compression, key)}: with one filter left in every layer, "
                f"{fewest} of {self.weights} weights are left",
                "ask for a larger budget" if compression.budget else "ask for less sparsity",
            )

    def kept(self, stream: str) -> Tensor:
        """bool [channels] of the stream's activations."""
        return self._kept(self._groups[stream])

    def mask(self, layer: Convolution | Classifier) -> Tensor:
        """1 where a weight of `layer` is kept, 0 where it is gone; broadcasts to the weight's shape."""
        rows, columns = (
            torch.ones(1, dtype=torch.bool, device=layer.weight.device) if group is None else self._kept(group)
            for group in self._axes(layer)
        )
        mask = (rows[:, None] & columns).to(layer.weight.dtype)
        return mask[(...,) + (None,) * (layer.weight.ndim - 2)]

    def _axes(self, layer: Convolution | Classifier) -> tuple[str | None, str | None]:
        """The groups of the first two axes of the layer's weight: its outputs, its inputs."""
        reads = self._reads[layer.name]
        inputs = None if reads is None else self._groups[reads]
        if isinstance(layer, Classifier):
            return None, inputs
        return self._groups[layer.stream], None if layer.depthwise else inputs

    @torch.no_grad()
    def prune(self) -> None:
        """Take out the least important channels, one after the other, until enough weights are gone."""
        left = dict(self._sizes)
        for _, group, channel in sorted(self._ranked()):
            if self._count(left) <= self._most:
                return
            if left[group] > 1:
                self._kept(group)[channel] = False
                left[group] -= 1

    def _ranked(self) -> list[tuple[float, str, int]]:
        """Importance of each channel of each group."""
        return [
            (value, group, channel)
            for group in self._sizes
            for channel, value in enumerate(self._importance(group).tolist())
        ]

    def _importance(self, group: str) -> Tensor:
        """[channels]: L1 norms of the filters, normalisation folded in, relative to the mean of their layer; their mean
        over the group's layers.
        """
        layers = [
            layer for layer in self._layers if isinstance(layer, Convolution) and self._groups[layer.stream] == group
        ]
        norms = torch.stack([folded_norm(layer) for layer in layers])
        return (norms / norms.mean(1, keepdim=True).clamp_min(1e-12)).mean(0)

    def _count(self, left: Mapping[str, int]) -> int:
        """Weights of the network with so many channels in each group."""
        return sum(self._weights(layer, left) for layer in self._layers)

    def _weights(self, layer: Convolution | Classifier, left: Mapping[str, int]) -> int:
        shape = list(layer.weight.shape)
        for axis, group in enumerate(self._axes(layer)):
            if group is not None:
                shape[axis] = left[group]
        return math.prod(shape)

    def removed(self) -> float:
        """Share of all weights that is gone."""
        return 1 - self._count({group: int(self._kept(group).sum()) for group in self._sizes}) / self.weights

    def _kept(self, group: str) -> Tensor:
        return self.get_buffer(f"kept_{group}")


def _groups(layers: Sequence[Convolution], reads: Mapping[str, str | None]) -> dict[str, str]:
    """The name of its group for each stream."""
    groups = {layer.stream: layer.stream for layer in layers}
    for layer in layers:
        source = reads[layer.name]
        if layer.depthwise and source is not None:
            joined = groups[layer.stream]
            groups |= {stream: groups[source] for stream, group in groups.items() if group == joined}
    return groups


def folded_norm(layer: Convolution) -> Tensor:
    """[out]: L1 norm of each filter times the factor that batch normalisation gives it."""
    assert layer.norm.running_var is not None
    gain = layer.norm.weight.abs() * torch.rsqrt(layer.norm.running_var + layer.norm.eps)
    return layer.weight.abs().sum((1, 2, 3)) * gain
