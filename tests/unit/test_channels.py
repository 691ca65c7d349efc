"""Equivalent constants of a convolution: the same outputs, and accumulators that stay in their lane."""

import itertools

import numpy as np
import pytest
from pqk_codegen.channels import Channels, bounds, channels
from pqk_codegen.ir import Tensor
from pqk_codegen.ops import Conv2d
from support.seeds import fresh

TAPS = 4


def tensors(dtype: str, maximum: int) -> tuple[Tensor, Tensor]:
    return Tensor("x", (TAPS, 1, 1), dtype, 1.0, maximum), Tensor("y", (1, 1, 1), "uint8", 1.0, 127)


def conv(weights: list[int], bias: int, multiplier: int, shift: int, pool: tuple[int, int] = (1, 1)) -> Conv2d:
    values = np.array(weights, np.int8).reshape(1, TAPS, 1, 1)
    factor = np.array([multiplier], np.int32)
    return Conv2d("conv", ("x",), "y", values, np.array([bias], np.int32), factor, pool=pool, shift=shift)


def outputs(found: Channels, x: np.ndarray, maximum: int, lane: int) -> np.ndarray:
    """What a kernel computes with the constants for x [n, taps], lanes wrapping as they do."""
    acc = (found.start[0] + x @ found.weights[0].ravel()) % 2**lane
    rectified = np.maximum(acc - found.floor[0], 0)
    assert rectified.max() <= found.peak
    return np.minimum((rectified * found.multiplier[0] + 2**31) >> 32, maximum)


@pytest.mark.parametrize("lane", [16, 32])
def test_the_outputs_are_the_same(lane: int) -> None:
    rng = fresh("channels")
    supported = 0
    for _ in range(600):
        dtype, maximum = [("uint8", 255), ("uint8", 127), ("int8", 127)][rng.integers(3)]
        source, output = tensors(dtype, maximum)
        limit = int(rng.choice([1, 7, 127]))
        shift = int(rng.integers(24, 33))
        weights = rng.integers(-limit, limit + 1, TAPS).tolist()
        bias = int(rng.integers(-(2 ** int(rng.integers(1, 23))), 2 ** int(rng.integers(1, 23))))
        op = conv(weights, bias, int(rng.integers(0, 2 ** int(rng.integers(1, 32)))), shift)
        found = channels(op, source, output, lane)
        if found is None:
            continue
        supported += 1
        corners = np.array(list(itertools.product((source.minimum, 0, source.maximum), repeat=TAPS)), np.int64)
        x = np.concatenate([corners, rng.integers(source.minimum, source.maximum + 1, (50, TAPS))])
        wanted = op.reference([x.reshape(-1, TAPS, 1, 1)], output).ravel()
        if found.weights.any():
            np.testing.assert_array_equal(outputs(found, x, 127, lane), wanted)
        else:
            assert (wanted == found.start[0]).all()
    assert supported > 200


@pytest.mark.parametrize(("bias", "fits"), [(0, True), (15, True), (16, False)])
def test_a_lane_is_used_in_full(bias: int, fits: bool) -> None:
    # 4 * 64 * 255 = 65280 above zero, and as much as the bias brings; 65535 is the most a lane holds.
    source, output = tensors("uint8", 255)
    op = conv([64, 64, 64, 64], bias * 17, 2**20, 32)
    assert (channels(op, source, output, 16) is not None) == fits


def test_negative_weights_count_with_the_smallest_input() -> None:
    source, _ = tensors("int8", 100)
    low, high = bounds(np.array([[[[3]], [[-2]], [[0]], [[0]]]]), np.array([5]), source)
    assert (low[0], high[0]) == (5 - 3 * 128 - 2 * 100, 5 + 3 * 100 + 2 * 128)


@pytest.mark.parametrize(("bias", "output"), [(2**22, 127), (-(2**22), 0), (1000, 31)])
def test_a_channel_without_weights_is_its_output(bias: int, output: int) -> None:
    found = channels(conv([0] * TAPS, bias, 2**27, 32), *tensors("uint8", 255), 16)
    assert found is not None
    assert found.start[0] == output


def test_a_channel_that_saturates_is_its_output() -> None:
    found = channels(conv([-7, -7, 7, 7], 2**22, 2**30, 32), *tensors("uint8", 255), 16)
    assert found is not None
    assert not found.weights.any()
    assert found.start[0] == 127


def test_factors_of_a_half_and_more() -> None:
    source, output = tensors("uint8", 127)
    found = channels(conv([1, 0, 0, 0], 0, 2**30, 28), source, output, 16)  # times 4
    assert found is not None
    assert found.multiplier[0] < 2**31
    x = np.array([[value, 0, 0, 0] for value in range(128)])
    np.testing.assert_array_equal(outputs(found, x, 127, 16), np.minimum(x[:, 0] * 4, 127))


def test_a_pooled_sum_stays_below_two_to_the_31() -> None:
    source, output = tensors("uint8", 255)
    window = (256, 256)
    assert channels(conv([33, 0, 0, 0], 0, 1, 32, window), source, output, 32) is not None
    assert channels(conv([127, 127, 0, 0], 0, 1, 32, window), source, output, 32) is None
