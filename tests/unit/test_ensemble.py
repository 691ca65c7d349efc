"""The ensemble: nested students on one base, taught by their mean, and one of them delivered."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from support.methods import batch, gradient, make_method

from pqk.errors import ProjectError
from pqk.train.arithmetic import FLOAT
from pqk.train.methods.ensemble import Answer, Ensemble, Student, ensemble_loss
from pqk.train.pruning import MASK_PERIOD


def ensemble(**settings: float) -> Ensemble:
    method = make_method(Ensemble, **{"sparsity": 0.8, **settings})
    method.begin_step(1000 * MASK_PERIOD, 1)
    method.loss(*batch())  # sets the activation ranges
    return method


def students(method: Ensemble) -> list[Student]:
    return [student for student in method.thinner if isinstance(student, Student)]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_students_are_nested_prunings_in_equal_steps(count: int) -> None:
    method = ensemble(students=count)
    pruners = [*(student.pruner for student in students(method)), method.pruner]
    found = [pruner.sparsity() for pruner in pruners]
    assert found == pytest.approx([0.8 * number / count for number in range(1, count + 1)], abs=1e-3)
    for layer in method.network.convolutions():
        masks = [pruner.mask(layer) for pruner in pruners]
        assert all((sparse <= dense).all() for dense, sparse in pairwise(masks))
    assert len(method.answers(batch()[0])) == count + 1


def test_the_loss_is_that_of_the_paper() -> None:
    answers = [Answer(torch.randn(5, 4), torch.randn(5, 7)) for _ in range(3)]
    labels = torch.randint(0, 4, (5,))
    mean = torch.log_softmax((answers[0].logits + answers[1].logits + answers[2].logits) / 3 / 2, 1)
    total = 0.0
    for each in answers:
        own = torch.log_softmax(each.logits / 2, 1)
        divergence = 4 * (mean.exp() * (mean - own)).sum(1).mean()
        distance = (each.features - answers[0].features).square().mean()
        total += float(0.7 * F.cross_entropy(each.logits, labels) + 0.15 * distance + 0.15 * divergence)
    assert ensemble_loss(answers, labels, 2.0).item() == pytest.approx(total / 3, rel=1e-5)


def test_teaching_reaches_the_students_and_not_the_teachers() -> None:
    """The uncompressed one's features and the ensemble's outputs are what students are drawn to, not the other way."""
    dense, student = (
        Answer(torch.randn(5, 4, requires_grad=True), torch.randn(5, 7, requires_grad=True)) for _ in "12"
    )
    labels = torch.randint(0, 4, (5,))
    ensemble_loss([dense, student], labels, 2.0).backward()
    for own, other in ((dense, student), (student, dense)):
        together = (own.logits.detach() + other.logits.detach()) / 2
        alone = own.logits.detach().requires_grad_()
        soft = 4 * F.kl_div(F.log_softmax(alone / 2, 1), F.softmax(together / 2, 1), reduction="batchmean")
        (0.7 * F.cross_entropy(alone, labels) + 0.15 * soft).backward()
        assert own.logits.grad is not None
        assert alone.grad is not None
        torch.testing.assert_close(own.logits.grad, alone.grad / 2)
    assert dense.features.grad is None or not dense.features.grad.any()
    assert student.features.grad is not None
    assert student.features.grad.any()


def test_the_uncompressed_student_is_dense_and_in_floats_behind_the_base() -> None:
    method = ensemble()
    x, _ = batch()
    dense, *_ = method.answers(x)
    layer = method.network.convolutions()[3]
    layer.weight.data[method.pruner.mask(layer) == 0] += 0.01
    changed, _, sparsest = method.answers(x)
    assert not torch.equal(dense.logits, changed.logits)
    torch.testing.assert_close(sparsest.logits, method.student_logits(x))  # which does not see what it has pruned


def test_all_students_have_one_base_and_their_own_normalisation() -> None:
    method = ensemble()
    stem, first = method.network.convolutions()[:2]
    names = {name for name, _ in method.named_parameters()}
    assert sum("conv0" in name or "stem" in name for name in names) == 3  # weight, gain and shift, once
    for number, answer in enumerate(method.answers(batch()[0])):
        method.zero_grad()
        answer.logits.square().sum().backward(retain_graph=True)
        norms = [method.dense_norms.of(first), *(s.norms.of(first) for s in students(method)), first.norm]
        reached = [bool(gradient(norm.weight).count_nonzero()) for norm in norms]
        assert reached == [number == index for index in range(3)]
        assert gradient(stem.weight).count_nonzero() > 0
        assert gradient(stem.norm.weight).count_nonzero() > 0
        assert gradient(first.weight).count_nonzero() > 0


def test_each_compressed_student_has_ranges_of_its_own() -> None:
    method = ensemble()
    (other,) = students(method)
    stream = method.network.convolutions()[1].stream
    ranges = [quantizer.quantizers()[stream].range.clone() for quantizer in (method.quantizer, other.quantizer)]
    assert ranges[0] != ranges[1]
    for layer in method.network.convolutions()[1:]:
        other.norms.of(layer).weight.data *= 100
    method.loss(*batch())
    own, others = (quantizer.quantizers()[stream].range for quantizer in (method.quantizer, other.quantizer))
    assert others > ranges[1] * 1.5
    assert own < ranges[0] * 1.5


def test_delivered_is_the_sparsest() -> None:
    method = ensemble()
    before = method.integers()
    method.dense_norms.requires_grad_(requires_grad=False)
    for norms in (method.dense_norms, *(student.norms for student in students(method))):
        for parameter in norms.parameters():
            parameter.data.normal_()
    after = method.integers()
    for name, folded in before.convolutions.items():
        assert (folded.weights == after.convolutions[name].weights).all()
        assert (folded.multiplier == after.convolutions[name].multiplier).all()
    zeros = sum(int((folded.weights == 0).sum()) for folded in after.convolutions.values())
    assert zeros >= 0.8 * method.network.weight_count()
    assert method.facts()["sparsity"] == pytest.approx(0.8, abs=1e-3)
    assert not torch.equal(method.network.interpret(FLOAT, batch()[0]), method.student_logits(batch()[0]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"sparsity": 0.0}, "would not differ"), ({"budget_nonzeros": 1000}, "steps of one sparsity")],
)
def test_settings_without_steps_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ProjectError, match=message):
        make_method(Ensemble, **settings)
