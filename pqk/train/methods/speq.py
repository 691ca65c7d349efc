"""SPEQ: a stochastic-precision ensemble teaches (Boo, Shin, Choi, Sung, "Stochastic Precision Ensemble:
Self-Knowledge Distillation for Quantized Deep Neural Networks", AAAI 2021).

Teacher and student have the same quantised weights. The student's activations have n_A = `activation_bits` bits. The
teacher's have n_A or 8, drawn anew for each stream of activations in every step. The teacher is only run forward, and
the student's loss is cross-entropy and the cosine distance to the teacher's softened outputs.

Our reading: phase 1 is PQK's, that is plain quantization-aware training with `sparsity` 0, and the teacher comes in
phase 2, when the mask is frozen. Both precisions have one range, which follows the student. The teacher normalises with
the statistics of the batch and leaves the running ones as they are.
"""

import torch
from torch import Tensor

from pqk.errors import ProjectError
from pqk.project import CompressionConfig
from pqk.train.arithmetic import RealArithmetic
from pqk.train.distillation import cosine_distance, statistics_kept
from pqk.train.methods.two_phases import TwoPhases

FINE_BITS = 8
FINE_SHARE = 0.5  # probability that the teacher's activations of a stream are fine


class Speq(TwoPhases):
    """See the module. `distillation` is the weight of the cosine distance, `temperature` softens both outputs."""

    name = "speq"

    @classmethod
    def check(cls, compression: CompressionConfig) -> None:
        """The teacher must be finer than the student."""
        super().check(compression)
        if compression.activation_bits >= FINE_BITS:
            raise ProjectError(
                f"compression.activation_bits = {compression.activation_bits}: the teacher of method {cls.name!r} has "
                f"activations of {FINE_BITS} bits, so it would be the student",
                f"write activation_bits = {FINE_BITS - 1} or less, or choose another method",
            )

    def begin_step(self, iteration: int, per_epoch: int) -> None:
        """Draw the teacher's precisions."""
        super().begin_step(iteration, per_epoch)
        streams = self.quantizer.quantizers()
        fine = torch.rand(len(streams), generator=self.random(iteration)) < FINE_SHARE
        coarse = self.compression.activation_bits
        self.teacher_bits = {name: FINE_BITS if choice else coarse for name, choice in zip(streams, fine, strict=True)}

    def teaching(self, x: Tensor, labels: Tensor, student: Tensor) -> Tensor:
        """The cosine distance to the teacher."""
        del labels
        distance = cosine_distance(student, self.teacher_logits(x), self.compression.temperature)
        return self.compression.distillation * distance

    @torch.no_grad()
    def teacher_logits(self, x: Tensor) -> Tensor:
        """The student's weights with activations of the precisions drawn."""
        teacher = RealArithmetic(self.student_weight, activation=self._teacher_activation)
        with statistics_kept(self.network):
            return self.network.interpret(teacher, x)

    def _teacher_activation(self, stream: str, x: Tensor) -> Tensor:
        return self.quantizer.activation_at(self.teacher_bits[stream], stream, x)
