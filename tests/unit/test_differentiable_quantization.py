"""Differentiable quantisation: a codebook for each layer, whose points alone are trained, and which integers hold."""

import copy

import pytest
import torch
from support.methods import SOURCE, batch, make_method
from torch import Tensor

from pqk.errors import ProjectError
from pqk.project import CompressionConfig
from pqk.train.distillation import soft_and_hard
from pqk.train.loop import make_optimizer
from pqk.train.methods import Reference, find_method
from pqk.train.methods.differentiable_quantization import POINTS_RATE, DifferentiableQuantization, alpha
from pqk.train.networks.layers import Classifier, Convolution


def started(bits: int = 3) -> tuple[DifferentiableQuantization, Reference]:
    """The method after it has taken a random reference, and that one."""
    reference = make_method(Reference, sparsity=0.0)
    for layer in reference.network.convolutions():
        layer.norm.weight.data.normal_(1, 0.7)
        layer.norm.weight.data[0].abs_().neg_()  # at least one is negative
        layer.norm.bias.data.normal_()
    for _ in range(3):
        reference.loss(*batch())
    method = make_method(DifferentiableQuantization, sparsity=0.0, weight_bits=bits)
    method.take_reference(reference.network.state_dict())
    return method, reference


def step(method: DifferentiableQuantization, rate: float = 1.0) -> None:
    """One step of the optimiser."""
    optimizer = make_optimizer(method, method.schedule)
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)
    optimizer.zero_grad()
    method.loss(*batch())[0].backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def nearest(method: DifferentiableQuantization, layer: Convolution | Classifier) -> tuple[Tensor, Tensor]:
    """By trying them all: the index of each weight's point, and by how much that is nearer than the next."""
    points = method.points[layer.name].detach()
    distances = (layer.weight.detach()[..., None] / alpha(layer)[..., None] - points).abs()
    two = distances.sort(-1).values
    return distances.argmin(-1), two[..., 1] - two[..., 0]


def test_points_start_as_quantiles_of_the_scaled_weights() -> None:
    method, reference = started(bits=3)
    for layer, source in zip(method.network.layers(), reference.network.layers(), strict=True):
        torch.testing.assert_close(layer.weight, source.weight)
        scaled = layer.weight / alpha(layer)
        assert scaled.abs().max() == pytest.approx(1)
        points = method.points[layer.name]
        assert points.shape == (8,)
        slack = 1.1 / layer.weight.numel() + 1e-3
        for index, point in enumerate(points):  # each channel's largest weight is 1: many are equal
            below, up_to = float((scaled < point).float().mean()), float((scaled <= point).float().mean())
            assert below - slack <= (index + 0.5) / 8 <= up_to + slack


def test_each_weight_takes_the_nearest_point_rounded_to_the_grid() -> None:
    method, _ = started()
    for layer in method.network.layers():
        method.points[layer.name].data += 0.1 * torch.randn(8)  # no longer sorted
        points = method.points[layer.name].detach()
        unit = points.abs().max() / 127
        index, lead = nearest(method, layer)
        expected = alpha(layer) * torch.round(points / unit)[index] * unit
        clear = lead > 1e-5
        torch.testing.assert_close(method.weight(layer)[clear], expected[clear])


def test_a_point_s_gradient_is_the_sum_of_alpha_times_the_gradient_over_its_weights() -> None:
    method, _ = started()
    for layer in method.network.layers():
        index, lead = nearest(method, layer)
        gradient = torch.randn_like(layer.weight) * (lead > 1e-5)  # between two points rounding decides
        (method.weight(layer) * gradient).sum().backward()  # type: ignore[no-untyped-call]
        expected = torch.stack([(alpha(layer) * gradient)[index == point].sum() for point in range(8)])
        torch.testing.assert_close(method.points[layer.name].grad, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_layer_is_delivered_with_no_more_integers_than_there_are_points(bits: int) -> None:
    method, _ = started(bits)
    step(method)
    method.eval()
    integers = method.integers()
    weights = [folded.weights for folded in integers.convolutions.values()]
    weights += [classifier.weights for classifier in integers.classifiers.values()]
    assert any((layer.norm.weight < 0).any() for layer in method.network.convolutions())
    for values in weights:
        values = values[values.reshape(len(values), -1).any(axis=1)]  # folding makes a constant channel's all 0
        assert len(set(values.ravel().tolist())) <= 2**bits
        assert 0 < abs(values.astype(int)).max() <= 127


def test_what_is_delivered_is_what_is_trained() -> None:
    method, _ = started(4)
    step(method)
    for layer in method.network.layers():
        delivered = method.quantized(layer)
        torch.testing.assert_close(delivered.value, method.weight(layer).detach())
        assert torch.equal(delivered.integers, delivered.integers.round())
        assert (delivered.step > 0).all()


def test_points_biases_and_normalisation_are_trained_and_no_weight_is() -> None:
    method, _ = started()
    before = {name: value.clone() for name, value in method.named_parameters()}
    step(method)
    fixed = {f"network.{name}.weight" for name, module in method.network.named_modules() if hasattr(module, "stream")}
    fixed.add("network.classifier.weight")
    changed = {name for name, value in method.named_parameters() if not torch.equal(value, before[name])}
    assert set(before) - changed == fixed
    assert {f"points.{layer.name}" for layer in method.network.layers()} < changed
    groups = {group.get("scale", 1.0): group for group in method.parameter_groups()}
    assert {id(point) for point in groups[POINTS_RATE]["params"]} == {id(point) for point in method.points.values()}
    assert all(group["weight_decay"] == 0 for group in groups.values())


def test_the_reference_teaches_and_stays_as_it_is() -> None:
    method, reference = started()
    x, labels = batch()
    reference.eval()
    expected = reference.predict(x / SOURCE.scale)
    loss, student = method.loss(x, labels)
    torch.testing.assert_close(loss, soft_and_hard(student, expected, labels, method.compression.temperature))
    for _ in range(3):
        step(method)
    assert torch.equal(method.teacher.logits(x), expected)
    assert not any("teacher" in name for name in method.state_dict())
    assert {name.split(".")[0] for name in method.state_dict()} == {"network", "quantizer", "points"}


def test_ranges_start_as_the_reference_s() -> None:
    method, reference = started()
    for name, quantizer in method.quantizer.quantizers().items():
        assert quantizer.step == reference.quantizer.quantizers()[name].step


def test_points_follow_their_gradient_downhill() -> None:
    """Points alone, everything else is held: down from where they start and up from there end far apart.

    That the loss falls is not certain: a point that moves takes weights from its neighbours, all at once.
    """
    method, _ = started(4)
    x, labels = batch(16)
    means = []
    for uphill in (False, True):
        trained = copy.deepcopy(method)
        optimizer = torch.optim.Adam(trained.points.values(), lr=5e-3, maximize=uphill)
        losses = []
        for _ in range(15):
            optimizer.zero_grad()
            loss, _ = trained.loss(x, labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())
        means.append(sum(losses[-5:]) / 5)
    assert means[0] < means[1]


def test_a_lane_budget_is_refused() -> None:
    with pytest.raises(ProjectError, match=r"compression.lane_budget = 16: .* integers of 8 bits") as error:
        find_method(CompressionConfig(method="differentiable-quantization", sparsity=0.0, lane_budget=16))
    assert "lane_budget = 0" in error.value.hint
