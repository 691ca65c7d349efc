"""Plain training without compression: the reference that compression is judged by.

As a compression method it trains nothing: the reference is quantised as it is (post-training quantisation,
Krishnamoorthi 2018, arXiv 1806.08342), with ranges of the activations of some recordings.
"""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from pqk.train.arithmetic import FLOAT, own_weight
from pqk.train.integer import Integers
from pqk.train.methods.method import Method
from pqk.train.methods.quantized import Quantized


class Reference(Quantized):
    """Cross-entropy on the float network. Its predictions are the float network's."""

    name = "float"
    prunes = False

    def loss(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See `Method.loss`."""
        logits = self.network.interpret(FLOAT, x)
        return F.cross_entropy(logits, labels), logits

    def predict(self, x: Tensor) -> Tensor:
        """Logits in floats. `x`: integer features [n, 1, frames, bands]."""
        return self.in_floats(FLOAT, x)

    def integers(self) -> Integers:
        """The reference's weights and ranges, rounded."""
        return self.quantizer.integers(self.network, lambda layer: self.quantizer.weight(layer, layer.weight))


class Float(Reference):
    """The reference, quantised after its training."""

    @property
    def epochs(self) -> int:
        """None: it is trained already."""
        return 0

    def take_reference(self, state: Mapping[str, Tensor]) -> None:
        """Become the reference."""
        self.network.load_state_dict(state)

    def calibrate(self, x: Tensor) -> None:
        """See `Method.calibrate`."""
        self.quantizer.calibrate(self.network, own_weight, x)

    def predict(self, x: Tensor) -> Tensor:
        """See `Method.predict`."""
        return Method.predict(self, x)
