"""Quantized distillation: a fixed teacher, and gradients at the quantised weights."""

import torch
import torch.nn.functional as F
from support.methods import batch, gradient, make_method, running

from pqk.train.arithmetic import FLOAT
from pqk.train.methods import Reference
from pqk.train.methods.quantized_distillation import QuantizedDistillation


def taught(**settings: float) -> tuple[QuantizedDistillation, Reference]:
    """A method and the reference that teaches it."""
    reference = make_method(Reference, sparsity=0.0)
    for _ in range(3):
        reference.loss(*batch())
    method = make_method(QuantizedDistillation, **settings)
    method.take_reference(reference.network.state_dict())
    method.loss(*batch())  # sets the activation ranges
    return method, reference.eval()


def test_the_loss_is_seven_tenths_divergence_from_the_reference() -> None:
    method, reference = taught(sparsity=0.0, temperature=3.0)
    x, labels = batch()
    loss, student = method.loss(x, labels)
    teacher = reference.network.interpret(FLOAT, x)
    p, q = (F.log_softmax(logits / 3, 1) for logits in (teacher, student))
    divergence = 9 * (p.exp() * (p - q)).sum(1).mean()
    torch.testing.assert_close(loss, 0.7 * divergence + 0.3 * F.cross_entropy(student, labels))


def test_the_teacher_is_fixed_and_no_part_of_the_method() -> None:
    method, _ = taught(sparsity=0.5)
    x, labels = batch()
    before = method.teacher.logits(x)
    weights = sum(p.numel() for p in method.parameters() if p.ndim > 1)
    assert weights == method.network.weight_count()
    assert not any("teacher" in name for name in method.state_dict())
    optimizer = torch.optim.SGD(method.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        method.train().loss(x, labels)[0].backward()
        optimizer.step()
    assert torch.equal(method.teacher.logits(x), before)
    assert not before.requires_grad


def test_the_student_starts_afresh() -> None:
    method, reference = taught(sparsity=0.0)
    for a, b in zip(method.network.convolutions(), reference.network.convolutions(), strict=True):
        assert not torch.equal(a.weight, b.weight)
        assert not torch.equal(*(running(layer.norm)[0] for layer in (a, b)))


def test_the_gradient_is_taken_at_the_quantised_weights_and_applied_to_the_float_ones() -> None:
    """A float weight that moves within its rounding interval changes neither loss nor gradient."""
    method, _ = taught(sparsity=0.5)
    method.pruner.prune(1.0)
    x, labels = batch()
    method.quantizer.eval()  # ranges stay
    results = []
    for _ in range(2):
        method.zero_grad()
        loss, _ = method.loss(x, labels)
        loss.backward()
        results.append([loss.detach(), *(gradient(p).clone() for p in method.parameters())])
        for layer in method.network.layers():
            quantized = method.quantized(layer)
            largest = quantized.integers.abs() == quantized.integers.abs().max()  # they set the step
            layer.weight.data = torch.where(largest, layer.weight.data, 0.9 * quantized.value + 0.1 * layer.weight.data)
    for before, after in zip(*results, strict=True):
        assert (before - after).norm() <= 0.05 * before.norm() + 1e-5
    for layer in method.network.convolutions():
        assert gradient(layer.weight)[method.pruner.mask(layer) == 0].count_nonzero() > 0
