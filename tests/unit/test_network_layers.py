"""The convolution layer: what it computes in every shape, and what it does not compute."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.seeds import fresh
from torch.utils.flop_counter import FlopCounterMode

from pqk.train.networks.layers import Convolution


@pytest.mark.parametrize("case", range(12))
def test_the_convolution_at_the_positions_that_the_pool_reads(case: int) -> None:
    rng = fresh(f"convolution {case}")
    torch.manual_seed(int(rng.integers(2**32)))
    layer = random_layer(rng)
    x = torch.rand(2, 4, 23, 19)
    top, left, bottom, right = layer.padding
    groups = 4 if layer.depthwise else 1
    padded = F.pad(x, (left, right, top, bottom))
    whole = F.conv2d(padded, layer.weight, None, layer.stride, 0, layer.dilation, groups)
    assert layer.conv_size((23, 19)) == whole.shape[2:]
    rows, columns = layer.output_size((23, 19))
    assert (rows, columns) == F.avg_pool2d(whole, layer.pool).shape[2:]
    read = whole[:, :, : rows * layer.pool[0], : columns * layer.pool[1]]
    torch.testing.assert_close(layer.convolve(x, layer.weight), read)


def random_layer(rng: np.random.Generator) -> Convolution:
    pair = lambda low, high: (int(rng.integers(low, high + 1)), int(rng.integers(low, high + 1)))  # noqa: E731
    depthwise = bool(rng.integers(2))
    return Convolution(
        "conv0",
        4,
        4 if depthwise else 5,
        stream="conv0",
        kernel=pair(1, 4),
        stride=pair(1, 2),
        dilation=pair(1, 3),
        padding=(*pair(0, 4), *pair(0, 4)),
        depthwise=depthwise,
        pool=pair(1, 4),
    )


def test_positions_that_no_pool_reads_cost_nothing() -> None:
    layer = Convolution("conv0", 1, 8, stream="conv0", pool=(4, 3))
    with FlopCounterMode(display=False) as counter:
        layer.convolve(torch.rand(1, 1, 101, 40), layer.weight)
    assert counter.get_total_flops() == 2 * 9 * 8 * 100 * 39
