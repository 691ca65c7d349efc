"""PQK: the schedule of the mask, what is quantised, and that each loss of phase 2 updates only its own weights."""

import math
import secrets
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pqk.errors import ProjectError
from pqk.project import CompressionConfig, TrainingConfig
from pqk.train import methods
from pqk.train.integer import InputFormat
from pqk.train.methods import METHODS, find_compression
from pqk.train.methods.pqk import MASK_PERIOD, RAMP, Pqk, cubic_ramp
from pqk.train.networks import make
from pqk.train.quantize import ActivationQuantizer, largest_integer, quantize_weight

SOURCE = InputFormat((1, 24, 12), "uint8", 0.125)
TRAINING = TrainingConfig(phase1_epochs=2, phase2_epochs=1)


def pqk(sparsity: float = 0.9, bits: int = 4) -> Pqk:
    seed = secrets.randbits(32)
    print("seed", seed)
    torch.manual_seed(seed)
    compression = CompressionConfig(sparsity=sparsity, weight_bits=bits)
    return Pqk(make("res8-narrow", 4), SOURCE, compression, TRAINING).train()


def batch() -> tuple[Tensor, Tensor]:
    return torch.randint(0, 256, (8, 1, 24, 12)) * SOURCE.scale, torch.randint(0, 4, (8,))


def in_phase_2(method: Pqk) -> Pqk:
    method.prune(method.zeros)
    method.loss(*batch())  # sets the activation ranges
    method.begin_epoch(TRAINING.phase1_epochs)
    return method


@pytest.mark.parametrize("per_epoch", [1, 3, 40])
def test_the_sparsity_asked_for_is_reached_exactly(per_epoch: int) -> None:
    method = pqk(sparsity=0.9)
    for iteration in range(2 * per_epoch):
        method.begin_step(iteration, per_epoch)
    total = method.network.weight_count()
    assert method.facts()["sparsity"] == math.ceil(0.9 * total) / total
    integers = method.integers()
    zeros = sum(int((folded.weights == 0).sum()) for folded in integers.convolutions.values())
    assert zeros >= math.ceil(0.9 * total)


def test_the_mask_grows_along_a_cubic_ramp_and_is_refreshed_every_16_iterations() -> None:
    method = pqk()
    per_epoch = 80
    seen = []
    for iteration in range(2 * per_epoch):
        method.begin_step(iteration, per_epoch)
        seen.append(method.facts()["sparsity"])
    changes = [i for i in range(1, len(seen)) if seen[i] != seen[i - 1]]
    assert all(change % MASK_PERIOD == 0 for change in changes)
    assert seen == sorted(seen)
    assert seen[0] == 0
    end = int(RAMP * 2 * per_epoch)
    assert seen[end - 2 * MASK_PERIOD] < 0.9 <= seen[end]
    half = (end - MASK_PERIOD) // 2 // MASK_PERIOD * MASK_PERIOD
    assert seen[half] == pytest.approx(0.9 * cubic_ramp(half / (end - MASK_PERIOD)), abs=1e-3)


def test_one_threshold_holds_for_all_convolutions() -> None:
    method = pqk()
    method.prune(method.zeros)
    layers = method.network.convolutions()
    kept = torch.cat([layer.weight[method.mask(layer) == 1].abs() for layer in layers])
    pruned = torch.cat([layer.weight[method.mask(layer) == 0].abs() for layer in layers])
    assert kept.min() >= pruned.max()


def test_phase_1_gradients_reach_pruned_weights_so_that_they_can_come_back() -> None:
    method = pqk()
    method.prune(method.zeros)
    method.loss(*batch())[0].backward()
    for layer in method.network.convolutions()[1:]:
        assert layer.weight.grad is not None
        assert layer.weight.grad[method.mask(layer) == 0].count_nonzero() > 0


def test_phase_2_student_loss_reaches_kept_weights_only() -> None:
    method = in_phase_2(pqk())
    x, labels = batch()
    F.cross_entropy(method.student_logits(x), labels).backward()
    reached = 0
    for layer in method.network.convolutions():
        assert layer.weight.grad is not None
        assert layer.weight.grad[method.mask(layer) == 0].count_nonzero() == 0
        reached += int(layer.weight.grad[method.mask(layer) == 1].count_nonzero())
        assert all(p.grad is None for p in method.teacher_norms[layer.name].parameters())
    assert reached > 0


def test_phase_2_teacher_loss_reaches_pruned_weights_only() -> None:
    method = in_phase_2(pqk())
    x, labels = batch()
    F.cross_entropy(method.teacher_logits(x), labels).backward()
    reached = 0
    for layer in method.network.convolutions():
        assert layer.weight.grad is not None
        assert layer.weight.grad[method.mask(layer) == 1].count_nonzero() == 0
        reached += int(layer.weight.grad[method.mask(layer) == 0].count_nonzero())
        assert all(p.grad is None for p in layer.norm.parameters())
    assert reached > 0
    for layer in method.network.classifiers():
        assert layer.weight.grad is None
        assert layer.bias.grad is None


def test_phase_2_distillation_does_not_reach_the_teacher() -> None:
    method = in_phase_2(pqk())
    x, labels = batch()
    total, _ = method.loss(x, labels)
    total.backward()
    together = [layer.weight.grad.clone() for layer in method.network.convolutions() if layer.weight.grad is not None]
    method.zero_grad()
    F.cross_entropy(method.teacher_logits(x), labels).backward()
    for layer, grad in zip(method.network.convolutions(), together, strict=True):
        assert layer.weight.grad is not None
        pruned = method.mask(layer) == 0
        torch.testing.assert_close(grad[pruned], layer.weight.grad[pruned])


def test_phase_2_freezes_the_mask() -> None:
    method = in_phase_2(pqk())
    before = [method.mask(layer).clone() for layer in method.network.convolutions()]
    for layer in method.network.convolutions():
        layer.weight.data.normal_()
    method.begin_step(0, 1)
    after = [method.mask(layer) for layer in method.network.convolutions()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_teacher_starts_with_the_student_s_normalisation() -> None:
    method = pqk()
    method.loss(*batch())
    method.begin_epoch(TRAINING.phase1_epochs)
    for layer in method.network.convolutions():
        for name, value in layer.norm.state_dict().items():
            assert torch.equal(value, method.teacher_norms[layer.name].state_dict()[name])


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_weights_use_the_restricted_range_with_one_step_per_channel(bits: int) -> None:
    weight = torch.randn(5, 3, 3, 3)
    weight[3] = 0
    limit = largest_integer(bits)
    assert limit == 2 ** (bits - 1) - 1
    quantized = quantize_weight(weight, torch.full((5, 1, 1, 1), float(limit)))
    assert quantized.integers.abs().amax((1, 2, 3)).tolist() == [limit, limit, limit, 0, limit]
    assert ((quantized.value - weight).abs() <= quantized.step / 2 * 1.001).all()
    assert quantized.bits == bits
    assert quantize_weight(weight, torch.tensor(float(limit))).step.numel() == 1


def test_every_channel_has_its_own_range() -> None:
    weight = torch.randn(3, 2, 3, 3)
    quantized = quantize_weight(weight, torch.tensor([1.0, 20.0, 127.0]).reshape(3, 1, 1, 1))
    assert quantized.integers.abs().amax((1, 2, 3)).tolist() == [1, 20, 127]
    assert ((quantized.value - weight).abs() <= quantized.step / 2 * 1.001).all()
    assert quantized.bits == 8


def test_activations_lie_on_the_grid_and_saturated_ones_get_no_gradient() -> None:
    quantizer = ActivationQuantizer(7).train()
    quantizer(torch.full((100,), 12.7))
    quantizer.follow()
    x = torch.tensor([0.0, 0.04, 0.06, 5.0, 12.7, 20.0], requires_grad=True)
    y = quantizer.eval()(x)
    y.sum().backward()
    torch.testing.assert_close(y, torch.tensor([0.0, 0.0, 0.1, 5.0, 12.7, 12.7]))
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1, 1, 1, 1, 0]


def test_activation_ranges_follow_the_bulk_and_not_single_outliers() -> None:
    quantizer = ActivationQuantizer(7).train()
    for _ in range(3):
        x = torch.rand(200_000) * 5
        x[torch.randint(len(x), (20,))] = 1000.0
        quantizer(x)
        quantizer.follow()
    assert quantizer.step * 127 == pytest.approx(5.0, rel=0.02)


def test_a_sparsity_beyond_the_convolutions_is_refused() -> None:
    with pytest.raises(ProjectError, match=r"only the .* of the convolutions are pruned"):
        Pqk(make("res8-narrow", 300), SOURCE, CompressionConfig(sparsity=0.9), TRAINING)


def test_only_methods_that_make_integers_are_accepted_for_a_device() -> None:
    assert find_compression("pqk") is Pqk
    with pytest.raises(ProjectError, match="makes no network for a device"):
        find_compression("float")
    with pytest.raises(ProjectError, match="'pkq' is not known") as error:
        find_compression("pkq")
    assert "pqk" in error.value.hint


def test_every_file_of_the_folder_is_in_the_registry() -> None:
    files = {path.stem for path in Path(methods.__file__).parent.glob("*.py")} - {"__init__", "method"}
    assert files == {method.__module__.rsplit(".", 1)[1] for method in METHODS.values()}
