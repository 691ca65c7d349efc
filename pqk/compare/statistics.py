"""Whether two rows differ: on the same clips, and over the same seeds."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

Right = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Paired:
    """A row against the control, over the seeds that both have."""

    seeds: int
    won: int
    """Clips that only the row gets right, of all seeds together."""
    lost: int
    """Clips that only the control gets right."""
    p: float
    """McNemar's test, exact and two-sided; see `mcnemar`."""
    difference: float
    """Mean over seeds of the row's accuracy less the control's."""
    error: float | None
    """Standard error of that mean; None for a single seed."""


def mcnemar(won: int, lost: int) -> float:
    """P-value of McNemar's exact test: how likely counts as unequal are if either was as likely as the other.

    A pair is a clip and a seed. Pairs are taken for independent, though the networks of one seed answer all clips and
    one clip is answered with all seeds: it says how sure the difference is on such clips, and may be too sure of how
    another seed would do. The standard error over seeds is the other half of the picture.
    """
    return float(binomtest(won, won + lost, 0.5).pvalue) if won + lost else 1.0


def paired(row: Right, control: Right) -> Paired:
    """Compare two arrays [seeds, clips] that say which clips each got right, with equal seeds and clips."""
    won, lost = int((row & ~control).sum()), int((control & ~row).sum())
    differences = row.mean(axis=1) - control.mean(axis=1)
    return Paired(
        seeds=len(row),
        won=won,
        lost=lost,
        p=mcnemar(won, lost),
        difference=float(differences.mean()),
        error=deviation(differences) / float(np.sqrt(len(row))) if len(row) > 1 else None,
    )


def deviation(values: npt.ArrayLike) -> float:
    """Standard deviation of a sample (n - 1 in the denominator); 0 for a single value."""
    array = np.asarray(values, np.float64)
    return float(array.std(ddof=1)) if array.size > 1 else 0.0
