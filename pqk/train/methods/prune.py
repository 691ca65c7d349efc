"""Iterative magnitude pruning alone, with DPF's feedback (Lin et al., ICLR 2020): see `pqk.train.pruning`.

Training is in floats. The pruned network is quantised after it, with ranges of the activations of some recordings.
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
        return self.network.interpret(RealArithmetic(self.student_weight), x)

    def student_weight(self, layer: Convolution | Classifier) -> Tensor:
        """Pruned; the gradient reaches every weight."""
        return straight_through(self.pruner.kept(layer), self.pruner.reached(layer))

    def predict(self, x: Tensor) -> Tensor:
        """See `Method.predict`; before `calibrate`, while it is trained, the logits of the pruned float network."""
        return super().predict(x) if self.quantizer.calibrated else self.in_floats(RealArithmetic(self.pruner.kept), x)

    def calibrate(self, x: Tensor) -> None:
        """See `Method.calibrate`."""
        self.quantizer.calibrate(self.network, self.pruner.kept, x)
