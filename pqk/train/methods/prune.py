"""Iterative magnitude pruning alone, with DPF's feedback (Lin et al., ICLR 2020): see `pqk.train.pruning`.

Training is in floats; the pruned network is quantised after it, with the ranges of the activations that were seen.
"""

from torch import Tensor

from pqk.train.arithmetic import RealArithmetic
from pqk.train.methods.compressed import Compressed
from pqk.train.networks.layers import Classifier, Convolution
from pqk.train.quantize import straight_through


class Prune(Compressed):
    """Cross-entropy of the pruned float network."""

    name = "prune"

    def student_logits(self, x: Tensor) -> Tensor:
        """The pruned network in floats."""
        return self.network.interpret(RealArithmetic(self.student_weight, activation=self.quantizer.observe), x)

    def student_weight(self, layer: Convolution | Classifier) -> Tensor:
        """Pruned; the gradient reaches every weight."""
        return straight_through(self.pruner.kept(layer), self.pruner.reached(layer))
