"""The packed weight stream: bytes a person can check, and that nothing is lost."""

import numpy as np
import pytest
from pqk_codegen.errors import IrError
from pqk_codegen.packing import pack, unpack
from support.seeds import fresh


def test_golden_nibbles() -> None:
    weights = np.array([[0, 0, 3, 0, 0, 0, 0, -1], [0] * 8, [-7, 7, 0, 0, 0, 0, 0, 1]], np.int8)
    stream = pack(weights, 1)
    # gap 2 weight 3; gap 4 weight -1 (15); nothing; gap 0 weight -7 (9); gap 0 weight 7; gap 5 weight 1
    assert stream.entries.tolist() == [0x23, 0x4F, 0x09, 0x07, 0x51]
    assert stream.lengths == (2, 0, 3)


def test_golden_bytes() -> None:
    stream = pack(np.array([[0, -100, 0, 0, 127]], np.int8), 2)
    assert stream.entries.tolist() == [1, 156, 2, 127]
    assert stream.lengths == (2,)


def test_a_long_gap_is_bridged() -> None:
    weights = np.zeros((1, 40), np.int8)
    weights[0, 37] = 5
    # 16 + 16 taps by two fillers, 5 more, then the weight
    assert pack(weights, 1).entries.tolist() == [0xF0, 0xF0, 0x55]


@pytest.mark.parametrize("entry_bytes", [1, 2])
def test_round_trip(entry_bytes: int) -> None:
    rng = fresh("packing")
    limit = 2 ** (4 * entry_bytes - 1)
    for sparsity in (0.0, 0.5, 0.9, 0.99, 1.0):
        shape = (int(rng.integers(1, 9)), int(rng.integers(1, 60)), 3, 3)
        weights = rng.integers(-limit, limit, shape) * (rng.random(shape) >= sparsity)
        np.testing.assert_array_equal(unpack(pack(weights.astype(np.int8), entry_bytes), shape, entry_bytes), weights)


@pytest.mark.parametrize("weight", [8, -9])
def test_a_weight_that_does_not_fit_is_refused(weight: int) -> None:
    with pytest.raises(IrError, match="does not fit 4 bits"):
        pack(np.array([[weight]], np.int8), 1)
