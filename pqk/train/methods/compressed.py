"""What the methods share that prune and quantise while they train."""

import torch.nn.functional as F
from torch import Tensor

from pqk.budget import NetworkCosts
from pqk.project import CompressionConfig, TrainingConfig
from pqk.train.arithmetic import RealArithmetic
from pqk.train.integer import InputFormat, Integers
from pqk.train.methods.quantized import Quantized
from pqk.train.networks.layers import Classifier, Convolution, Network
from pqk.train.pruning import Pruner
from pqk.train.quantize import QuantizedWeight, straight_through

WITHOUT_TEACHER = 2.0
"""Of the learning rate. A network with few weights learns too little from labels alone, whose loss is smaller than a
teacher's. res8-narrow, 90 % zeros, 4 bits, 32 epochs, two seeds, validation: 91.8 and 91.4 % with 1, 92.8 and 92.3 %
with 2. With a teacher from the start it did not help: 93.2 and 92.7 %.
"""


class Compressed(Quantized):
    """Quantization-aware training of a network that is pruned on the way; the loss is cross-entropy.

    The mask is chosen anew all the time: `phase1_epochs` is where the full sparsity is reached.
    """

    def __init__(
        self, network: Network, source: InputFormat, compression: CompressionConfig, training: TrainingConfig
    ) -> None:
        super().__init__(network, source, compression, training)
        self.pruner = Pruner(network, compression)
        self.frozen = False
        """Whether the mask stays as it is, and gradients reach kept weights only."""

    def take_costs(self, costs: NetworkCosts) -> None:
        """See `Method.take_costs`."""
        self.pruner.take_costs(costs)

    def begin_step(self, iteration: int, per_epoch: int) -> None:
        """Choose the mask now and then."""
        if not self.frozen:
            self.pruner.begin_step(iteration, per_epoch, self.schedule.phase1_epochs)

    def loss(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the student."""
        student = self.student_logits(x)
        self.quantizer.follow()
        return F.cross_entropy(student, labels), student

    def student_logits(self, x: Tensor) -> Tensor:
        """The pruned and quantised network, in fake-quantised floats."""
        return self.network.interpret(RealArithmetic(self.student_weight, activation=self.quantizer.activation), x)

    def student_weight(self, layer: Convolution | Classifier) -> Tensor:
        """Pruned and quantised. The gradient reaches every weight, once the mask is frozen the kept ones only."""
        reached = self.pruner.kept(layer) if self.frozen else self.pruner.reached(layer)
        return straight_through(self.quantized(layer).value, reached)

    def quantized(self, layer: Convolution | Classifier) -> QuantizedWeight:
        """The layer's weight as it is delivered."""
        return self.quantizer.weight(layer, self.pruner.kept(layer))

    def integers(self) -> Integers:
        """The student's integers."""
        return self.quantizer.integers(self.network, self.quantized)

    def facts(self) -> dict[str, float]:
        """The share of masked weights among all weights of the network."""
        return {"sparsity": self.pruner.sparsity()}
