"""A convolution's channels as lane kernels take them: the same results, and bounds that are reached."""

from dataclasses import replace

import numpy as np
import pytest
from pqk_codegen.ir import Tensor
from pqk_codegen.kernels.lanes import Channel, channels, requantization
from pqk_codegen.ops import Conv2d
from support.seeds import fresh

TAPS, OUT = 12, 30


def random_layer(rng: np.random.Generator, shift: int, dtype: str, pool: tuple[int, int]) -> tuple[Conv2d, Tensor, int]:
    """Channels of all kinds: never above zero, always saturated, without weights, and ordinary ones."""
    source = Tensor("x", (TAPS, 2, 2), dtype, 1.0, int(rng.choice([15, 127])))
    weights = rng.integers(-127, 128, (OUT, TAPS, 1, 1)).astype(np.int8)
    weights[rng.random(weights.shape) < 0.5] = 0
    weights[0] = 0
    bias = rng.integers(-(2**12), 2**12, OUT).astype(np.int32)
    bias[1], bias[2] = -(2**20), 2**20
    multiplier = (2.0 ** rng.uniform(shift - 20, min(shift + 6, 31), OUT)).astype(np.int64).clip(0, 2**31 - 1)
    op = Conv2d("conv", ("x",), "y", weights, bias, multiplier.astype(np.int32), pool=pool, shift=shift)
    return op, source, int(rng.choice([127, 255, 100]))


def outputs(channel: Channel, x: np.ndarray, window: int) -> np.ndarray:
    """What `Channel` says for x [n, taps], with `window` equal positions in a pool."""
    sums = window * np.maximum(channel.bias + x @ channel.weights, 0)
    return np.minimum((sums * channel.multiplier + 2**31) >> 32, channel.maximum)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("pool", [(1, 1), (2, 2)])
def test_channels_compute_what_the_operation_does(dtype: str, pool: tuple[int, int]) -> None:
    rng = fresh("rescaled channels")
    seen: set[int] = set()
    for shift in range(24, 33):
        op, source, maximum = random_layer(rng, shift, dtype, pool)
        x = rng.integers(source.minimum, source.maximum + 1, (60, TAPS))
        planes = np.broadcast_to(x[:, :, None, None], (60, TAPS, *pool))
        expected = op.reference([planes], Tensor("y", (OUT, 1, 1), "uint8", 1.0, maximum))[:, :, 0, 0]
        found = channels(op, source, maximum)
        actual = np.stack([outputs(channel, x, pool[0] * pool[1]) for channel in found], axis=1)
        np.testing.assert_array_equal(actual, expected)
        seen |= set(expected.ravel().tolist())
    assert len(seen) > 50


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_the_bounds_of_a_sum_are_reached_and_kept(dtype: str) -> None:
    rng = fresh("bounds")
    for shift in (27, 32):
        op, source, maximum = random_layer(rng, shift, dtype, (2, 1))
        for channel in channels(op, source, maximum):
            largest = np.where(channel.weights > 0, source.maximum, source.minimum)
            smallest = np.where(channel.weights > 0, source.minimum, source.maximum)
            if channel.weights.any():
                assert channel.bias + int(largest @ channel.weights) == channel.high
                least = channel.bias + int(smallest @ channel.weights)
                # A lane starts at its bias, and padding is zero: neither may lie outside either.
                assert channel.low == least <= channel.bias <= channel.high
            assert channel.low + channel.offset >= 0


def test_what_does_not_depend_on_the_input_is_a_small_constant() -> None:
    rng = fresh("constants")
    op, source, maximum = random_layer(rng, 32, "uint8", (1, 1))
    op.multiplier[:3] = 2**28
    empty, negative, saturated = channels(op, source, maximum)[:3]
    for channel in (empty, negative, saturated):
        assert not channel.weights.any()
        assert 0 <= channel.bias <= 4 * maximum
        assert channel.fits_lane
    assert (negative.bias, saturated.bias) == (0, 4 * maximum)


def test_a_pooled_channel_that_is_never_above_zero_is_constant_too() -> None:
    """Its offset would not fit a lane, though its largest sum and the offset together did."""
    op, source, maximum = random_layer(fresh("pooled"), 32, "uint8", (2, 2))
    rise = np.maximum(op.weights.astype(int), 0).reshape(OUT, -1).sum(axis=1) * source.maximum
    op = replace(op, bias=(-100_000 - rise).astype(np.int32))
    for channel in channels(op, source, maximum):
        assert not channel.weights.any()
        assert channel.bias == channel.offset == 0


@pytest.mark.parametrize(
    ("low", "high", "lane", "signed", "wide"),
    [
        (0, 2**15 - 1, True, True, True),
        (0, 2**15, False, False, True),
        (-(2**15), 2**15 - 1, True, True, True),
        (-(2**15) - 1, 2**15 - 2, True, False, True),
        (-(2**15) - 1, 2**15 - 1, False, False, True),
        (-(2**16) + 1, 0, True, False, True),
        (-(2**22), 2**22 - 1, False, False, True),
        (-(2**22) - 1, 0, False, False, False),
        (0, 2**22, False, False, False),
    ],
)
def test_what_fits_which_lane(low: int, high: int, *, lane: bool, signed: bool, wide: bool) -> None:
    channel = Channel(np.array([1, -1]), 0, 2**30, low, high, 127)
    assert (channel.fits_lane, channel.fits_signed_lane, channel.fits_wide_lane) == (lane, signed, wide)


def test_requantisation_of_short_sums_is_exact() -> None:
    """Every sum that a channel can have, with the shorter arithmetic and with the definition's."""
    rng = fresh("short sums")
    exact = 0
    for _ in range(60):
        low, high = -int(rng.integers(0, 2**14)), int(rng.integers(1, 2**14))
        bias, multiplier = int(rng.integers(low, high + 1)), int(2 ** rng.uniform(18, 31))
        found = requantization(Channel(np.array([1]), bias, multiplier, low, high, 127))
        if found:
            sums = np.arange(low, high + 1)  # bias included
            lanes = sums - bias + found.start
            assert lanes.min() >= 0
            assert lanes.max() < 2**15
            short = ((lanes * multiplier >> 16) + found.rounding >> 16).clip(0, 127)
            np.testing.assert_array_equal(short, np.minimum((np.maximum(sums, 0) * multiplier + 2**31) >> 32, 127))
            exact += 1
    assert exact > 20
