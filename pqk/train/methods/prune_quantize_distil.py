"""Prune and quantise, then distil from the original (Bao, Liu, Zhang 2019).

The paper compresses coarsely first, by pruning and quantisation, and then trains the small network with the original
one as its teacher. The details are our reading. Coarse is structured: whole filters of the trained original go, those
of the smallest L1 norm (Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017), with their batch normalisation
folded in; see `pqk.train.filters`. So the result is a smaller dense network. It is quantised at once, and its whole
training is quantisation-aware, with the loss of `pqk.train.distillation.soft_and_hard`.
"""

from collections.abc import Mapping

import torch
from pqk_codegen.ir import Network as IrNetwork
from pqk_codegen.prune_channels import without_dead_channels
from torch import Tensor

from pqk.errors import ProjectError
from pqk.project import CompressionConfig, TrainingConfig
from pqk.train.arithmetic import RealArithmetic
from pqk.train.distillation import FixedTeacher, soft_and_hard
from pqk.train.filters import Filters
from pqk.train.integer import InputFormat, Integers
from pqk.train.methods.quantized import Quantized
from pqk.train.networks.layers import Classifier, Convolution, Network
from pqk.train.quantize import QuantizedWeight, straight_through


class PruneQuantizeDistil(Quantized):
    """See the module. `sparsity`: the share of all weights that goes with the filters, at least; `budget_nonzeros`: how
    many weights may stay.

    The network keeps its shape in training. Of a channel that is gone, weights and normalisation are 0, and so is its
    gradient; `finish` takes it out of what is delivered.
    """

    name = "prune-quantize-distil"

    def __init__(
        self, network: Network, source: InputFormat, compression: CompressionConfig, training: TrainingConfig
    ) -> None:
        super().__init__(network, source, compression, training)
        self.filters = Filters(network, compression)

    @classmethod
    def check(cls, compression: CompressionConfig) -> None:
        """Beside what all methods check: costs are known for layers of the whole network's channels alone."""
        super().check(compression)
        if compression.budget not in (None, "budget_nonzeros"):
            raise ProjectError(
                f"compression.{compression.budget}: what weights cost is not known for a network of fewer channels, "
                f"which method {cls.name!r} makes",
                "write budget_nonzeros or sparsity instead, or choose another method",
            )

    def take_reference(self, state: Mapping[str, Tensor]) -> None:
        """Start as the reference without its least important filters; the whole reference is the teacher."""
        self.network.load_state_dict(state)
        self.teacher = FixedTeacher(self.network)
        self.filters.prune()
        self._clear()

    @torch.no_grad()
    def _clear(self) -> None:
        """A channel that is gone is 0 behind its ReLU, where the gradient is 0, too: so it stays."""
        for layer in self.network.convolutions():
            kept = self.filters.kept(layer.stream)
            layer.norm.weight.mul_(kept)
            layer.norm.bias.mul_(kept)

    def loss(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See `soft_and_hard`."""
        student = self.network.interpret(RealArithmetic(self._weight, activation=self._activation), x)
        self.quantizer.follow()
        return soft_and_hard(student, self.teacher.logits(x), labels, self.compression.temperature), student

    def _weight(self, layer: Convolution | Classifier) -> Tensor:
        return straight_through(self._quantized(layer).value, self._kept(layer))

    def _quantized(self, layer: Convolution | Classifier) -> QuantizedWeight:
        return self.quantizer.weight(layer, self._kept(layer))

    def _kept(self, layer: Convolution | Classifier) -> Tensor:
        return self.filters.mask(layer) * layer.weight

    def _activation(self, stream: str, x: Tensor) -> Tensor:
        """On the grid of the stream, whose range follows the channels that are left."""
        self.quantizer.observe(stream, x[:, self.filters.kept(stream)])
        return self.quantizer.quantizers()[stream].on_grid(x)

    def integers(self) -> Integers:
        """The integers of the network in its full shape."""
        return self.quantizer.integers(self.network, self._quantized)

    def finish(self, network: IrNetwork) -> IrNetwork:
        """Without the channels that are gone."""
        return without_dead_channels(network)

    def facts(self) -> dict[str, float]:
        """The share of weights that are gone."""
        return {"sparsity": self.filters.removed()}
