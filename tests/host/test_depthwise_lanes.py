"""The depthwise kernel on lanes against the interpreter: its plain-C twin, and its requantisation for every sum."""

from pathlib import Path

import numpy as np
import pytest
from pqk_codegen.interpreter import logits
from pqk_codegen.kernels.lanes import Channel, requantization
from support import host
from support.lane_networks import depthwise
from support.networks import random_input
from support.seeds import fresh


@pytest.mark.parametrize("width", [5, 6, 9, 10, 11, 17])
def test_plain_c_equals_the_interpreter(width: int, tmp_path: Path) -> None:
    rng = fresh(f"depthwise of {width} columns")
    network, forced = depthwise(rng, width)
    x = random_input(rng, network, 6)
    program = host.build(network, tmp_path, forced=forced)
    np.testing.assert_array_equal(host.run(program, network, x), logits(network, x))


def test_requantization_is_exact_for_every_sum() -> None:
    rng = fresh("requantization")
    found = 0
    for _ in range(200):
        low, high = -int(rng.integers(0, 2**14)), int(rng.integers(0, 2**14))
        # Round factors have products next to the thresholds.
        multiplier = int(rng.integers(1, 50)) * 2**32 // 100 if rng.random() < 0.5 else int(rng.integers(0, 2**31))
        channel = Channel(np.ones(1, np.int64), int(rng.integers(-100, 100)), multiplier, low, high, 127)
        lane = requantization(channel)
        if lane is not None:
            found += 1
            sums = np.arange(low, high + 1)
            lanes = sums + lane.start - channel.bias
            assert lanes.min() >= 0
            assert lanes.max() < 2**15
            result = np.maximum(((lanes * multiplier >> 16) + lane.rounding) >> 16, 0)
            np.testing.assert_array_equal(result, (np.maximum(sums, 0) * multiplier + 2**31) >> 32)
    assert found > 150


def test_sums_beyond_15_bits_have_none() -> None:
    assert requantization(Channel(np.ones(1, np.int64), 0, 2**30, -(2**14), 2**14, 127)) is None
