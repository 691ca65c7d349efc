"""PQK: pruning, quantisation, self-distillation in one training (Kim, Chang, Kwak; Interspeech 2021; arXiv 2106.14681).

Phase 1 prunes by magnitude, gradually, while training with quantised weights and activations. The mask is dynamic:
gradients reach pruned weights too, so that they can come back (DPF: Lin et al., ICLR 2020).
Phase 2 freezes the mask. The pruned-away weights, added to the pruned network, make a teacher. Teacher and student
share one tensor of weights, and each loss updates only its own part of it. Hyper-parameters are this project's.
"""

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pqk.errors import ProjectError
from pqk.project import CompressionConfig, TrainingConfig
from pqk.train import integer
from pqk.train.arithmetic import RealArithmetic
from pqk.train.integer import InputFormat, Integers, Quantization
from pqk.train.lanes import Source, channel_limits, input_streams
from pqk.train.methods.method import Compression
from pqk.train.networks.layers import Classifier, Convolution, Network
from pqk.train.quantize import (
    ActivationQuantizer,
    QuantizedWeight,
    largest_integer,
    quantize_weight,
    straight_through,
)

MASK_PERIOD = 16  # iterations between two choices of the mask
RAMP = 0.6  # share of phase 1 in which sparsity grows


class Pqk(Compression):
    """See the module. Convolutions are pruned under one threshold; the classifier stays dense but counts as weights."""

    def __init__(
        self, network: Network, source: InputFormat, compression: CompressionConfig, training: TrainingConfig
    ) -> None:
        super().__init__(network, source, compression, training)
        total = network.weight_count()
        prunable = sum(layer.weight.numel() for layer in network.convolutions())
        self.zeros = math.ceil(compression.sparsity * total)
        if self.zeros >= prunable:
            raise ProjectError(
                f"compression.sparsity = {compression.sparsity}: {self.zeros} of {total} weights would be zero, "
                f"but only the {prunable} of the convolutions are pruned",
                "ask for less sparsity",
            )
        bits, layers = compression.activation_bits, network.convolutions()
        for layer in layers:
            self.register_buffer(f"mask_{layer.name}", torch.ones_like(layer.weight))
        self.quantizers = nn.ModuleDict({layer.stream: ActivationQuantizer(bits) for layer in layers})
        self.reads = input_streams(network)
        self.teacher_norms = nn.ModuleDict({layer.name: copy.deepcopy(layer.norm) for layer in layers})
        self.phase = 1

    def begin_epoch(self, epoch: int) -> None:
        """Choose the phase. The teacher's normalisation starts as the student's."""
        self.phase = 1 if epoch < self.schedule.phase1_epochs else 2
        if epoch == self.schedule.phase1_epochs:
            for layer in self.network.convolutions():
                self.teacher_norms[layer.name].load_state_dict(layer.norm.state_dict())

    def begin_step(self, iteration: int, per_epoch: int) -> None:
        """In phase 1, choose the mask anew every few iterations; its last epoch has the full sparsity however short."""
        last_epoch = (self.schedule.phase1_epochs - 1) * per_epoch
        if self.phase == 1 and (iteration % MASK_PERIOD == 0 or iteration == last_epoch):
            ramp = max(1, int(RAMP * self.schedule.phase1_epochs * per_epoch) - MASK_PERIOD)
            share = 1.0 if iteration >= last_epoch else cubic_ramp(iteration / ramp)
            self.prune(round(self.zeros * share))

    @torch.no_grad()
    def prune(self, zeros: int) -> None:
        """Mask exactly `zeros` convolution weights, those of the smallest magnitude."""
        layers = self.network.convolutions()
        magnitude = torch.cat([layer.weight.abs().flatten() for layer in layers])
        mask = torch.ones_like(magnitude)
        mask[torch.argsort(magnitude, stable=True)[:zeros]] = 0
        parts = torch.split(mask, [layer.weight.numel() for layer in layers])
        for layer, part in zip(layers, parts, strict=True):
            self.mask(layer).copy_(part.view_as(layer.weight))

    def mask(self, layer: Convolution) -> Tensor:
        """1 where a weight of `layer` is kept, 0 where it is pruned."""
        return self.get_buffer(f"mask_{layer.name}")

    def loss(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the student; in phase 2 also the teacher's, and the distance from the one to the other."""
        student = self.student_logits(x)
        for quantizer in self._quantizers().values():
            quantizer.follow()
        loss = F.cross_entropy(student, labels)
        if self.phase == 2:
            teacher = self.teacher_logits(x)
            loss = loss + F.cross_entropy(teacher, labels) + self._distillation(student, teacher.detach())
        return loss, student

    def student_logits(self, x: Tensor) -> Tensor:
        """The pruned and quantised network, in fake-quantised floats."""
        return self.network.interpret(RealArithmetic(self._student_weight, activation=self._quantize), x)

    def teacher_logits(self, x: Tensor) -> Tensor:
        """The student's weights and the pruned-away ones together, with float activations."""
        teacher = RealArithmetic(self._teacher_weight, self._teacher_norm, bias=_constant_bias)
        return self.network.interpret(teacher, x)

    def _distillation(self, student: Tensor, teacher: Tensor) -> Tensor:
        heat = self.compression.temperature
        divergence = F.kl_div(
            F.log_softmax(student / heat, 1), F.log_softmax(teacher / heat, 1), reduction="batchmean", log_target=True
        )
        return self.compression.distillation * heat**2 * divergence

    def _kept(self, layer: Convolution | Classifier) -> Tensor:
        return self.mask(layer) * layer.weight if isinstance(layer, Convolution) else layer.weight

    def _quantized(self, layer: Convolution | Classifier) -> QuantizedWeight:
        kept = self._kept(layer)
        return quantize_weight(kept, self._limit(layer, kept))

    def _limit(self, layer: Convolution | Classifier, kept: Tensor) -> Tensor:
        """The largest integer of the layer's weights, or of each output channel of a convolution."""
        least = largest_integer(self.compression.weight_bits)
        if isinstance(layer, Classifier):
            return torch.tensor(float(least))
        lane = self.compression.lane_budget
        if not lane:
            return torch.full((len(kept), 1, 1, 1), float(least))
        output_step = self._quantizers()[layer.stream].step
        return channel_limits(layer, kept, self._source(layer), output_step, bits=lane, least=least)

    def _source(self, layer: Convolution) -> Source:
        stream = self.reads[layer.name]
        if stream is None:
            return Source.of_input(self.source)
        quantizer = self._quantizers()[stream]
        return Source(quantizer.step, (0, quantizer.maximum))

    def _student_weight(self, layer: Convolution | Classifier) -> Tensor:
        """Pruned and quantised. The gradient reaches every weight in phase 1, the kept ones in phase 2."""
        reached = layer.weight if self.phase == 1 else self._kept(layer)
        return straight_through(self._quantized(layer).value, reached)

    def _teacher_weight(self, layer: Convolution | Classifier) -> Tensor:
        """The student's weights, constant, and the pruned-away ones in float."""
        student = self._quantized(layer).value
        return student + (1 - self.mask(layer)) * layer.weight if isinstance(layer, Convolution) else student

    def _teacher_norm(self, layer: Convolution) -> nn.Module:
        return self.teacher_norms[layer.name]

    def _quantizers(self) -> dict[str, ActivationQuantizer]:
        return {name: module for name, module in self.quantizers.items() if isinstance(module, ActivationQuantizer)}

    def _quantize(self, stream: str, x: Tensor) -> Tensor:
        quantized: Tensor = self.quantizers[stream](x)
        return quantized

    def integers(self) -> Integers:
        """The student's integers."""
        weights = {layer.name: self._quantized(layer) for layer in self.network.layers()}
        quantization = Quantization(
            weight_bits=max(self.compression.weight_bits, *(weight.bits for weight in weights.values())),
            activation_bits=self.compression.activation_bits,
            weights=weights,
            steps={name: quantizer.step for name, quantizer in self._quantizers().items()},
        )
        return integer.fold(self.network, quantization, self.source)

    def facts(self) -> dict[str, float]:
        """Phase, and the share of masked weights among all weights of the network."""
        zeros = sum(int((self.mask(layer) == 0).sum()) for layer in self.network.convolutions())
        return {"phase": self.phase, "sparsity": zeros / self.network.weight_count()}


def _constant_bias(layer: Classifier) -> Tensor:
    """The classifier is the student's: the teacher uses it and does not train it."""
    return layer.bias.detach()


def cubic_ramp(progress: float) -> float:
    """1 - (1 - t)^3 for t = `progress` limited to 0 .. 1: fast first, slow when little is left (Zhu & Gupta 2017)."""
    return 1 - (1 - min(max(progress, 0.0), 1.0)) ** 3
