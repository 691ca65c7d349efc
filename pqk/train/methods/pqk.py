"""PQK: pruning, quantisation, self-distillation in one training (Kim, Chang, Kwak; Interspeech 2021; arXiv 2106.14681).

Phase 1 prunes by magnitude, gradually, while training with quantised weights and activations. Phase 2 freezes the mask.
The pruned-away weights, added to the pruned network, make a teacher. Teacher and student share one tensor of weights,
and each loss updates only its own part of it. The paper says so much; its hyper-parameters and details are not public.
The variants are options: what the teacher's precision is, whether it has batch normalisation of its own, which loss
updates which weights, how much faster the teacher learns, and how soon it is believed.
"""

import copy

import torch.nn.functional as F
from torch import Tensor, nn

from pqk.project import CompressionConfig, TrainingConfig
from pqk.train.arithmetic import RealArithmetic, own_bias, unchanged
from pqk.train.distillation import divergence
from pqk.train.integer import InputFormat
from pqk.train.methods.two_phases import TwoPhases
from pqk.train.networks.layers import Classifier, Convolution, Network
from pqk.train.quantize import ActivationQuantizer, straight_through


class Pqk(TwoPhases):
    """See the module. Convolutions are pruned under one threshold; the classifier stays dense but counts as weights."""

    name = "pqk"

    def __init__(
        self, network: Network, source: InputFormat, compression: CompressionConfig, training: TrainingConfig
    ) -> None:
        super().__init__(network, source, compression, training)
        layers = network.convolutions()
        if compression.teacher_norm == "separate":
            self.teacher_norms = nn.ModuleDict({layer.name: copy.deepcopy(layer.norm) for layer in layers})
        if compression.teacher == "quantized":
            bits = compression.activation_bits
            self.teacher_streams = nn.ModuleDict({layer.stream: ActivationQuantizer(bits) for layer in layers})

    def begin_epoch(self, epoch: int) -> None:
        """Choose the phase, and how much the teacher is believed."""
        super().begin_epoch(epoch)
        grown = self.compression.distillation_ramp * self.schedule.phase2_epochs
        done = epoch - self.schedule.phase1_epochs
        self._belief = min(1.0, done / grown) if grown else 1.0

    def begin_phase2(self) -> None:
        """The teacher's normalisation and ranges start as the student's."""
        if self.compression.teacher_norm == "separate":
            for layer in self.network.convolutions():
                self.teacher_norms[layer.name].load_state_dict(layer.norm.state_dict())
        if self.compression.teacher == "quantized":
            self.teacher_streams.load_state_dict(self.quantizer.streams.state_dict())

    def teaching(self, x: Tensor, labels: Tensor, student: Tensor) -> Tensor:
        """Cross-entropy of the teacher, and the student's distance to it."""
        teacher = self.teacher_logits(x)
        self._follow_teacher()
        distance = divergence(student, teacher, self.compression.temperature)
        belief = self._belief * self.compression.distillation
        return self.compression.teacher_loss * F.cross_entropy(teacher, labels) + belief * distance

    def teacher_logits(self, x: Tensor) -> Tensor:
        """The student's weights and the pruned-away ones together."""
        quantized = self.compression.teacher == "quantized"
        teacher = RealArithmetic(
            self._teacher_weight,
            self._teacher_norm,
            self._teacher_activation if quantized else unchanged,
            own_bias if self._joint else _constant_bias,
        )
        return self.network.interpret(teacher, x)

    @property
    def _joint(self) -> bool:
        """Whether the teacher's loss reaches the student's weights, too."""
        return self.compression.updates == "joint"

    def _teacher_weight(self, layer: Convolution | Classifier) -> Tensor:
        """The student's weights, constant unless updates are joint, and the pruned-away ones."""
        student = self.student_weight(layer) if self._joint else self.quantized(layer).value
        return student + self._pruned_away(layer) if isinstance(layer, Convolution) else student

    def _pruned_away(self, layer: Convolution) -> Tensor:
        rest = (1 - self.pruner.mask(layer)) * layer.weight
        if self.compression.teacher == "float":
            return rest
        return straight_through(self.quantizer.weight(layer, rest).value, rest)

    def _teacher_norm(self, layer: Convolution) -> nn.BatchNorm2d:
        if self.compression.teacher_norm == "shared":
            return layer.norm
        norm = self.teacher_norms[layer.name]
        assert isinstance(norm, nn.BatchNorm2d)
        return norm

    def _teacher_activation(self, stream: str, x: Tensor) -> Tensor:
        quantized: Tensor = self.teacher_streams[stream](x)
        return quantized

    def _follow_teacher(self) -> None:
        if self.compression.teacher == "quantized":
            for quantizer in self.teacher_streams.values():
                assert isinstance(quantizer, ActivationQuantizer)
                quantizer.follow()


def _constant_bias(layer: Classifier) -> Tensor:
    """The classifier is the student's: the teacher uses it and does not train it."""
    return layer.bias.detach()
