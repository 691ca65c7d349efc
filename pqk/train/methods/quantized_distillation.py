"""Quantized distillation (Polino, Pascanu, Alistarh, "Model compression via distillation and quantization", ICLR 2018).

The teacher is a trained float network and stays as it is. Each step takes the distillation loss at the quantised
weights and applies its gradient to the float weights; the quantised ones are delivered. `soft_and_hard` is the loss.

Our reading: the teacher is the project's float reference. Weights lie on the symmetric grid that all methods here have,
with a step per output channel, and not on the paper's min-max grid of buckets of 256, because a pruned weight must be
exactly 0. Activations are quantised too. With `sparsity` the network is pruned on the way as in phase 1 of PQK.
"""

import copy
from collections.abc import Mapping

from torch import Tensor

from pqk.train.distillation import FixedTeacher, soft_and_hard
from pqk.train.methods.compressed import Compressed


class QuantizedDistillation(Compressed):
    """See the module. The student starts afresh: of the reference it sees the outputs only."""

    name = "quantized-distillation"

    def take_reference(self, state: Mapping[str, Tensor]) -> None:
        """The reference becomes the teacher."""
        teacher = copy.deepcopy(self.network)
        teacher.load_state_dict(state)
        self.teacher = FixedTeacher(teacher)

    def loss(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See `soft_and_hard`."""
        student = self.student_logits(x)
        self.quantizer.follow()
        return soft_and_hard(student, self.teacher.logits(x), labels, self.compression.temperature), student
