"""From logits to detections: THE definition, whose twin is `codegen/runtime/pqk_decision.c`, bit for bit.

Posteriors are the softmax of the logits in integers: a power of two from a table of 16 steps and a shift, divided by
the sum. They are smoothed over the last inferences and compared with a threshold for each word.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

ONE = 32768
"""The posterior 1: posteriors are Q15."""
NEVER = 0xFFFF
"""A threshold that no posterior reaches; so does every other one above ONE."""
MOST_SMOOTHING = 32
LARGEST = {"threshold": 0xFFFF, "stride": 0xFFFF, "refractory": 0xFFFFFFFF}
"""What the settings' types hold on the device."""
STEPS = 16
"""Steps of the table in one halving."""
_LARGEST_EXPONENT = 256
"""Of a step: e(256) would be 2**15 >> 16 and is 0."""
TABLE = tuple(round(2 ** (15 - step / STEPS)) for step in range(STEPS))


@dataclass(frozen=True)
class Scale:
    """How far a difference of logits lowers a posterior: `difference * multiplier >> shift` sixteenths of a halving."""

    multiplier: int
    shift: int


@dataclass(frozen=True)
class Settings:
    """What can be changed at run time, over serial too.

    Raises ValueError when a value is outside the range that the device takes.
    """

    thresholds: tuple[int, ...]
    """For each output, Q15; above ONE means never. Outputs that are no keywords are never detected anyway."""
    smoothing: int
    """Inferences in the mean."""
    stride: int
    """Frames from one inference to the next."""
    refractory: int
    """Samples after a detection in which there is no other one, of whatever word."""

    def __post_init__(self) -> None:
        _check("threshold", self.thresholds, 0, LARGEST["threshold"])
        _check("smoothing", [self.smoothing], 1, MOST_SMOOTHING)
        _check("stride", [self.stride], 1, LARGEST["stride"])
        _check("refractory", [self.refractory], 0, LARGEST["refractory"])


@dataclass(frozen=True)
class Detection:
    """A word that was heard. `samples` had been received when the last frame was whole that it was heard in."""

    word: int
    """Index of the output."""
    score: int
    """The smoothed posterior, Q15."""
    samples: int


def scale_of(logit_scale: float, temperature: float = 1.0) -> Scale:
    """The constants for logits of which one step stands for the real number `logit_scale`.

    The softmax is of the logits divided by `temperature`. Above 1 it tells apart what is surer than a posterior of
    1 - 2**-15 without, which thresholds for few false accepts need.

    The multiplier is in [2**14, 2**15), so the factor is right to 15 bits. It is smaller where even the largest shift,
    31, leaves it so (the factor is then right to 2**-32), and 32767 where the factor is larger than that.
    Raises ValueError unless both are positive numbers.
    """
    for name, value in (("scale", logit_scale), ("temperature", temperature)):
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"the {name} of the logits is {value}, not a positive number")
    factor = logit_scale / temperature * math.log2(math.e) * STEPS
    shift = 15 - math.frexp(factor)[1]
    if round(math.ldexp(factor, shift)) == 2**15:
        shift -= 1
    if shift < 0:
        return Scale(2**15 - 1, 0)
    shift = min(shift, 31)
    return Scale(round(math.ldexp(factor, shift)), shift)


def posteriors(logits: npt.ArrayLike, scale: Scale) -> Integers:
    """Softmax of int32 logits [..., k] as int64 [..., k] in 0..ONE, each rounded to nearest."""
    values = np.asarray(logits, np.int64)
    below = values.max(axis=-1, keepdims=True) - values
    exponent = (below * scale.multiplier) >> scale.shift
    inside = np.minimum(exponent, _LARGEST_EXPONENT - 1)
    powers = np.array(TABLE, np.int64)[inside % STEPS] >> (inside // STEPS)
    powers = np.where(exponent < _LARGEST_EXPONENT, powers, 0)
    total = powers.sum(axis=-1, keepdims=True)
    return np.asarray((powers * ONE + total // 2) // total)


def smooth(values: npt.ArrayLike, smoothing: int) -> Integers:
    """Mean over the last `smoothing` rows of posteriors [n, k], rounded down; what was before the first row is 0."""
    sums = np.cumsum(np.asarray(values, np.int64), axis=0)
    sums[smoothing:] -= sums[:-smoothing].copy()
    return np.asarray(sums // smoothing)


def detections(
    smoothed: Integers, samples: Integers, thresholds: Sequence[int], keywords: Sequence[bool], refractory: int
) -> list[Detection]:
    """What is detected at the inferences whose smoothed posteriors [n, k] and time stamps [n] are given.

    Of the keywords that reach their threshold the one with the largest posterior, the first of equal ones, unless the
    last detection is less than `refractory` samples ago.
    """
    reached = (smoothed >= np.asarray(thresholds, np.int64)) & np.asarray(keywords, np.bool_)
    scores = np.where(reached, smoothed, -1)
    words = scores.argmax(axis=1)
    found = np.flatnonzero(reached.any(axis=1))
    times = samples[found]
    result: list[Detection] = []
    place = 0
    while place < len(found):
        index = int(found[place])
        word = int(words[index])
        result.append(Detection(word, int(smoothed[index, word]), int(samples[index])))
        place = max(place + 1, int(np.searchsorted(times, times[place] + refractory)))
    return result


def _check(name: str, values: Sequence[int], low: int, high: int) -> None:
    for value in values:
        if not low <= value <= high:
            raise ValueError(f"{name} = {value}: must lie in {low}..{high}")


def keyword_mask(classes: Sequence[str], others: Sequence[str]) -> tuple[bool, ...]:
    """Which outputs are words to detect: all but `others` (unknown words, silence)."""
    return tuple(name not in others for name in classes)
