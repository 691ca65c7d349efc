"""The quantisers of a whole network: one for each stream of activations, and limits for the weights of each layer."""

from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from pqk.project import CompressionConfig
from pqk.train import integer
from pqk.train.arithmetic import RealArithmetic
from pqk.train.integer import InputFormat, Integers, Quantization
from pqk.train.lanes import Source, channel_limits, input_streams
from pqk.train.networks.layers import Classifier, Convolution, Network
from pqk.train.quantize import ActivationQuantizer, QuantizedWeight, largest_integer, quantize_weight


class NetworkQuantizer(nn.Module):
    """Fake quantisation of a network's activations and weights, and its integers in the end.

    Raises ProjectError for a lane budget where normalisation does not become integers.
    """

    def __init__(self, network: Network, source: InputFormat, compression: CompressionConfig) -> None:
        super().__init__()
        self.source, self.compression = source, compression
        layers, bits = network.convolutions(), compression.activation_bits
        self.streams = nn.ModuleDict({layer.stream: ActivationQuantizer(bits) for layer in layers})
        self.reads = input_streams(network)
        if compression.lane_budget:
            for layer in layers:
                integer.affine(layer)  # what a lane holds is known of such normalisation only; better said at once

    def quantizers(self) -> dict[str, ActivationQuantizer]:
        """By stream."""
        return {name: module for name, module in self.streams.items() if isinstance(module, ActivationQuantizer)}

    def activation(self, stream: str, x: Tensor) -> Tensor:
        """Activations on the stream's grid; in training they move its range at the next `follow`."""
        quantized: Tensor = self.streams[stream](x)
        return quantized

    def activation_at(self, bits: int, stream: str, x: Tensor) -> Tensor:
        """Activations of another precision over the stream's range, which they do not move."""
        return self.quantizers()[stream].on_grid(x, 2**bits - 1)

    def observe(self, stream: str, x: Tensor) -> None:
        """In training these activations move the stream's range at the next `follow`."""
        self.quantizers()[stream].observe(x)

    @property
    def calibrated(self) -> bool:
        """Whether the ranges are known."""
        return all(quantizer.range.item() > 0 for quantizer in self.quantizers().values())

    @torch.no_grad()
    def calibrate(self, network: Network, weight: Callable[[Convolution | Classifier], Tensor], x: Tensor) -> None:
        """Set the ranges by the activations of `network` in floats, with these weights, for the features `x`.

        `x`: integers [n, 1, frames, bands].
        """
        seen: dict[str, list[Tensor]] = defaultdict(list)

        def see(stream: str, activations: Tensor) -> Tensor:
            seen[stream].append(activations)
            return activations

        network.eval().interpret(RealArithmetic(weight, activation=see), x * self.source.scale)
        for stream, quantizer in self.quantizers().items():
            quantizer.calibrate(seen[stream])

    def follow(self) -> None:
        """Move the ranges towards what was seen since the last call."""
        for quantizer in self.quantizers().values():
            quantizer.follow()

    def weight(self, layer: Convolution | Classifier, kept: Tensor, limit: Tensor | None = None) -> QuantizedWeight:
        """`kept`, the layer's weight with 0 where it is pruned, as integers.

        `limit`: the largest integer, where that is not what the settings say; see `quantize_weight`.
        """
        return quantize_weight(kept, self._limit(layer, kept) if limit is None else limit)

    def _limit(self, layer: Convolution | Classifier, kept: Tensor) -> Tensor:
        """The largest integer of the layer's weights, or of each output channel of a convolution."""
        usual = largest_integer(self.compression.weight_bits)
        if isinstance(layer, Classifier):
            return torch.tensor(float(usual))
        lane = self.compression.lane_budget
        if not lane:
            return torch.full((len(kept), 1, 1, 1), float(usual), device=kept.device)
        output_step = self.quantizers()[layer.stream].step
        return channel_limits(layer, kept, self._source(layer), output_step, bits=lane, usual=usual).to(kept.device)

    def _source(self, layer: Convolution) -> Source:
        stream = self.reads[layer.name]
        if stream is None:
            return Source.of_input(self.source)
        quantizer = self.quantizers()[stream]
        return Source(quantizer.step, (0, quantizer.maximum))

    def integers(self, network: Network, weight: Callable[[Convolution | Classifier], QuantizedWeight]) -> Integers:
        """The integers of `network` with these weights and the ranges as they are; see `integer.fold`."""
        weights = {layer.name: weight(layer) for layer in network.layers()}
        quantization = Quantization(
            weight_bits=max(self.compression.weight_bits, *(quantized.bits for quantized in weights.values())),
            activation_bits=self.compression.activation_bits,
            weights=weights,
            steps={name: quantizer.step for name, quantizer in self.quantizers().items()},
        )
        return integer.fold(network, quantization, self.source)
