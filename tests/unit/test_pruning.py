"""Pruning: the schedule of the mask, one threshold for all, and feedback to what is pruned."""

import math

import pytest
import torch
from support.methods import SOURCE, TRAINING, batch, gradient, make_method

from pqk.errors import ProjectError
from pqk.project import CompressionConfig
from pqk.train.methods.compressed import Compressed
from pqk.train.methods.pqk import Pqk
from pqk.train.methods.pqk_phase1 import PqkPhase1
from pqk.train.methods.prune import Prune
from pqk.train.networks import make
from pqk.train.pruning import MASK_PERIOD, RAMP, Pruner, cubic_ramp

KINDS = (Prune, PqkPhase1, Pqk)


@pytest.mark.parametrize("per_epoch", [1, 3, 40])
def test_the_sparsity_asked_for_is_reached_exactly(per_epoch: int) -> None:
    method = make_method(PqkPhase1, sparsity=0.9)
    for iteration in range(TRAINING.phase1_epochs * per_epoch):
        method.begin_step(iteration, per_epoch)
    total = method.network.weight_count()
    assert method.facts()["sparsity"] == math.ceil(0.9 * total) / total
    integers = method.integers()
    zeros = sum(int((folded.weights == 0).sum()) for folded in integers.convolutions.values())
    assert zeros >= math.ceil(0.9 * total)


def test_the_mask_grows_along_a_cubic_ramp_and_is_refreshed_every_16_iterations() -> None:
    method = make_method(PqkPhase1, sparsity=0.9)
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
    network = make("res8-narrow", 4)
    pruner = Pruner(network, CompressionConfig(sparsity=0.9))
    pruner.prune(1.0)
    layers = network.convolutions()
    kept = torch.cat([layer.weight[pruner.mask(layer) == 1].abs() for layer in layers])
    pruned = torch.cat([layer.weight[pruner.mask(layer) == 0].abs() for layer in layers])
    assert kept.min() >= pruned.max()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_pruned_weights_so_that_they_can_come_back(kind: type[Compressed]) -> None:
    method = make_method(kind, sparsity=0.9)
    method.pruner.prune(1.0)
    method.loss(*batch())[0].backward()
    for layer in method.network.convolutions()[1:]:
        pruned = method.pruner.mask(layer) == 0
        assert gradient(layer.weight)[pruned].count_nonzero() > 0
        layer.weight.data[pruned] *= 1e6
    before = method.pruner.sparsity()
    masks = [method.pruner.mask(layer).clone() for layer in method.network.convolutions()]
    method.begin_step(1000 * MASK_PERIOD, 1)  # long after the ramp: the mask is still chosen anew
    assert method.pruner.sparsity() == before
    after = [method.pruner.mask(layer) for layer in method.network.convolutions()]
    assert any(((old == 0) & (new == 1)).any() for old, new in zip(masks, after, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_pruned_weights_do_not_count(kind: type[Compressed]) -> None:
    """Whatever they are, unless it changes the mask."""
    method = make_method(kind, sparsity=0.9)
    method.pruner.prune(1.0)
    x, _ = batch()
    method.loss(*batch())
    method.eval()
    before = method.student_logits(x)
    for layer in method.network.convolutions():
        layer.weight.data[method.pruner.mask(layer) == 0] += 100
    torch.testing.assert_close(method.student_logits(x), before, rtol=1e-3, atol=1e-3)


def test_prune_trains_in_floats_and_delivers_integers() -> None:
    method = make_method(Prune, sparsity=0.9)
    method.pruner.prune(1.0)
    x, labels = batch()
    method.loss(x, labels)
    layer = method.network.convolutions()[1]
    assert torch.equal(method.student_weight(layer), method.pruner.kept(layer))
    features = torch.randint(0, 256, (4, *SOURCE.shape), dtype=torch.uint8)
    judged = method.predict(features)  # while there is no grid
    torch.testing.assert_close(judged, method.student_logits(features * SOURCE.scale))
    method.calibrate(features)
    assert method.predict(features).dtype != judged.dtype
    folded = method.integers().convolutions[layer.name]
    assert abs(folded.weights).max() == 7
    assert all(quantizer.range > 0 for quantizer in method.quantizer.quantizers().values())


def test_a_sparsity_beyond_the_convolutions_is_refused() -> None:
    with pytest.raises(ProjectError, match=r"only the .* of the convolutions are pruned"):
        Pqk(make("res8-narrow", 300), SOURCE, CompressionConfig(sparsity=0.9), TRAINING)


@pytest.mark.parametrize("kind", [Prune, PqkPhase1])
def test_a_channel_that_has_lost_all_its_weights_does_not_explode(kind: type[Compressed]) -> None:
    """Normalisation multiplies the gradient of sums that do not vary by 1 / sqrt(eps)."""
    method = make_method(kind, sparsity=0.5)
    method.begin_step(0, 4)
    layer = method.network.convolutions()[1]
    method.pruner.get_buffer(f"mask_{layer.name}")[0] = 0
    layer.norm.bias.data.fill_(0.5)  # behind the ReLU, too, it goes on
    method.loss(*batch())[0].backward()  # type: ignore[no-untyped-call]  # torch's stub has no types for it
    found = gradient(layer.weight).flatten(1).norm(dim=1)
    assert 0 < found[0] < 10 * found[1:].max()
    (reached,) = torch.autograd.grad(method.student_weight(layer).sum(), layer.weight)
    expected = torch.ones_like(layer.weight)
    expected[0] = layer.norm.eps**0.5
    torch.testing.assert_close(reached, expected)
