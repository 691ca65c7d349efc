"""Whole filters go, as many as asked for and the least important; what is left learns from the original."""

from typing import Any

import numpy as np
import pytest
import torch
from pqk_codegen import interpreter
from support.methods import CLASSES, SOURCE, TRAINING, batch, gradient, make_method
from support.seeds import fresh
from support.trained import ir_of, random_inputs
from torch import Tensor

from pqk.errors import ProjectError
from pqk.project import CompressionConfig
from pqk.train.distillation import soft_and_hard
from pqk.train.filters import Filters, folded_norm
from pqk.train.loop import make_optimizer
from pqk.train.methods import Reference, find_method
from pqk.train.methods.prune_quantize_distil import PruneQuantizeDistil
from pqk.train.networks import NETWORKS, make
from pqk.train.networks.layers import Network
from pqk.train.quantize import ActivationQuantizer

NAMES = tuple(f"class {index}" for index in range(CLASSES))


def with_random_norms(network: Network) -> Network:
    """Normalisation as after a training: no two channels alike, and none that does not matter."""
    for layer in network.convolutions():
        layer.norm.weight.data.uniform_(0.5, 1.5)
        layer.norm.weight.data[::4] *= -1
        layer.norm.bias.data.normal_()
        assert layer.norm.running_var is not None
        layer.norm.running_var.uniform_(0.5, 2)
    return network


def started(**compression: Any) -> tuple[PruneQuantizeDistil, Reference]:
    """The method after it has taken a random reference, and that one."""
    reference = make_method(Reference, **{**compression, "sparsity": 0.0})
    with_random_norms(reference.network)
    reference.loss(*batch())
    method = make_method(PruneQuantizeDistil, **compression)
    method.take_reference(reference.network.state_dict())
    return method, reference


def pruned(arch: str, sparsity: float) -> tuple[Network, Filters]:
    network = with_random_norms(make(arch, CLASSES))
    filters = Filters(network, CompressionConfig(sparsity=sparsity))
    filters.prune()
    return network, filters


def gone(network: Network, filters: Filters) -> int:
    """Weights that the masks remove."""
    return sum(int((filters.mask(layer).expand_as(layer.weight) == 0).sum()) for layer in network.layers())


@pytest.mark.parametrize("arch", [arch for arch, entry in NETWORKS.items() if entry.integral])
def test_as_many_weights_go_as_asked_for_and_no_filter_more(arch: str) -> None:
    sparsity = float(fresh(arch).uniform(0.2, 0.8))
    network, filters = pruned(arch, sparsity)
    total = network.weight_count()
    assert filters.removed() == pytest.approx(gone(network, filters) / total)
    assert filters.removed() >= sparsity
    largest = max(layer.weight[0].numel() for layer in network.convolutions())
    # A channel is at most all convolutions' filters and all that read them.
    assert filters.removed() < sparsity + 2 * largest * len(network.convolutions()) / total
    for layer in network.convolutions():
        assert filters.kept(layer.stream).any()


def test_nothing_goes_where_nothing_is_asked_for() -> None:
    network, filters = pruned("res8-narrow", 0.0)
    assert filters.removed() == 0
    assert gone(network, filters) == 0


def test_channels_that_are_added_up_go_together_and_depthwise_ones_with_their_source() -> None:
    network, filters = pruned("ds-cnn", 0.5)
    for before, after in (("conv0", "depthwise1"), ("pointwise1", "depthwise2")):
        assert torch.equal(filters.kept(before), filters.kept(after))
    assert not torch.equal(filters.kept("pointwise1"), filters.kept("pointwise2"))
    network, filters = pruned("res8-narrow", 0.5)
    rows = {layer.name: filters.mask(layer).amax((1, 2, 3)) for layer in network.convolutions()}
    for name in ("conv2", "conv4", "conv6"):
        assert torch.equal(rows[name], rows["conv0"])
    columns = filters.mask(network.convolutions()[1]).amax((0, 2, 3))
    assert torch.equal(columns, rows["conv0"])
    (classifier,) = network.classifiers()
    assert torch.equal(filters.mask(classifier)[0], rows["conv0"])


def test_the_least_important_filters_go_first() -> None:
    network = with_random_norms(make("res8-narrow", CLASSES))
    layers = {layer.name: layer for layer in network.convolutions()}
    layers["conv1"].weight.data[[2, 7]] *= 1e-3
    layers["conv3"].norm.weight.data[[5]] *= 1e-3  # what matters is the filter that normalisation makes of it
    filters = Filters(network, CompressionConfig(sparsity=(2 * 2 + 1) * 19 * 9 / network.weight_count()))
    filters.prune()
    assert (~filters.kept("conv1")).nonzero().flatten().tolist() == [2, 7]
    assert (~filters.kept("conv3")).nonzero().flatten().tolist() == [5]
    assert filters.kept("residual").all()


def test_the_norm_of_a_filter_has_normalisation_folded_in() -> None:
    layer = with_random_norms(make("res8-narrow", CLASSES)).convolutions()[1]
    layer.eval()
    x = torch.rand(1, 19, 5, 5)
    outputs = layer.norm(layer.convolve(x, layer.weight)) - layer.norm(layer.convolve(0 * x, layer.weight))
    layer.weight.data.abs_()
    bound = (layer.norm(layer.convolve(0 * x + 1, layer.weight)) - layer.norm(0 * outputs)).abs().amax((0, 2, 3))
    torch.testing.assert_close(folded_norm(layer), bound, rtol=1e-3, atol=1e-4)
    assert (outputs.abs().amax((0, 2, 3)) <= folded_norm(layer) * 1.001).all()


@pytest.mark.parametrize("lane_budget", [0, 16])
def test_what_is_delivered_is_a_smaller_dense_network_that_computes_the_same(lane_budget: int) -> None:
    rng = fresh("inputs")
    method, reference = started(sparsity=0.7, lane_budget=lane_budget)
    for _ in range(3):
        method.loss(*batch())
    method.eval()
    whole = ir_of(method, "res8-narrow", NAMES)
    small = method.finish(whole)
    x = random_inputs(SOURCE, 12, rng)
    expected = interpreter.logits(small, x)
    assert len(np.unique(expected)) > 12
    np.testing.assert_array_equal(interpreter.logits(whole, x), expected)
    np.testing.assert_array_equal(method.predict(torch.from_numpy(x)).numpy(), expected)
    assert whole.weights == reference.network.weight_count()
    assert small.weights <= round((1 - method.facts()["sparsity"]) * whole.weights)
    for layer in method.network.convolutions():
        # Fewer where a channel happens to be 0.
        assert small.tensors[f"{layer.name}_out"].shape[0] <= int(method.filters.kept(layer.stream).sum())
    assert small.nonzeros > 0.7 * small.weights


def test_training_leaves_what_is_gone_alone() -> None:
    method, _ = started(sparsity=0.6)
    optimizer = make_optimizer(method, method.schedule)
    masks = [method.filters.mask(layer).clone() for layer in method.network.layers()]
    before = [layer.weight.detach().clone() for layer in method.network.layers()]
    for iteration in range(3):
        method.begin_step(iteration, 3)
        optimizer.zero_grad()
        method.loss(*batch())[0].backward()  # type: ignore[no-untyped-call]
        for layer in method.network.layers():
            assert (
                gradient(layer.weight)[(method.filters.mask(layer) == 0).expand_as(layer.weight)].count_nonzero() == 0
            )
            assert gradient(layer.weight).count_nonzero() > 0
        optimizer.step()
    for layer, mask, weight in zip(method.network.layers(), masks, before, strict=True):
        assert torch.equal(method.filters.mask(layer), mask)
        assert not torch.equal(layer.weight, weight)
    for layer in method.network.convolutions():
        removed = ~method.filters.kept(layer.stream)
        for parameter in layer.norm.parameters():
            assert parameter[removed].count_nonzero() == 0
            assert parameter[~removed].count_nonzero() > 0


def test_weights_are_quantised_and_the_steps_do_not_see_what_is_gone() -> None:
    method, _ = started(sparsity=0.5, weight_bits=3)
    method.loss(*batch())  # without ranges, biases may be so large beside the sums that channels fold into constants
    layer = method.network.convolutions()[1]
    layer.weight.data[(method.filters.mask(layer) == 0).expand_as(layer.weight)] = 1e6
    integers = method.integers().convolutions[layer.name].weights
    kept = method.filters.kept(layer.stream).numpy()
    assert (np.abs(integers[kept]).reshape(kept.sum(), -1).max(axis=1) == 3).all()
    assert not integers[~kept].any()


def test_ranges_follow_the_channels_that_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    method, reference = started(sparsity=0.5)
    for name, quantizer in method.quantizer.quantizers().items():
        assert quantizer.step == reference.quantizer.quantizers()[name].step
    seen: list[int] = []
    observe = ActivationQuantizer.observe
    monkeypatch.setattr(ActivationQuantizer, "observe", lambda self, x: (seen.append(x.shape[1]), observe(self, x))[1])
    method.loss(*batch())
    residual = int(method.filters.kept("residual").sum())
    inner = [int(method.filters.kept(f"conv{i}").sum()) for i in (1, 3, 5)]
    assert seen == [residual] + [count for i in inner for count in (i, residual, residual)]


def test_the_original_teaches_and_stays_as_it_is() -> None:
    method, reference = started(sparsity=0.5)
    x, labels = batch()
    reference.eval()
    expected: Tensor = reference.predict(x / SOURCE.scale)
    loss, student = method.loss(x, labels)
    torch.testing.assert_close(loss, soft_and_hard(student, expected, labels, method.compression.temperature))
    optimizer = make_optimizer(method, method.schedule)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert torch.equal(method.teacher.logits(x), expected)
    assert {name.split(".")[0] for name in method.state_dict()} == {"network", "filters", "quantizer"}


def test_more_than_one_filter_a_layer_leaves_is_refused() -> None:
    compression = CompressionConfig(sparsity=0.99)
    with pytest.raises(ProjectError, match=r"sparsity = 0.99: with one filter left in every layer, \d+ of") as error:
        PruneQuantizeDistil(make("res8-tiny", CLASSES), SOURCE, compression, TRAINING)
    assert "less sparsity" in error.value.hint


def test_a_budget_of_nonzeros_says_how_many_weights_stay() -> None:
    network = with_random_norms(make("res8-tiny", CLASSES))
    filters = Filters(network, CompressionConfig(budget_nonzeros=1000))
    filters.prune()
    assert 700 < network.weight_count() - gone(network, filters) <= 1000
    with pytest.raises(ProjectError, match=r"budget_nonzeros = 20: with one filter left") as error:
        Filters(network, CompressionConfig(budget_nonzeros=20))
    assert "larger budget" in error.value.hint


@pytest.mark.parametrize("budget", ["budget_bytes", "budget_instructions"])
def test_budgets_of_the_device_are_refused(budget: str) -> None:
    settings: dict[str, Any] = {budget: 100_000}
    with pytest.raises(ProjectError, match=f"compression.{budget}: .* fewer channels"):
        find_method(CompressionConfig(method="prune-quantize-distil", **settings))
