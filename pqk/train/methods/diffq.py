"""DiffQ: pseudo quantisation noise, and bits that are learnt (Defossez, Adi, Synnaeve, arXiv 2104.09987).

In training nothing is rounded. A group of weights of b bits gets the noise that rounding it would be like: normal, with
a standard deviation of half a step, (max - min) / (2^b - 1) / 2. That is differentiable in b, which is learnt through
b = low + (high - low) * sigmoid(l), and the loss has the network's size added, `size_weight` times its megabytes (2^20
bytes). Written from the formula.

Our reading: a group is an output channel of a convolution, or a whole classifier. Bits lie in 2..8 instead of the
paper's 2..15, for the device's weights have 8. They start at `weight_bits`, and `size_weight` says where they go.
Delivered are bits rounded to integers, and weights rounded to the symmetric grid of so many bits. Activations are
quantised in training as in the other methods.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pqk.project import CompressionConfig, TrainingConfig
from pqk.train.arithmetic import RealArithmetic
from pqk.train.integer import InputFormat, Integers
from pqk.train.methods.quantized import Quantized
from pqk.train.networks.layers import Classifier, Convolution, Network
from pqk.train.quantize import QuantizedWeight

LOW, HIGH = 2.0, 8.0  # bits
MARGIN = 0.1  # bits start so far within LOW .. HIGH: at the ends the sigmoid has no slope
BITS_RATE = 20.0
"""Of the learning rate. The sizes of single groups are small parts of a megabyte, and so are their gradients."""
MEGABYTE_BITS = 8 * 2**20


class DiffQ(Quantized):
    """See the module."""

    name = "diffq"
    prunes = False
    own_bits = f"method {name!r} learns the bits of each channel"

    def __init__(
        self, network: Network, source: InputFormat, compression: CompressionConfig, training: TrainingConfig
    ) -> None:
        super().__init__(network, source, compression, training)
        share = (compression.weight_bits - LOW) / (HIGH - LOW)
        start = torch.tensor(min(max(share, MARGIN / (HIGH - LOW)), 1 - MARGIN / (HIGH - LOW))).logit()
        groups = {layer.name: 1 if isinstance(layer, Classifier) else len(layer.weight) for layer in network.layers()}
        self.bit_logits = nn.ParameterDict({name: start.repeat(count) for name, count in groups.items()})
        self.iteration = 0
        """Of the step that has begun, which says what its noise is."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The bits learn at a rate of their own, without weight decay."""
        bits = list(self.bit_logits.values())
        return [
            *self.grouped(self.network.parameters()),
            {"params": bits, "weight_decay": 0.0, "scale": BITS_RATE},
        ]

    def begin_step(self, iteration: int, per_epoch: int) -> None:
        """Remember the step, for its noise."""
        del per_epoch
        self.iteration = iteration

    def loss(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy with noisy weights, and the network's size."""
        noise = self.random(self.iteration)
        noisy = RealArithmetic(lambda layer: self.noisy(layer, noise), activation=self.quantizer.activation)
        logits = self.network.interpret(noisy, x)
        self.quantizer.follow()
        return F.cross_entropy(logits, labels) + self.compression.size_weight * self.megabytes(), logits

    def noisy(self, layer: Convolution | Classifier, generator: torch.Generator) -> Tensor:
        """The layer's weight with the noise of rounding."""
        weight, bits = layer.weight, self.bits(layer)
        groups = weight.flatten() if isinstance(layer, Classifier) else weight.flatten(1)
        extent = (groups.amax(-1) - groups.amin(-1)).detach().reshape(bits.shape)
        noise = torch.randn(weight.shape, generator=generator).to(weight.device) / 2
        return weight + extent / (2**bits - 1) * noise

    def bits(self, layer: Convolution | Classifier) -> Tensor:
        """Real-valued: [out, 1, 1, 1] of a convolution's channels, [] of a classifier."""
        bits = LOW + (HIGH - LOW) * torch.sigmoid(self.bit_logits[layer.name])
        return bits.reshape(() if isinstance(layer, Classifier) else (-1, 1, 1, 1))

    def megabytes(self) -> Tensor:
        """Size of all weights, differentiable in the bits; a scalar."""
        parts = []
        for layer in self.network.layers():
            bits = self.bits(layer)
            parts.append(bits.sum() * (layer.weight.numel() // bits.numel()))
        return torch.stack(parts).sum() / MEGABYTE_BITS

    @torch.no_grad()
    def quantized(self, layer: Convolution | Classifier) -> QuantizedWeight:
        """The layer's weight as it is delivered."""
        return self.quantizer.weight(layer, layer.weight, 2 ** (torch.round(self.bits(layer)) - 1) - 1)

    def integers(self) -> Integers:
        """See `Method.integers`."""
        return self.quantizer.integers(self.network, self.quantized)

    @torch.no_grad()
    def facts(self) -> dict[str, float]:
        """Mean bits of a weight."""
        return {"mean_bits": self.megabytes().item() * MEGABYTE_BITS / self.network.weight_count()}
