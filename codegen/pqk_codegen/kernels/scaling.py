"""Requantisation by one 32-bit multiplication, where that provably gives the same: for cores without a longer one."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pqk_codegen.ir import Array

WORD = 32
LARGEST_SHIFT = 31
NEIGHBOURS = 64  # multipliers tried on either side of the nearest


@dataclass(frozen=True)
class Scaling:
    """min((v * multiplier + rounding) >> shift, maximum), in which nothing exceeds 32 bits without a sign."""

    multiplier: int
    rounding: int
    shift: int


@functools.lru_cache(maxsize=4096)
def short_scaling(high: int, multiplier: int, maximum: int) -> Scaling | None:
    """What equals min((v * multiplier + 2^31) >> 32, maximum) for v = 0 .. high; None if nothing does.

    Both are staircases, and they are the same if each step is at the same v. A step k up to `maximum` is right if v
    just reaches it where it should, and one less does not: two bounds of the rounding for every step.
    """
    if high == 0:
        return Scaling(0, 0, 0)
    levels, starts = _steps(high, multiplier, maximum)
    shift = _largest_shift(high, multiplier)
    for candidate in _near((multiplier << shift) >> WORD):
        rises = starts <= high  # the step after the last one is only there not to be reached
        least = max(0, int(((levels << shift) - starts * candidate)[rises].max(initial=0)))
        most = int(((levels << shift) - (starts - 1) * candidate).min(initial=2**WORD)) - 1
        if least <= min(most, 2**WORD - 1 - high * candidate):
            return Scaling(candidate, least, shift)
    return None


def _steps(high: int, multiplier: int, maximum: int) -> tuple[Array, Array]:
    """Outputs 1, 2, ... up to one more than is reached, at most `maximum`, and the smallest v of each, or high + 1."""
    last = min(((high * multiplier + 2**31) >> WORD) + 1, maximum)
    starts = [min(-(((1 << 31) - (level << WORD)) // multiplier), high + 1) for level in range(1, last + 1)]
    return np.arange(1, last + 1, dtype=np.int64), np.array(starts, np.int64)


def _largest_shift(high: int, multiplier: int) -> int:
    """The largest shift for which the product still fits, with room for the rounding."""
    shift = LARGEST_SHIFT
    while high * ((multiplier << shift) >> WORD) + (1 << shift) // 2 >= 2**WORD:
        shift -= 1
    return shift


def _near(middle: int) -> Iterator[int]:
    for distance in range(NEIGHBOURS):
        yield middle + distance
        if distance and distance <= middle:
            yield middle - distance
