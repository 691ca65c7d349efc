"""The statistics of a comparison against values worked out by other means."""

from math import comb

import numpy as np
import pytest

from pqk.compare.statistics import deviation, mcnemar, paired


@pytest.mark.parametrize(("won", "lost"), [(5, 15), (15, 5), (0, 10), (7, 9), (40, 61)])
def test_mcnemar_is_the_two_sided_binomial_test(won: int, lost: int) -> None:
    tail = sum(comb(won + lost, k) for k in range(min(won, lost) + 1)) / 2 ** (won + lost)
    assert mcnemar(won, lost) == pytest.approx(min(1.0, 2 * tail))


def test_mcnemar_known_values() -> None:
    assert mcnemar(0, 10) == pytest.approx(2 / 1024)
    assert mcnemar(5, 15) == pytest.approx(0.04138947)
    assert mcnemar(8, 8) == mcnemar(1, 0) == mcnemar(0, 0) == 1


def test_pairs_are_pooled_over_seeds() -> None:
    row = np.array([[1, 1, 1, 0, 1], [1, 1, 0, 1, 1]], bool)
    control = np.array([[1, 0, 0, 1, 1], [1, 1, 0, 0, 0]], bool)
    result = paired(row, control)
    assert (result.seeds, result.won, result.lost) == (2, 4, 1)
    assert result.p == mcnemar(4, 1)
    # The row is better by 1 and by 2 clips of 5.
    assert result.difference == pytest.approx(0.3)
    assert result.error == pytest.approx(0.1)  # of the differences 0.2 and 0.4: 0.1414 / sqrt(2)


def test_one_seed_has_no_standard_error() -> None:
    result = paired(np.array([[True, False]]), np.array([[False, False]]))
    assert (result.difference, result.error) == (0.5, None)


def test_deviation_divides_by_one_less() -> None:
    assert deviation([1, 2, 3, 4]) == pytest.approx((5 / 3) ** 0.5)
    assert deviation([0.9]) == 0
