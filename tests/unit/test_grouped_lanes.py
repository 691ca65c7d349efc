"""The stream of conv2d_grouped_lanes: numbers a person can check, and that nothing is lost."""

import numpy as np
from pqk_codegen.kernels.conv2d_grouped_lanes import Conv2dGroupedLanes
from pqk_codegen.kernels.lanes import Channel
from support.seeds import fresh

KERNEL = Conv2dGroupedLanes()


def channel(weights: list[int], bias: int = 0, low: int = 0) -> Channel:
    return Channel(np.array(weights), bias, 0x12345678, low, 1000, 127)


def test_golden() -> None:
    places = np.array([[0, 4, 8, 40, 44, 48], [100, 104, 108, 140, 144, 148]])
    stream = KERNEL.pack([channel([3, -2, 0, 3, 3, -7], bias=20, low=-30), channel([0] * 6)], places)
    assert [hex(number) for number in stream] == [
        *("0x32", "0xf9", "0x30"),  # offset + bias; -7, none beyond its first tap
        *("0x1fe", "0x4"),  # -2, one tap
        *("0x303", "0x0", "0x28", "0x2c"),  # 3, three taps
        *("0x900", "0x1e", "0x5678", "0x1234"),  # end, offset, multiplier
        *("0x0", "0x0", "0x64"),  # no weight: 0 at some tap
        *("0x900", "0x0", "0x5678", "0x1234"),
    ]


def test_a_group_has_eight_taps_and_the_first_one_more() -> None:
    places = 4 * np.arange(40)[None]
    stream = KERNEL.pack([channel([1] * 20 + [2] * 20)], places)
    heads = [1, 1 + 1 + 9, 1 + 1 + 9 + 1 + 8, *(1 + 23 + 9 * group for group in range(3))]
    assert [hex(stream[place]) for place in heads] == ["0x801", "0x801", "0x301", "0x802", "0x802", "0x402"]


def test_every_tap_is_there_once() -> None:
    rng = fresh("grouped lanes")
    for share in (0.0, 0.02, 0.1, 0.5, 1.0):
        weights = rng.integers(-127, 128, (4, 200)) * (rng.random((4, 200)) < share)
        if rng.random() < 0.5:
            weights = np.sign(weights)
        places = np.tile(4 * rng.permutation(2**14)[:200], (4, 1))
        stream = KERNEL.pack([channel(row.tolist()) for row in weights], places)
        for row, expected in zip(weights, unpacked(stream, len(weights)), strict=True):
            taps = np.flatnonzero(row)
            assert {(places[0, tap], row[tap]) for tap in taps} == {pair for pair in expected if pair[1]}
            assert len(expected) == max(1, len(taps))


def unpacked(stream: np.ndarray, count: int) -> list[list[tuple[int, int]]]:
    """Places and weights of every channel, as the contract in pqk_kernels.h says."""
    found, numbers = [], iter(stream.tolist())
    for _ in range(count):
        next(numbers)
        pairs, uncounted = [], 1
        while (head := next(numbers)) != 0x900:
            weight = ((head & 0xFF) ^ 0x80) - 0x80
            pairs += [(next(numbers), weight) for _ in range((head >> 8) + uncounted)]
            uncounted = 0
        assert [next(numbers) for _ in range(3)] == [0, 0x5678, 0x1234]
        found.append(pairs)
    assert next(numbers, None) is None
    return found
