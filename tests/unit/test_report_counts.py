"""Counting answers and the interval of an accuracy."""

from collections import Counter

import pytest
from support.seeds import fresh

from pqk.report import counts


def test_confusion_matrix_counts_every_clip_once_with_true_classes_in_rows() -> None:
    chance = fresh("answers")
    classes = int(chance.integers(2, 9))
    labels, answers = chance.integers(classes, size=(2, 500)).tolist()
    matrix = counts.confusion_matrix(labels, answers, classes)
    pairs = Counter(zip(labels, answers, strict=True))
    assert {(i, j): matrix[i][j] for i in range(classes) for j in range(classes) if matrix[i][j]} == dict(pairs)
    right = sum(matrix[i][i] for i in range(classes))
    assert counts.share_equal(labels, answers) == right / 500
    assert counts.count_different(labels, answers) == 500 - right


def test_recall_is_by_row_and_unknown_without_clips() -> None:
    matrix = [[3, 1, 0], [2, 2, 4], [0, 0, 0]]
    assert [counts.recall(matrix, label) for label in range(3)] == [0.75, 0.25, None]


@pytest.mark.parametrize(
    ("right", "trials", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3 (score interval)
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_against_published_values(right: int, trials: int, low: float, high: float) -> None:
    assert counts.wilson_interval(right / trials, trials) == pytest.approx((low, high), abs=6e-5)
    mirrored = counts.wilson_interval(1 - right / trials, trials)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=6e-5)
