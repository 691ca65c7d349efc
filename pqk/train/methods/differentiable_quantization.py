"""Differentiable quantisation (Polino, Pascanu, Alistarh, "Model compression via distillation and quantization", ICLR
2018): not the weights are trained but the values that they may have.

As in the paper: the weights stay those of the trained network; each layer has a codebook of 2^b points, at first
quantiles of its weights; a weight, scaled by its bucket's alpha, takes the nearest point; a point's gradient is the sum
of alpha times the gradient over the weights that take it; the network as it was is the teacher.

Our reading: a bucket is an output channel (the whole tensor for a fully connected layer), and alpha its largest
magnitude, with a sign. Points end on the integers that a device holds: a layer's points are rounded to multiples of its
largest divided by 127, so that each layer has no more than 2^b different integers of 8 bits. Training computes with the
rounded points, and gradients pass straight through the rounding. A codebook is a set: points are sorted where they are
used. Batch normalisation and biases go on training as before.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pqk.project import CompressionConfig, TrainingConfig
from pqk.train.arithmetic import RealArithmetic
from pqk.train.distillation import FixedTeacher, soft_and_hard
from pqk.train.integer import InputFormat, Integers
from pqk.train.methods.quantized import Quantized
from pqk.train.networks.layers import Classifier, Convolution, Network
from pqk.train.quantize import SMALLEST_STEP, QuantizedWeight, largest_integer, straight_through

GRID_BITS = 8
POINTS_RATE = 3e-3
"""Of the learning rate. A point moves thousands of weights at once, and its gradient is the sum of theirs.

The paper's rate of 1e-5 is for an optimiser and networks of its own. Here, after two short epochs with 16 points, the
loss was 0.275 with fixed points, 0.278 with 1e-4, 0.275 with 1e-3, 0.258 with 3e-3, 0.261 with 1e-2, 0.305 with 1e-1.
"""


class DifferentiableQuantization(Quantized):
    """See the module. `weight_bits` says how many points there are, not how large the integers become."""

    name = "differentiable-quantization"
    prunes = False
    own_bits = f"the points of method {name!r} are integers of {GRID_BITS} bits in any case"

    def __init__(
        self, network: Network, source: InputFormat, compression: CompressionConfig, training: TrainingConfig
    ) -> None:
        super().__init__(network, source, compression, training)
        for layer in network.layers():
            layer.weight.requires_grad_(False)
        count = 2**compression.weight_bits
        self.points = nn.ParameterDict({layer.name: torch.zeros(count) for layer in network.layers()})

    @torch.no_grad()
    def take_reference(self, state: Mapping[str, Tensor]) -> None:
        """Start as the reference, which is the teacher, too; points are quantiles of its weights."""
        self.network.load_state_dict(state)
        self.teacher = FixedTeacher(self.network)
        for layer in self.network.layers():
            points = self.points[layer.name]
            middles = (torch.arange(len(points)) + 0.5) / len(points)
            points.copy_(torch.quantile(self._scaled(layer).flatten(), middles))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Biases and normalisation as ever, and points with a rate of their own. There is no weight decay on either."""
        points = list(self.points.values())
        others = [p for name, p in self.network.named_parameters() if p.requires_grad]
        return [
            {"params": others, "weight_decay": 0.0},
            {"params": points, "weight_decay": 0.0, "scale": POINTS_RATE},
        ]

    def loss(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See `soft_and_hard`."""
        student = self.network.interpret(RealArithmetic(self.weight, activation=self.quantizer.activation), x)
        self.quantizer.follow()
        return soft_and_hard(student, self.teacher.logits(x), labels, self.compression.temperature), student

    def weight(self, layer: Convolution | Classifier) -> Tensor:
        """The quantised weight. Its gradient reaches the points alone."""
        points = self._points(layer)
        rounded, step = _rounded(points.detach())
        return alpha(layer) * straight_through(rounded * step, points)[self._nearest(layer, points)]

    def quantized(self, layer: Convolution | Classifier) -> QuantizedWeight:
        """The layer's weight as it is delivered."""
        points = self._points(layer).detach()
        rounded, step = _rounded(points)
        scale = alpha(layer)
        return QuantizedWeight(rounded[self._nearest(layer, points)] * scale.sign(), scale.abs() * step)

    def _points(self, layer: Convolution | Classifier) -> Tensor:
        """In ascending order."""
        points: Tensor = self.points[layer.name]
        return points.sort().values

    def _nearest(self, layer: Convolution | Classifier, points: Tensor) -> Tensor:
        """int64 of the weight's shape: the index of the point that each weight takes."""
        middles = (points[1:] + points[:-1]).detach() / 2
        return torch.bucketize(self._scaled(layer), middles)

    def _scaled(self, layer: Convolution | Classifier) -> Tensor:
        return layer.weight.detach() / alpha(layer)

    def integers(self) -> Integers:
        """See `Method.integers`."""
        return self.quantizer.integers(self.network, self.quantized)


def alpha(layer: Convolution | Classifier) -> Tensor:
    """What each bucket of weights is divided by: [out, 1, 1, 1] for a convolution, a scalar for a classifier.

    It has the sign of the factor that batch normalisation gives the channel, which delivered weights absorb: without it
    a layer would be delivered with the points and their negatives.
    """
    magnitude = layer.weight.detach().abs()
    if isinstance(layer, Classifier):
        return magnitude.amax().clamp_min(SMALLEST_STEP)
    sign = torch.where(layer.norm.weight.detach() < 0, -1.0, 1.0)
    return magnitude.amax((1, 2, 3), keepdim=True).clamp_min(SMALLEST_STEP) * sign[:, None, None, None]


def _rounded(points: Tensor) -> tuple[Tensor, Tensor]:
    """The points as integers, float tensor [points], and the value of one unit."""
    limit = largest_integer(GRID_BITS)
    step = (points.abs().amax() / limit).clamp_min(SMALLEST_STEP)
    return torch.round(points / step).clamp(-limit, limit), step
