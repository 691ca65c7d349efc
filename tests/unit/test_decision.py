"""Posteriors, smoothing and detections: against plain Python, and against the real softmax."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pqk_codegen import decision
from pqk_codegen.decision import NEVER, ONE, Detection, Scale, Settings
from support import seeds

LOGITS = st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=12)
SCALES = st.builds(Scale, st.integers(2**14, 2**15 - 1), st.integers(0, 31))


def by_hand(logits: list[int], scale: Scale) -> list[int]:
    """The contract's words, one output at a time."""
    table = [round(2 ** (15 - i / 16)) for i in range(16)]
    powers = []
    for value in logits:
        t = ((max(logits) - value) * scale.multiplier) >> scale.shift
        powers.append(table[t & 15] >> (t >> 4) if t < 256 else 0)
    return [(e * 32768 + sum(powers) // 2) // sum(powers) for e in powers]


@settings(max_examples=400)
@given(LOGITS, SCALES)
def test_posteriors_are_those_of_the_contract(logits: list[int], scale: Scale) -> None:
    assert decision.posteriors(logits, scale).tolist() == by_hand(logits, scale)


@settings(max_examples=400)
@given(LOGITS, SCALES)
def test_posteriors_fit_their_type_and_add_up(logits: list[int], scale: Scale) -> None:
    values = decision.posteriors(logits, scale)
    assert values.min() >= 0
    assert values.max() <= ONE
    assert abs(values.sum() - ONE) <= len(logits) / 2
    assert values.max() == values[int(np.argmax(logits))]


@pytest.mark.parametrize("scale", [1e-7, 1.5e-4, 0.01, 0.3])
def test_posteriors_are_about_the_softmax(scale: float) -> None:
    rng = seeds.fresh("softmax")
    logits = np.rint(rng.normal(0, 4, (500, 10)) / scale).astype(np.int64)
    real = np.exp((logits - logits.max(axis=1, keepdims=True)) * scale)
    real /= real.sum(axis=1, keepdims=True)
    error = np.abs(decision.posteriors(logits, decision.scale_of(scale)) / ONE - real)
    assert error.max() < 0.5 * (2 ** (1 / 16) - 1)  # a step of the table, of what is at most 1/2 from the other words


@given(st.floats(1e-6, 700))
def test_the_scale_is_right_to_15_bits(scale: float) -> None:
    constants, factor = decision.scale_of(scale), scale * math.log2(math.e) * 16
    assert 2**14 <= constants.multiplier < 2**15
    assert 0 <= constants.shift <= 31
    assert constants.multiplier / 2**constants.shift == pytest.approx(factor, rel=2**-15)


def test_scales_at_the_ends() -> None:
    factor = math.log2(math.e) * 16
    assert decision.scale_of(2**14 / factor) == Scale(2**14, 0)
    assert decision.scale_of((2**15 - 0.4) / 2**3 / factor) == Scale(2**14, 2)  # rounds up to a power of two
    assert decision.scale_of(1e9) == Scale(2**15 - 1, 0)
    assert decision.scale_of(2**-40 / factor * 2**20) == Scale(2**11, 31)
    for wrong in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"the scale .* not a positive number"):
            decision.scale_of(wrong)
        with pytest.raises(ValueError, match=r"the temperature .* not a positive number"):
            decision.scale_of(1.0, wrong)


def test_a_higher_temperature_tells_sure_ones_apart() -> None:
    sure, surer = [13, 0, 0], [15, 0, 0]
    assert decision.posteriors([sure, surer], decision.scale_of(1.0))[:, 0].tolist() == [ONE, ONE]
    found = decision.posteriors([sure, surer], decision.scale_of(1.0, 2.0))
    assert found[0, 0] < found[1, 0] < ONE
    assert found[0].tolist() == decision.posteriors(sure, decision.scale_of(0.5)).tolist()


def test_smoothing_begins_with_zeros() -> None:
    values = np.array([[30, 7], [60, 7], [90, 8], [0, 8], [1, 8]])
    assert decision.smooth(values, 3).tolist() == [[10, 2], [30, 4], [60, 7], [50, 7], [30, 8]]
    assert decision.smooth(values, 1).tolist() == values.tolist()
    assert decision.smooth(values, 32)[-1].tolist() == [181 // 32, 38 // 32]


@given(st.lists(st.lists(st.integers(0, ONE), min_size=3, max_size=3), max_size=50), st.integers(1, 32))
def test_smoothing_is_the_floor_of_a_mean(rows: list[list[int]], smoothing: int) -> None:
    found = decision.smooth(np.array(rows, np.int64).reshape(-1, 3), smoothing).tolist()
    padded = [[0, 0, 0]] * (smoothing - 1) + rows
    windows = [padded[index : index + smoothing] for index in range(len(rows))]
    expected = [[sum(column) // smoothing for column in zip(*window, strict=True)] for window in windows]
    assert found == expected


def detect(rows: list[list[int]], thresholds: list[int], refractory: int = 0) -> list[tuple[int, int, int]]:
    """Detections as (word, score, samples); inferences are 100 samples apart, the third output is no keyword."""
    samples = 1000 + 100 * np.arange(len(rows))
    found = decision.detections(np.array(rows), samples, thresholds, (True, True, False), refractory)
    return [(item.word, item.score, item.samples) for item in found]


def test_a_threshold_is_reached_when_equalled() -> None:
    assert detect([[499, 0, 0], [500, 0, 0]], [500, 500, 500]) == [(0, 500, 1100)]


def test_the_largest_of_those_that_reach_their_threshold_wins() -> None:
    assert detect([[600, 700, 900]], [500, 500, 0]) == [(1, 700, 1000)]
    assert detect([[600, 700, 900]], [500, 701, 0]) == [(0, 600, 1000)]
    assert detect([[700, 700, 900]], [500, 500, 0]) == [(0, 700, 1000)]


def test_never_is_never_and_zero_is_always() -> None:
    assert detect([[ONE, ONE, ONE]], [ONE + 1, NEVER, 0]) == []
    assert detect([[0, 0, 0]], [NEVER, 0, 0]) == [(1, 0, 1000)]


def test_a_detection_silences_all_words_for_the_refractory_time() -> None:
    rows = [[900, 0, 0], [0, 900, 0], [0, 900, 0], [900, 0, 0], [900, 0, 0]]
    assert [(word, when) for word, _, when in detect(rows, [500] * 3, 200)] == [(0, 1000), (1, 1200), (0, 1400)]
    assert [when for _, _, when in detect(rows, [500] * 3, 201)] == [1000, 1300]
    assert [when for _, _, when in detect(rows, [500] * 3, 0)] == [1000, 1100, 1200, 1300, 1400]


def test_detections_are_those_of_a_loop() -> None:
    rng = seeds.fresh("detections")
    for _ in range(50):
        smoothed = rng.integers(0, ONE + 1, (200, 5)) // int(rng.integers(1, 4)) * 3 % (ONE + 1)
        samples = 777 + 160 * np.arange(200)
        thresholds = rng.integers(0, 40000, 5).tolist()
        keywords = tuple(bool(value) for value in rng.integers(0, 2, 5))
        refractory = int(rng.integers(0, 2000))
        expected, last = [], None
        for row, when in zip(smoothed, samples, strict=True):
            heard = [w for w in range(5) if keywords[w] and row[w] >= thresholds[w]]
            if heard and (last is None or when - last >= refractory):
                best = max(heard, key=lambda w: (row[w], -w))
                expected.append(Detection(best, int(row[best]), int(when)))
                last = when
        assert decision.detections(smoothed, samples, thresholds, keywords, refractory) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds": (0, 65536)},
        {"thresholds": (-1,)},
        {"smoothing": 0},
        {"smoothing": 33},
        {"stride": 0},
        {"stride": 65536},
        {"refractory": -1},
        {"refractory": 2**32},
    ],
)
def test_settings_that_the_device_cannot_hold(change: dict[str, object]) -> None:
    good: dict[str, object] = {"thresholds": (0, NEVER), "smoothing": 32, "stride": 65535, "refractory": 2**32 - 1}
    Settings(**good)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"{next(iter(change)).removesuffix('s')} = "):
        Settings(**good | change)  # type: ignore[arg-type]


def test_keywords_are_all_but_the_others() -> None:
    assert decision.keyword_mask(("a", "_unknown_", "b"), ("_unknown_", "_silence_")) == (True, False, True)
