"""SPEQ: the teacher is the student with finer activations here and there, and only answers."""

import pytest
import torch
from support.methods import TRAINING, batch, gradient, make_method, running

from pqk.errors import ProjectError
from pqk.train.distillation import cosine_distance
from pqk.train.methods.speq import Speq

STEPS = 300


def in_phase_2(bits: int = 4) -> Speq:
    method = make_method(Speq, sparsity=0.5, activation_bits=bits)
    method.pruner.prune(1.0)
    method.loss(*batch())  # sets the activation ranges
    method.begin_epoch(TRAINING.phase1_epochs)
    method.begin_step(1000, 10)
    return method


def test_the_cosine_distance_is_that_of_softened_outputs() -> None:
    student = torch.randn(6, 5, requires_grad=True)
    teacher = torch.randn(6, 5, requires_grad=True)
    p, q = (torch.softmax(logits / 3, 1) for logits in (teacher, student))
    cosines = (p * q).sum(1) / (p.norm(dim=1) * q.norm(dim=1))
    distance = cosine_distance(student, teacher, 3.0)
    torch.testing.assert_close(distance, 9 * (1 - cosines).mean())
    distance.backward()
    assert teacher.grad is None
    assert gradient(student).count_nonzero() > 0
    assert cosine_distance(student, student, 2.0).abs() < 1e-5


def test_each_stream_s_precision_is_drawn_anew_with_probability_a_half() -> None:
    method = in_phase_2(bits=4)
    drawn = []
    for iteration in range(STEPS):
        method.begin_step(iteration, 100)
        drawn.append([method.teacher_bits[name] for name in method.quantizer.quantizers()])
    fine = torch.tensor(drawn) == 8
    assert {bits for row in drawn for bits in row} == {4, 8}
    assert ((fine.float().mean(0) - 0.5).abs() < 0.2).all()  # seven standard deviations
    assert len({tuple(row) for row in drawn}) > 2  # streams do not go together
    method.begin_step(7, 100)
    assert [method.teacher_bits[name] for name in method.quantizer.quantizers()] == drawn[7]  # as a resumed run does


def test_the_teacher_is_the_student_where_no_stream_is_finer() -> None:
    method = in_phase_2()
    x, _ = batch()
    method.teacher_bits = dict.fromkeys(method.teacher_bits, 4)
    student, teacher = method.student_logits(x), method.teacher_logits(x)
    assert torch.equal(student, teacher)
    for name in method.teacher_bits:
        method.teacher_bits = dict.fromkeys(method.teacher_bits, 4) | {name: 8}
        assert not torch.equal(student, method.teacher_logits(x))


def test_finer_activations_share_the_student_s_range() -> None:
    method = in_phase_2()
    (name, quantizer), *_ = method.quantizer.quantizers().items()
    x = torch.linspace(0, 2 * float(quantizer.range), 5000)
    coarse, fine = method.quantizer.activation(name, x), method.quantizer.activation_at(8, name, x)
    assert len(torch.unique(coarse)) == 16
    assert len(torch.unique(fine)) == 256
    torch.testing.assert_close(coarse.max(), quantizer.range)
    torch.testing.assert_close(fine.max(), quantizer.range)


def test_the_teacher_moves_neither_statistics_nor_ranges() -> None:
    method = in_phase_2()
    before = running(method)
    method.teacher_logits(batch()[0] * 3)
    method.quantizer.follow()
    assert all(torch.equal(a, b) for a, b in zip(before, running(method), strict=True))
    method.loss(*batch())  # whereas the student does
    moved = [not torch.equal(a, b) for a, b in zip(before, running(method), strict=True)]
    assert sum(moved) > 2 * len(method.network.convolutions())


def test_the_teacher_adds_to_the_student_s_gradient_and_has_none() -> None:
    method = in_phase_2()
    x, labels = batch()
    assert not method.teacher_logits(x).requires_grad
    method.teaching(x, labels, method.student_logits(x)).backward()
    for layer in method.network.convolutions():
        pruned = method.pruner.mask(layer) == 0
        assert gradient(layer.weight)[~pruned].count_nonzero() > 0
        assert gradient(layer.weight)[pruned].count_nonzero() == 0
    method.zero_grad()
    method.loss(x, labels)[0].backward()


def test_there_is_no_teacher_in_phase_1() -> None:
    method = make_method(Speq, sparsity=0.0)
    x, labels = batch()
    for epoch in range(TRAINING.phase1_epochs):
        method.begin_epoch(epoch)
        method.begin_step(epoch, 1)
        loss, logits = method.loss(x, labels)
        assert torch.equal(loss, torch.nn.functional.cross_entropy(logits, labels))
    method.begin_epoch(TRAINING.phase1_epochs)
    loss, logits = method.loss(x, labels)
    assert loss > torch.nn.functional.cross_entropy(logits, labels)


def test_a_student_as_fine_as_the_teacher_is_refused() -> None:
    with pytest.raises(ProjectError, match="activation_bits = 8") as error:
        make_method(Speq, activation_bits=8)
    assert "activation_bits = 7" in error.value.hint
