"""Scoring by examples that can be checked by hand, and what must hold of any."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pqk_codegen.decision import NEVER, ONE, Detection
from support import seeds

from pqk.frontend import RATE
from pqk.stream import score
from pqk.stream.score import Scene
from pqk.stream.words import Word

YES, NO = 0, 1


def word(which: int, start_s: float, end_s: float) -> Word:
    return Word(which, round(start_s * RATE), round(end_s * RATE))


def heard(which: int, at_s: float, share: float = 0.9) -> Detection:
    return Detection(which, round(share * ONE), round(at_s * RATE))


WORDS = [word(YES, 1.0, 1.5), word(NO, 3.0, 3.4), word(YES, 5.0, 5.6)]


def test_every_kind_of_detection() -> None:
    found = [
        heard(NO, 0.2),  # nothing was said: false accept
        heard(YES, 1.4),  # hit, 0.1 s before the end of the word
        heard(YES, 2.2),  # the same word again: repeated
        heard(YES, 3.2),  # "no" taken for "yes": false accept
        heard(NO, 4.15),  # hit at the very end of the tolerance
        heard(YES, 6.4),  # too late: false accept
    ]
    result = score.score(found, WORDS, seconds=1800)
    assert result.latencies == pytest.approx((-0.1, 0.75))
    assert (result.hits, result.false_accepts, result.repeated, result.words) == (2, 3, 1, 3)
    assert result.false_rejects == pytest.approx(1 / 3)
    assert result.per_hour == 6


def test_tolerance_is_to_the_sample() -> None:
    for late, hits in ((0, 1), (1, 0)):
        found = [Detection(NO, ONE, round(3.4 * RATE) + round(0.75 * RATE) + late)]
        assert score.score(found, WORDS, 60).hits == hits
    for early, hits in ((0, 1), (1, 0)):
        assert score.score([Detection(NO, ONE, 3 * RATE - early)], WORDS, 60).hits == hits


def test_two_words_close_together_take_a_detection_each() -> None:
    words = [word(YES, 1.0, 1.4), word(YES, 1.5, 1.9)]
    result = score.score([heard(YES, 1.6), heard(YES, 2.0), heard(YES, 2.1)], words, 60)
    assert result.latencies == pytest.approx((0.2, 0.1))
    assert (result.false_accepts, result.repeated) == (0, 1)


def test_nothing_said_has_no_false_rejects() -> None:
    result = score.score([heard(YES, 1)], [], 3600)
    assert result.false_rejects is None
    assert result.missed == 0
    assert result.per_hour == 1


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 100_000)), max_size=30), st.integers(0, 2**32 - 1))
def test_every_detection_counts_once(found: list[tuple[int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = np.cumsum(rng.integers(1, 20_000, 8))
    words = [Word(int(rng.integers(3)), int(start), int(start + rng.integers(1, 9000))) for start in starts]
    detections = sorted((Detection(which, ONE, at) for which, at in found), key=lambda item: item.samples)
    result = score.score(detections, words, 60)
    assert result.hits + result.false_accepts + result.repeated == len(detections)
    assert result.hits <= len(words)


def scene(rows: dict[float, tuple[float, float]], words: list[Word], seconds: float = 3600) -> Scene:
    """Smoothed posteriors of "yes" and "no" at times given in seconds, nothing at all between them."""
    times = sorted(rows)
    smoothed = np.array([[round(p * ONE) for p in (*rows[at], 0.3)] for at in times])
    samples = np.array([round(at * RATE) for at in times])
    return Scene(smoothed, samples, tuple(words), seconds, (True, True, False), RATE)


HEARD = scene(
    {1.6: (0.9, 0), 3.5: (0, 0.59), 5.7: (0.72, 0), 10.0: (0.8, 0), 20.0: (0, 0.5), 30.0: (0.65, 0)},
    WORDS,
)
"""At 1.6, 3.5 and 5.7 s words are heard, at 10, 20 and 30 s there is none."""


def test_a_curve_goes_from_everything_to_nothing() -> None:
    points = score.curve(HEARD)
    thresholds = [point.threshold for point in points]
    assert thresholds == sorted(set(thresholds))
    assert (points[0].score.hits, points[0].score.false_accepts) == (3, 3)
    assert (points[-1].threshold, points[-1].score.hits, points[-1].score.false_accepts) == (NEVER, 0, 0)


def test_a_common_threshold_is_the_best_within_the_limit() -> None:
    points = score.curve(HEARD)
    for limit, hits in ((3, 3), (2, 3), (1, 2), (0.5, 1), (0, 1)):
        chosen = score.choose_common(points, limit)
        assert (chosen.score.hits, chosen.score.per_hour <= limit) == (hits, True), limit
    assert score.choose_common(points, 0).threshold == max(p.threshold for p in points if p.score.hits == 1)


def test_thresholds_per_word_hear_more() -> None:
    start = score.choose_common(score.curve(HEARD), 1).threshold
    thresholds = score.choose_per_word(HEARD, start, 1)
    result = HEARD.score(thresholds)
    assert (result.hits, result.per_hour) == (3, 1)  # "yes" above 0.65, "no" above 0.5
    assert 0.65 * ONE < thresholds[YES] <= 0.72 * ONE
    assert 0.5 * ONE < thresholds[NO] <= 0.59 * ONE


def test_thresholds_per_word_are_earned_on_the_other_half() -> None:
    rng = seeds.fresh("halves")
    words, rows = [], {}
    for index in range(200):
        at = 10.0 * index + 5
        words.append(word(index % 2, at, at + 0.5))
        good = 0.9 if index % 2 == YES else 0.7  # "no" is heard less surely, and nothing sounds like it
        rows[at + 0.6] = (good, 0.0) if index % 2 == YES else (0.0, good)
        rows[at + 5] = (float(rng.choice([0.8, 0.84])) if index % 4 == 0 else 0.0, 0.0)
    different = score.choose(scene(rows, words, 2000), 0)
    assert different.per_word
    assert different.thresholds[YES] > 0.84 * ONE > 0.7 * ONE >= different.thresholds[NO]
    assert different.thresholds[2] == NEVER
    alike = score.choose(scene({at: (max(row), 0) if row[0] else row for at, row in rows.items()}, words[::2], 2000), 0)
    assert not alike.per_word
    assert alike.thresholds[YES] == alike.thresholds[NO]


def test_thresholds_per_word_that_were_lucky_on_one_half_are_not_used() -> None:
    words, rows = [], {}
    for index in range(200):
        at = 10.0 * index + 5
        words.append(word(index % 2, at, at + 0.5))
        rows[at + 0.6] = (0.9, 0.0) if index % 2 == YES else (0.0, 0.7)
        # What sounds like "yes" comes all the time, what sounds like "no" in the second half only.
        rows[at + 5] = (0.84, 0.0) if index < 100 or index % 2 else (0.0, 0.75)
    made = scene(rows, words, 2000)
    first, second = made.halves()
    start = score.choose_common(score.curve(first), 0).threshold
    lucky = score.choose_per_word(first, start, 0)
    assert first.score(lucky).hits > first.common(start).hits
    assert second.score(lucky).false_accepts == 50
    assert not score.choose(made, 0).per_word


def test_halves_share_words_and_time() -> None:
    first, second = HEARD.halves()
    assert (first.seconds, second.seconds) == (1800, 1800)
    assert (len(first.words), len(second.words)) == (3, 0)
    later = scene({1.0: (0, 0), 3000.0: (0.9, 0)}, [word(YES, 2999, 2999.5)])
    assert [part.common(ONE // 2).hits for part in later.halves()] == [0, 1]


def test_quantiles_are_values_that_were_measured() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [score.quantile(values, share) for share in (0, 0.2, 0.21, 0.5, 0.9, 1)] == [1, 1, 2, 3, 5, 5]
    assert score.quantile([], 0.5) is None
