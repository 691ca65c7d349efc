"""An online ensemble of compressed students (Walawalkar, Shen, Savvides, "Online Ensemble Model Compression using
Knowledge Distillation", ECCV 2020).

One uncompressed and several compressed students on a common base are trained together, and what teaches is the
ensemble: the mean of their logits. Each student's loss is 0.7 of its cross-entropy, 0.15 of its distance to the
uncompressed one's features, 0.15 of its divergence from the ensemble, at a temperature of 2.

Our reading, for one network: the students are nested prunings of the same weights, at equal steps of sparsity up to the
one asked for. The uncompressed one is dense and in floats; the others are quantised. The base is the first convolution,
as it is delivered. Behind it each student has batch normalisation of its own, and the compressed ones have ranges of
their own. Features are the mean-pooled ones before the classifier, and their distance is the mean square. Losses are
averaged over the students, so that the learning rate suits as it is. Delivered is the sparsest student.
"""

import copy
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pqk.errors import ProjectError
from pqk.project import CompressionConfig, TrainingConfig
from pqk.train.arithmetic import RealArithmetic
from pqk.train.distillation import divergence
from pqk.train.integer import InputFormat
from pqk.train.methods.compressed import Compressed
from pqk.train.networks.layers import Classifier, Convolution, Network
from pqk.train.pruning import Pruner
from pqk.train.quantization import NetworkQuantizer
from pqk.train.quantize import straight_through

HARD, FEATURES, SOFT = 0.7, 0.15, 0.15
"""Shares of a student's loss: cross-entropy, distance of features, divergence from the ensemble."""


class Ensemble(Compressed):
    """See the module. `students` counts the compressed ones; `temperature` softens the outputs."""

    name = "ensemble"

    def __init__(
        self, network: Network, source: InputFormat, compression: CompressionConfig, training: TrainingConfig
    ) -> None:
        super().__init__(network, source, compression, training)
        self.dense_norms = Norms(network)
        count = compression.students
        shares = [number / count for number in range(1, count)]
        self.thinner = nn.ModuleList(Student(network, source, thinned(compression, share)) for share in shares)

    @classmethod
    def check(cls, compression: CompressionConfig) -> None:
        """Students must differ in sparsity."""
        super().check(compression)
        if compression.budget:
            raise ProjectError(
                f"compression.{compression.budget}: the students of method {cls.name!r} are steps of one sparsity",
                "write sparsity instead, or choose another method",
            )
        if not compression.sparsity:
            raise ProjectError(
                f"compression.sparsity = {compression.sparsity}: the students of method {cls.name!r} would not differ",
                "ask for some sparsity, or choose another method",
            )

    def begin_step(self, iteration: int, per_epoch: int) -> None:
        """Choose all masks now and then."""
        super().begin_step(iteration, per_epoch)
        for student in self._thinner():
            student.pruner.begin_step(iteration, per_epoch, self.schedule.phase1_epochs)

    def loss(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of the students' losses, and the logits of the one that is delivered."""
        answers = self.answers(x)
        for quantizer in (self.quantizer, *(student.quantizer for student in self._thinner())):
            quantizer.follow()
        return ensemble_loss(answers, labels, self.compression.temperature), answers[-1].logits

    def answers(self, x: Tensor) -> list["Answer"]:
        """Of the uncompressed student first, then from the densest to the sparsest."""
        stem = self.network.convolutions()[0]
        sparsest = OnBase(self.student_weight, activation=self.quantizer.activation, stem=stem)
        students = [
            OnBase(norm=self.dense_norms.of, stem=stem),
            *(student.on_base(stem) for student in self._thinner()),
            sparsest,
        ]
        base = RealArithmetic(sparsest.weight, activation=sparsest.activation).convolution(stem, x)
        return [answer(self.network, student, base) for student in students]

    def _thinner(self) -> list["Student"]:
        return [student for student in self.thinner if isinstance(student, Student)]


def thinned(compression: CompressionConfig, share: float) -> CompressionConfig:
    """Settings of a student that is not delivered, with a share of the sparsity."""
    return replace(compression, sparsity=compression.sparsity * share, lane_budget=0)


class Norms(nn.Module):
    """A set of batch normalisation for a network's convolutions, which starts as the network's own."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({layer.name: copy.deepcopy(layer.norm) for layer in network.convolutions()[1:]})

    def of(self, layer: Convolution) -> nn.BatchNorm2d:
        """The one of `layer`. The first convolution, which all students share, has none."""
        norm = self.layers[layer.name]
        assert isinstance(norm, nn.BatchNorm2d)
        return norm


class Student(nn.Module):
    """What a compressed student has beside the weights, which are the network's."""

    def __init__(self, network: Network, source: InputFormat, compression: CompressionConfig) -> None:
        super().__init__()
        self.pruner = Pruner(network, compression)
        self.quantizer = NetworkQuantizer(network, source, compression)
        self.norms = Norms(network)

    def on_base(self, stem: Convolution) -> "OnBase":
        """The student's arithmetic."""
        return OnBase(self.weight, self.norms.of, self.quantizer.activation, stem=stem)

    def weight(self, layer: Convolution | Classifier) -> Tensor:
        """Pruned and quantised; the gradient reaches every weight."""
        kept, reached = self.pruner.kept(layer), self.pruner.reached(layer)
        return straight_through(self.quantizer.weight(layer, kept).value, reached)


@dataclass(frozen=True)
class OnBase(RealArithmetic):
    """What the network reads is the output of its first convolution, `stem`, already."""

    stem: Convolution | None = None
    features: list[Tensor] = field(default_factory=list)
    """Filled when the network is run: the mean-pooled features [n, C]."""

    def convolution(self, layer: Convolution, x: Tensor) -> Tensor:
        """See `RealArithmetic.convolution`."""
        return x if layer is self.stem else super().convolution(layer, x)

    def mean(self, x: Tensor) -> Tensor:
        """See `RealArithmetic.mean`."""
        pooled = super().mean(x)
        self.features.append(pooled)
        return pooled


@dataclass(frozen=True)
class Answer:
    """Of one student: logits [n, classes] and mean-pooled features [n, C]."""

    logits: Tensor
    features: Tensor


def answer(network: Network, student: OnBase, base: Tensor) -> Answer:
    """The student's answer to the output of the first convolution."""
    logits = network.interpret(student, base)
    (features,) = student.features
    return Answer(logits, features)


def ensemble_loss(answers: list[Answer], labels: Tensor, temperature: float) -> Tensor:
    """Mean over the students; the first answer is the uncompressed one's."""
    together = torch.stack([each.logits for each in answers]).mean(0)
    aim = answers[0].features.detach()
    losses = [
        HARD * F.cross_entropy(each.logits, labels)
        + FEATURES * F.mse_loss(each.features, aim)
        + SOFT * divergence(each.logits, together, temperature)
        for each in answers
    ]
    return torch.stack(losses).mean()
