"""PQK: what the teacher is made of, and that each loss of phase 2 updates only its own weights."""

import dataclasses
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.methods import TRAINING, batch, gradient, make_method, running
from torch import Tensor

from pqk.train.distillation import divergence
from pqk.train.methods.pqk import Pqk
from pqk.train.methods.pqk_phase1 import PqkPhase1

SPARSITY = 0.9

VARIANTS = [
    {"teacher": teacher, "teacher_norm": norm, "updates": updates}
    for teacher in ("float", "quantized")
    for norm in ("separate", "shared")
    for updates in ("split", "joint")
]
SPLIT = [variant for variant in VARIANTS if variant["updates"] == "split"]
JOINT = [variant for variant in VARIANTS if variant["updates"] == "joint"]


def in_phase_2(**settings: Any) -> Pqk:
    method = make_method(Pqk, sparsity=SPARSITY, **settings)
    method.pruner.prune(1.0)
    method.loss(*batch())  # sets the activation ranges
    method.begin_epoch(TRAINING.phase1_epochs)
    return method


def parts(method: Pqk) -> tuple[Tensor, Tensor]:
    """Gradients of all kept and of all pruned-away weights."""
    layers = method.network.convolutions()
    kept = torch.cat([gradient(layer.weight)[method.pruner.mask(layer) == 1] for layer in layers])
    pruned = torch.cat([gradient(layer.weight)[method.pruner.mask(layer) == 0] for layer in layers])
    return kept, pruned


def test_phase_1_is_the_method_of_that_name() -> None:
    """The control is a control: same weights, same batch, same loss and gradients."""
    whole, control = make_method(Pqk, sparsity=SPARSITY), make_method(PqkPhase1, sparsity=SPARSITY)
    control.network.load_state_dict(whole.network.state_dict())
    x, labels = batch()
    for method in (whole, control):
        method.begin_epoch(0)
        method.begin_step(0, 1)
        method.loss(x, labels)[0].backward()
    for a, b in zip(whole.network.parameters(), control.network.parameters(), strict=True):
        assert torch.equal(gradient(a), gradient(b))
    control.begin_epoch(TRAINING.phase1_epochs)
    assert not control.frozen


@pytest.mark.parametrize("variant", VARIANTS)
def test_phase_2_student_loss_reaches_kept_weights_only(variant: dict[str, str]) -> None:
    method = in_phase_2(**variant)
    x, labels = batch()
    F.cross_entropy(method.student_logits(x), labels).backward()
    kept, pruned = parts(method)
    assert kept.count_nonzero() > 0
    assert pruned.count_nonzero() == 0
    if variant["teacher_norm"] == "separate":
        assert all(p.grad is None for p in method.teacher_norms.parameters())


@pytest.mark.parametrize("variant", SPLIT)
def test_phase_2_teacher_loss_reaches_pruned_weights_only(variant: dict[str, str]) -> None:
    method = in_phase_2(**variant)
    x, labels = batch()
    F.cross_entropy(method.teacher_logits(x), labels).backward()
    kept, pruned = parts(method)
    assert kept.count_nonzero() == 0
    assert pruned.count_nonzero() > 0
    for layer in method.network.classifiers():
        assert layer.weight.grad is None
        assert layer.bias.grad is None


@pytest.mark.parametrize("variant", JOINT)
def test_joint_updates_reach_all_weights(variant: dict[str, str]) -> None:
    method = in_phase_2(**variant)
    x, labels = batch()
    F.cross_entropy(method.teacher_logits(x), labels).backward()
    kept, pruned = parts(method)
    assert kept.count_nonzero() > 0
    assert pruned.count_nonzero() > 0
    for layer in method.network.classifiers():
        assert gradient(layer.weight).count_nonzero() > 0
        assert gradient(layer.bias).count_nonzero() > 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_phase_2_distillation_does_not_reach_the_teacher(variant: dict[str, str]) -> None:
    method = in_phase_2(**variant)
    x, _ = batch()
    divergence(method.student_logits(x), method.teacher_logits(x), 2.0).backward()
    kept, pruned = parts(method)
    assert kept.count_nonzero() > 0
    assert pruned.count_nonzero() == 0


@pytest.mark.parametrize("norm", ["separate", "shared"])
def test_batch_normalisation_is_the_student_s_or_the_teacher_s_own(norm: str) -> None:
    method = in_phase_2(teacher_norm=norm)
    norms = [layer.norm for layer in method.network.convolutions()]
    before = [running(layer) for layer in norms]
    x, labels = batch()
    F.cross_entropy(method.teacher_logits(x), labels).backward()
    moved = [
        any(not torch.equal(a, b) for a, b in zip(was, running(now), strict=True))
        for was, now in zip(before, norms, strict=True)
    ]
    reached = [gradient(layer.bias).count_nonzero() > 0 for layer in norms]
    shared = norm == "shared"
    assert all(value == shared for value in moved)
    assert all(value == shared for value in reached)
    assert hasattr(method, "teacher_norms") != shared


@pytest.mark.parametrize("teacher", ["float", "quantized"])
def test_the_teacher_is_the_student_and_the_pruned_away_weights(teacher: str) -> None:
    method = in_phase_2(teacher=teacher)
    layers = method.network.convolutions()
    for layer in layers:
        layer.weight.data[method.pruner.mask(layer) == 0] = 0
    x, _ = batch()
    if teacher == "quantized":
        assert torch.equal(method.teacher_logits(x), method.student_logits(x))
    else:  # with the student's weights, and activations in floats
        before = method.teacher_logits(x)
        method.quantizer.streams[layers[0].stream].range.mul_(0.1)
        assert torch.equal(method.teacher_logits(x), before)
    same = method.teacher_logits(x)
    layers[1].weight.data[method.pruner.mask(layers[1]) == 0] = 0.05
    assert not torch.equal(method.teacher_logits(x), same)


def test_a_quantised_teacher_s_pruned_away_weights_lie_on_a_grid() -> None:
    method = in_phase_2(teacher="quantized")
    layer = method.network.convolutions()[1]
    pruned = method.pruner.mask(layer)[0] == 0
    rest = (method._teacher_weight(layer) - method.quantized(layer).value)[0]
    assert len(torch.unique(rest[pruned])) <= 15
    assert len(torch.unique(layer.weight[0][pruned])) > 15
    assert rest[~pruned].count_nonzero() == 0


def test_the_teacher_learns_faster_and_is_believed_later() -> None:
    method = in_phase_2(teacher_loss=3.0, distillation_ramp=0.5, distillation=2.0)
    first = TRAINING.phase1_epochs
    method.schedule = dataclasses.replace(TRAINING, phase2_epochs=6)
    x, labels = batch()
    for epoch, share in ((0, 0.0), (1, 1 / 3), (2, 2 / 3), (3, 1.0), (5, 1.0)):
        method.begin_epoch(first + epoch)
        student, teacher = method.student_logits(x), method.teacher_logits(x)
        expected = 3 * F.cross_entropy(teacher, labels) + 2 * share * divergence(student, teacher, 2.0)
        torch.testing.assert_close(method.teaching(x, labels, student), expected)


def test_without_a_ramp_the_teacher_is_believed_at_once() -> None:
    method = in_phase_2(distillation_ramp=0.0, distillation=1.0, teacher_loss=1.0)
    x, labels = batch()
    student, teacher = method.student_logits(x), method.teacher_logits(x)
    expected = F.cross_entropy(teacher, labels) + divergence(student, teacher, 2.0)
    torch.testing.assert_close(method.teaching(x, labels, student), expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_step_of_phase_2_trains_both_parts_of_one_tensor(variant: dict[str, str]) -> None:
    method = in_phase_2(**variant)
    method.loss(*batch())[0].backward()
    kept, pruned = parts(method)
    assert kept.count_nonzero() > 0
    assert pruned.count_nonzero() > 0
    weights = [p for p in method.parameters() if p.ndim > 1]
    assert sum(p.numel() for p in weights) == method.network.weight_count()  # the teacher has none of its own


def test_phase_2_freezes_the_mask() -> None:
    method = in_phase_2()
    before = [method.pruner.mask(layer).clone() for layer in method.network.convolutions()]
    for layer in method.network.convolutions():
        layer.weight.data.normal_()
    method.begin_step(0, 1)
    after = [method.pruner.mask(layer) for layer in method.network.convolutions()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_teacher_starts_with_the_student_s_normalisation_and_ranges() -> None:
    method = make_method(Pqk, sparsity=SPARSITY, teacher="quantized")
    method.loss(*batch())
    method.begin_epoch(TRAINING.phase1_epochs)
    for layer in method.network.convolutions():
        for name, value in layer.norm.state_dict().items():
            assert torch.equal(value, method.teacher_norms[layer.name].state_dict()[name])
    own = zip(running(method.quantizer.streams), running(method.teacher_streams), strict=True)
    assert all(torch.equal(a, b) for a, b in own)


def test_a_quantised_teacher_s_ranges_follow_its_own_activations() -> None:
    method = in_phase_2(teacher="quantized")
    for layer in method.network.convolutions():
        layer.weight.data[method.pruner.mask(layer) == 0] *= 30
    student = running(method.quantizer.streams)
    method.loss(*batch())
    last = method.network.convolutions()[1].stream
    method.teacher_logits(batch()[0])
    assert method.teacher_streams[last].range != method.quantizer.streams[last].range
    assert len(student) == len(running(method.teacher_streams))
