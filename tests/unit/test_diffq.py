"""DiffQ: the noise has the size that the formula says, bits are learnt, and what is delivered lies on their grid."""

import math

import pytest
import torch
import torch.nn.functional as F
from support.methods import batch, gradient, make_method
from torch import Tensor

from pqk.errors import ProjectError
from pqk.train.methods.diffq import HIGH, LOW, DiffQ

DRAWS = 400


def diffq(**settings: float) -> DiffQ:
    return make_method(DiffQ, sparsity=0.0, **settings)


def spread_bits(method: DiffQ) -> None:
    """Every channel its own bits."""
    for logits in method.bit_logits.values():
        logits.data.copy_(torch.linspace(-4, 4, len(logits))[torch.randperm(len(logits))])


def test_the_noise_has_half_a_step_s_deviation_in_every_channel() -> None:
    method = diffq()
    spread_bits(method)
    generator = torch.Generator().manual_seed(torch.initial_seed())
    for layer in [method.network.convolutions()[2], method.network.classifiers()[0]]:
        weight = layer.weight.detach()
        noise = torch.stack([method.noisy(layer, generator).detach() - weight for _ in range(DRAWS)])
        bits = method.bits(layer).detach().flatten()
        channels = weight.reshape(len(bits), -1)
        step = (channels.max(1).values - channels.min(1).values) / (2**bits - 1)
        found = noise.reshape(DRAWS, len(bits), -1).transpose(0, 1).flatten(1)
        torch.testing.assert_close(found.std(1), step / 2, rtol=0.05, atol=0)
        assert (found.mean(1).abs() < 0.05 * step).all()


def test_bits_are_a_sigmoid_between_2_and_8_and_start_at_the_setting() -> None:
    method = diffq(weight_bits=5)
    layer = method.network.convolutions()[1]
    torch.testing.assert_close(method.bits(layer).flatten(), torch.full((19,), 5.0))
    method.bit_logits[layer.name].data[:3] = torch.tensor([-40.0, 40.0, 1.0])
    expected = torch.tensor([LOW, HIGH, 2 + 6 / (1 + math.exp(-1))])
    torch.testing.assert_close(method.bits(layer).flatten()[:3], expected)
    for bits in (2, 8):  # where the sigmoid must still have a slope
        assert abs(diffq(weight_bits=bits).facts()["mean_bits"] - bits) < 0.2


def test_size_is_the_bits_of_all_weights_and_its_gradient_lowers_them() -> None:
    method = diffq()
    spread_bits(method)
    layers = method.network.layers()
    total = sum((method.bits(layer) * torch.ones_like(layer.weight)).sum().item() for layer in layers)
    assert method.megabytes().item() == pytest.approx(total / 8 / 2**20, rel=1e-5)
    assert method.facts()["mean_bits"] == pytest.approx(total / method.network.weight_count(), rel=1e-5)
    before = [method.bits(layer).detach().clone() for layer in layers]
    method.megabytes().backward()
    for logits in method.bit_logits.values():
        logits.data -= 1e4 * gradient(logits)
    assert all((method.bits(layer) < old).all() for layer, old in zip(layers, before, strict=True))
    assert all(layer.weight.grad is None for layer in layers)


def trained(**settings: float) -> DiffQ:
    """After a few steps of the optimiser on one batch."""
    method = diffq(**settings)
    optimizer = torch.optim.SGD(method.parameter_groups(), lr=0.01)
    for group in optimizer.param_groups:
        group["lr"] *= group.get("scale", 1.0)
    x, labels = batch()
    for iteration in range(5):
        method.begin_step(iteration, 100)
        optimizer.zero_grad()
        method.loss(x, labels)[0].backward()
        optimizer.step()
    return method


def test_a_larger_size_weight_gives_fewer_bits() -> None:
    assert trained(size_weight=2e4).facts()["mean_bits"] < 3.9
    assert trained(size_weight=0.0).facts()["mean_bits"] > 3.9


def test_cross_entropy_raises_the_bits_of_noise_that_harms() -> None:
    """On average over the noise; a single step's may go either way."""
    method = diffq(weight_bits=3)
    x, labels = batch(32)
    method.loss(x, labels)
    teacher = labels_of(method, x)
    total = torch.zeros(())
    for iteration in range(20):
        method.begin_step(iteration, 100)
        method.zero_grad()
        _, logits = method.loss(x, labels)
        F.mse_loss(logits, teacher).backward()
        total = total + torch.cat([gradient(p) for p in method.bit_logits.values()]).sum()
    assert total < 0  # more bits, less distance from the network without noise


@torch.no_grad()
def labels_of(method: DiffQ, x: Tensor) -> Tensor:
    """The logits without noise."""
    for logits in method.bit_logits.values():
        logits.data += 100
    _, exact = method.loss(x, torch.zeros(len(x), dtype=torch.int64))
    for logits in method.bit_logits.values():
        logits.data -= 100
    return exact


def test_a_step_has_its_own_noise_and_a_resumed_one_the_same() -> None:
    method = diffq()
    x, labels = batch()
    method.loss(x, labels)
    losses = []
    for iteration in (3, 4, 3):
        method.begin_step(iteration, 100)
        method.quantizer.eval()
        losses.append(method.loss(x, labels)[0].item())
    assert losses[0] == losses[2] != losses[1]


def test_what_is_delivered_lies_on_the_grid_of_the_rounded_bits() -> None:
    method = diffq()
    spread_bits(method)
    method.loss(*batch())
    integers = method.integers()
    for layer in method.network.convolutions():
        bits = method.bits(layer).detach().flatten().round().int().tolist()
        assert len(set(bits)) > 3
        largest = abs(integers.convolutions[layer.name].weights.astype(int)).reshape(len(bits), -1).max(1).tolist()
        assert largest == [2 ** (b - 1) - 1 for b in bits]
        quantized = method.quantized(layer)
        assert ((quantized.value - layer.weight).abs() <= quantized.step / 2 * 1.001).all()


def test_a_lane_budget_is_refused() -> None:
    with pytest.raises(ProjectError, match="lane_budget = 16: method 'diffq' learns the bits") as error:
        diffq(lane_budget=16)
    assert "lane_budget = 0" in error.value.hint
