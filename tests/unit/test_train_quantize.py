"""Fake quantisation: the grids of weights and activations, and the ranges that activations get."""

import pytest
import torch

from pqk.train.quantize import ActivationQuantizer, largest_integer, quantize_weight


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


def test_calibration_keeps_all_but_a_thousandth_of_the_activations() -> None:
    """With the 99.5 % that training uses, a network that is not trained with its grid loses a point."""
    quantizer = ActivationQuantizer(7).train()
    values = torch.arange(1_000_000) / 1e6
    quantizer.calibrate([values[:500_000], values[500_000:].reshape(50, 2, 50, 100)])
    assert quantizer.range.item() == pytest.approx(0.999, abs=3e-4)
    quantizer.calibrate([torch.zeros(10_000)])
    assert quantizer.step > 0


def test_activation_ranges_follow_the_bulk_and_not_single_outliers() -> None:
    quantizer = ActivationQuantizer(7).train()
    for _ in range(3):
        x = torch.rand(200_000) * 5
        x[torch.randint(len(x), (20,))] = 1000.0
        quantizer(x)
        quantizer.follow()
    assert quantizer.step * 127 == pytest.approx(5.0, rel=0.02)
