"""Plain training without compression: the reference that compression is judged by."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pqk.train.arithmetic import FLOAT
from pqk.train.methods.method import Method


class Float(Method):
    """Cross-entropy on the float network."""

    def loss(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See `Method.loss`."""
        logits = self.network.interpret(FLOAT, x)
        return F.cross_entropy(logits, labels), logits

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """See `Method.predict`."""
        return self.network.interpret(FLOAT, x * self.source.scale)
