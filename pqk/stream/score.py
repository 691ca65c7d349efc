"""Detections against the words that were said: hits, false rejects, false accepts per hour, latency, thresholds.

A detection is a hit when it is of a word that is being said or ended at most `TOLERANCE_S` before; one more detection
of that word is a repetition, told but neither hit nor false accept. Every other detection is a false accept, so a word
taken for another one counts twice: as false reject and as false accept.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pqk_codegen import decision
from pqk_codegen.decision import NEVER, ONE, Detection, Integers

from pqk.frontend import RATE
from pqk.stream.words import Word

TOLERANCE_S = 0.75
HOUR = 3600.0
LIMITS = (1.0, 0.5)
"""False accepts per hour at which false rejects are told."""


@dataclass(frozen=True)
class Score:
    """Of a stream's detections."""

    seconds: float
    words: int
    """That were said."""
    latencies: tuple[float, ...]
    """Of every hit: seconds from the end of the word to the detection's time stamp; negative before the end."""
    false_accepts: int
    repeated: int

    @property
    def hits(self) -> int:
        """Words that were detected."""
        return len(self.latencies)

    @property
    def false_rejects(self) -> float | None:
        """Share of the words that were not detected; None where none was said."""
        return (self.words - self.hits) / self.words if self.words else None

    @property
    def per_hour(self) -> float:
        """False accepts in an hour."""
        return self.false_accepts * HOUR / self.seconds

    @property
    def missed(self) -> float:
        """Share of the words that were not detected, 0 where none was said."""
        return self.false_rejects or 0.0


def score(found: Iterable[Detection], words: Sequence[Word], seconds: float, tolerance: float = TOLERANCE_S) -> Score:
    """Match detections (sorted by time) to `words` (sorted by start), each to the first not hit yet."""
    late = round(tolerance * RATE)
    places: dict[int, list[int]] = {}
    for index, word in enumerate(words):
        places.setdefault(word.word, []).append(index)
    hit: set[int] = set()
    latencies = []
    false_accepts = repeated = 0
    for item in found:
        begun = _before(places.get(item.word, []), words, item.samples)
        fitting = [index for index in begun if item.samples <= words[index].end + late]
        fresh = [index for index in fitting if index not in hit]
        if fresh:
            hit.add(fresh[0])
            latencies.append((item.samples - words[fresh[0]].end) / RATE)
        elif fitting:
            repeated += 1
        else:
            false_accepts += 1
    return Score(seconds, len(words), tuple(latencies), false_accepts, repeated)


def _before(places: list[int], words: Sequence[Word], samples: int) -> list[int]:
    """Of the words at `places` the last few that start at or before `samples`."""
    end = bisect_left(places, samples + 1, key=lambda index: words[index].start)
    return places[max(0, end - 4) : end]


@dataclass(frozen=True, eq=False)
class Scene:
    """A stream as the decision sees it, with what was said; thresholds can be tried on it at no cost."""

    smoothed: Integers
    """Posteriors, Q15 [n, k]."""
    samples: Integers
    """Time stamps [n]."""
    words: tuple[Word, ...]
    seconds: float
    keywords: tuple[bool, ...]
    refractory: int
    tolerance: float = TOLERANCE_S

    def detections(self, thresholds: Sequence[int]) -> list[Detection]:
        """What is detected with these thresholds."""
        return decision.detections(self.smoothed, self.samples, thresholds, self.keywords, self.refractory)

    def score(self, thresholds: Sequence[int]) -> Score:
        """How good that is."""
        return score(self.detections(thresholds), self.words, self.seconds, self.tolerance)

    def common(self, threshold: int) -> Score:
        """With one threshold for all words."""
        return self.score([threshold] * len(self.keywords))

    def halves(self) -> tuple["Scene", "Scene"]:
        """The first and the second half of the time."""
        middle = round(self.seconds * RATE / 2)
        early = self.samples < middle
        return tuple(  # type: ignore[return-value]
            replace(
                self,
                smoothed=self.smoothed[chosen],
                samples=self.samples[chosen],
                words=tuple(word for word in self.words if (word.end < middle) == first),
                seconds=self.seconds / 2,
            )
            for first, chosen in ((True, early), (False, ~early))
        )


@dataclass(frozen=True)
class Point:
    """Of a curve over one threshold for all words."""

    threshold: int
    score: Score


COARSE, FINE = 4, 16
"""Thresholds in one halving of their distance from 1."""


def grid(fineness: int = FINE) -> list[int]:
    """Thresholds to try, rising: even steps below 1/2, then ever finer towards 1, where posteriors crowd; and never."""
    low = [round(ONE * step / 40) for step in range(1, 20)]
    high = [round(ONE * (1 - 2 ** (-step / fineness))) for step in range(fineness, 15 * fineness + 1)]
    return [*sorted({*low, *high, ONE}), NEVER]


def curve(scene: Scene) -> list[Point]:
    """Detection error trade-off: the score at every threshold of the grid."""
    return [Point(threshold, scene.common(threshold)) for threshold in grid()]


def choose_common(points: Sequence[Point], limit: float) -> Point:
    """The point with the fewest false rejects among those with at most `limit` false accepts per hour.

    Of equal ones the highest threshold. There is always one: a threshold that is never reached accepts nothing.
    """
    allowed = [point for point in points if point.score.per_hour <= limit]
    return max(allowed, key=lambda point: (point.score.hits, point.threshold))


def choose_per_word(scene: Scene, start: int, limit: float) -> tuple[int, ...]:
    """A threshold for each word, found by changing one at a time from `start` while that brings more hits.

    Among equal numbers of hits it prefers fewer false accepts, then higher thresholds.
    """
    best = [start if keyword else NEVER for keyword in scene.keywords]
    candidates = grid(COARSE)

    def worth(thresholds: Sequence[int]) -> tuple[float, ...]:
        result = scene.score(thresholds)
        return (result.hits, -result.false_accepts) if result.per_hour <= limit else (-1.0, 0.0)

    reached = worth(best)
    improved = True
    while improved:
        improved = False
        for word in np.flatnonzero(scene.keywords):
            tried = [(worth([*best[:word], value, *best[word + 1 :]]), value) for value in candidates]
            top, value = max(tried)
            if top > reached:
                reached, best[word], improved = top, value, True
    return tuple(best)


@dataclass(frozen=True)
class Choice:
    """Thresholds chosen on validation for at most `limit` false accepts per hour."""

    limit: float
    thresholds: tuple[int, ...]
    per_word: bool


def choose(scene: Scene, limit: float) -> Choice:
    """One threshold for all words, or one for each where that earns it; see `_per_word_pays`."""
    common = choose_common(curve(scene), limit).threshold
    if _per_word_pays(scene, limit):
        return Choice(limit, choose_per_word(scene, common, limit), per_word=True)
    return Choice(limit, tuple(common if keyword else NEVER for keyword in scene.keywords), per_word=False)


def _per_word_pays(scene: Scene, limit: float) -> bool:
    """Whether thresholds for each word hold on audio on which they were not chosen.

    Both kinds are chosen on each half of the scene and tried on the other one. In both together those for each word
    must have more hits than the common one, no more false accepts, and no more than `limit` per hour: with many
    thresholds and few false accepts to choose them by, it is easy to be lucky.
    """
    first, second = scene.halves()
    hits = extra = accepts = 0
    for chosen_on, tried_on in ((first, second), (second, first)):
        start = choose_common(curve(chosen_on), limit).threshold
        simple, fine = tried_on.common(start), tried_on.score(choose_per_word(chosen_on, start, limit))
        hits += fine.hits - simple.hits
        extra += fine.false_accepts - simple.false_accepts
        accepts += fine.false_accepts
    return hits > 0 and extra <= 0 and accepts * HOUR / scene.seconds <= limit


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that `share` of the values do not exceed; None of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
