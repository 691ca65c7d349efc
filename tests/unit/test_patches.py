"""The first convolution as a matrix product is the function that the plain layers compute."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.seeds import fresh, until
from torch import Tensor, nn

from pqk.train import patches
from pqk.train.networks.layers import Convolution


def plain(layer: Convolution, norm: nn.BatchNorm2d, weight: Tensor, x: Tensor) -> Tensor:
    """Convolution, normalisation, ReLU, pool, with torch's own layers."""
    return F.avg_pool2d(F.relu(norm(layer.convolve(x, weight))), layer.pool)


def random_case(rng: np.random.Generator) -> tuple[Convolution, Tensor]:
    """A layer of any shape, and an input."""
    torch.manual_seed(int(rng.integers(2**32)))

    def pair(low: int, high: int) -> tuple[int, int]:
        return int(rng.integers(low, high)), int(rng.integers(low, high))

    layer = Convolution(
        "conv0",
        1,
        int(rng.integers(1, 7)),
        stream="conv0",
        kernel=pair(1, 5),
        stride=pair(1, 3),
        dilation=pair(1, 3),
        padding=(*pair(0, 3), *pair(0, 3)),
        pool=pair(1, 4),
    )
    nn.init.normal_(layer.norm.weight)
    nn.init.normal_(layer.norm.bias)
    for buffer in (layer.norm.running_mean, layer.norm.running_var):
        assert buffer is not None
        nn.init.uniform_(buffer, 0.5, 2)
    return layer, torch.rand(int(rng.integers(2, 6)), 1, *pair(16, 30)) * 8 + 3


def is_clear(layer: Convolution, x: Tensor) -> bool:
    """Whether no value is so near 0 that rounding decides if the ReLU lets its gradient through."""
    with torch.no_grad():
        values = copy.deepcopy(layer.norm)(layer.convolve(x, layer.weight))
    return bool(values.abs().min() > 5e-5)


@pytest.mark.parametrize("repeat", range(12))
@pytest.mark.parametrize(("training", "track"), [(True, True), (True, False), (False, True)])
def test_values_gradients_and_statistics_are_the_plain_layers(*, training: bool, track: bool, repeat: int) -> None:
    rng = fresh(f"patches {repeat}")
    layer, x = until(lambda: random_case(rng), lambda case: is_clear(case[0].train(training), case[1]))
    layer.norm.track_running_stats = track
    found, expected = layer.train(training), copy.deepcopy(layer)
    assert patches.suits(found, x)
    a = patches.convolution(found, found.norm, found.weight, x)
    b = plain(expected, expected.norm, expected.weight, x)
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    direction = torch.randn_like(b)
    (a * direction).sum().backward()
    (b * direction).sum().backward()
    for (name, one), other in zip(found.named_parameters(), expected.parameters(), strict=True):
        assert one.grad is not None, name
        assert other.grad is not None
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=2e-3)
    for one, other in zip(found.buffers(), expected.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_other_layers_are_not_for_it() -> None:
    wide = Convolution("conv1", 2, 3, stream="conv1")
    narrow = Convolution("conv0", 1, 3, stream="conv0")
    assert not patches.suits(wide, torch.zeros(1, 2, 5, 5))
    assert not patches.suits(narrow, torch.zeros(1, 1, 5, 5, requires_grad=True))
