"""Counting answers: confusion matrix, recall, and how far an accuracy can be trusted."""

import math
from collections.abc import Sequence
from statistics import NormalDist


def share_equal(left: Sequence[int], right: Sequence[int]) -> float:
    """Share of positions, 0..1, at which two sequences of the same length (at least one) agree."""
    return sum(a == b for a, b in zip(left, right, strict=True)) / len(left)


def count_different(left: Sequence[int], right: Sequence[int]) -> int:
    """Number of positions at which two sequences of the same length differ."""
    return sum(a != b for a, b in zip(left, right, strict=True))


def confusion_matrix(labels: Sequence[int], predictions: Sequence[int], classes: int) -> list[list[int]]:
    """Counts [true class][predicted class], `classes` x `classes`."""
    matrix = [[0] * classes for _ in range(classes)]
    for label, prediction in zip(labels, predictions, strict=True):
        matrix[label][prediction] += 1
    return matrix


def recall(matrix: Sequence[Sequence[int]], label: int) -> float | None:
    """Share of the clips of class `label` that were answered rightly; None when there are none."""
    total = sum(matrix[label])
    return matrix[label][label] / total if total else None


def wilson_interval(share: float, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval (Wilson, JASA 1927) of a share seen in `trials` (at least one) independent trials.

    Unlike share +- 1.96 standard errors it stays inside 0..1 and is not empty at 0 and 1.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    scale = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return max(0.0, centre - half), min(1.0, centre + half)
