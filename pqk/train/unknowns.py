"""Made-up unknown words: recorded words reversed, spliced or mixed, so that `_unknown_` is more than the words at hand.

They act on mel energies, where mixing is exact (power is additive) and frames are time. Any recorded word serves, those
that the network listens for included: half of "yes" is not "yes". Silence is no word and is never used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pqk.project import TrainingConfig

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Words:
    """Which clips hold which word."""

    order: Array
    """int64 [m]: the clips that hold a word, those of a word side by side."""
    first: Array
    """int64 [m]: for every entry of `order`, where its word begins there."""
    count: Array
    """int64 [m]: for every entry of `order`, how many clips its word has."""

    @classmethod
    def of(cls, names: Sequence[str | None]) -> "Words":
        """From the word of each clip, None where a clip holds none."""
        spoken = np.array([i for i, name in enumerate(names) if name is not None], np.int64)
        _, word = np.unique([names[i] or "" for i in spoken], return_inverse=True)
        by_word = np.argsort(word, kind="stable")
        counts = np.bincount(word)
        firsts = np.cumsum(counts) - counts
        return cls(spoken[by_word], firsts[word[by_word]], counts[word[by_word]])

    def pairs(self, size: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """`size` pairs of clips, int64 [size] each, the two of a pair of different words, all such pairs as likely."""
        one = rng.integers(len(self.order), size=size)
        other = rng.integers(len(self.order) - self.count[one])
        other += np.where(other >= self.first[one], self.count[one], 0)
        return self.order[one], self.order[other]


def reverse(clips: Array, _: Array) -> Array:
    """Backwards in time."""
    return clips[:, ::-1]


def splice(clips: Array, others: Array) -> Array:
    """The first half of each clip, and from there the second half of the other, as loud as the clip.

    The halves meet at the middles of the words, not of the seconds: where half of the summed amplitude is over.
    """
    frames = clips.shape[1]
    time = np.arange(frames)
    meet, cut = _middle(clips)[:, np.newaxis], _middle(others)[:, np.newaxis]
    source = time - meet + cut
    second = others[np.arange(len(others))[:, np.newaxis], np.clip(source, 0, frames - 1)]
    second[source >= frames] = 0
    first = (time < meet)[..., np.newaxis]
    spliced: Array = np.where(first, clips, _level(clips, others) * second)
    return spliced


def mix(clips: Array, others: Array) -> Array:
    """Two words at once, equally loud, together as loud as the clip."""
    mixed: Array = (clips + _level(clips, others) * others) / 2
    return mixed


MAKERS: dict[str, Callable[[Array, Array], Array]] = {
    "unknown_reversed": reverse,
    "unknown_spliced": splice,
    "unknown_mixed": mix,
}
"""By the setting that says how many: from energies [k, frames, bands] of two different words to those of none."""


def put_made_up(
    batch: Array, places: Array, source: Array, words: Words, config: TrainingConfig, rng: np.random.Generator
) -> None:
    """Put made-up words in the place of some clips of `batch` [k, frames, bands]: those at `places` may go.

    `source` [n, frames, bands] has the clips that `words` knows. Every kind takes its share of the places on average.
    """
    shares = [getattr(config, key) for key in MAKERS]
    if not any(shares):
        return
    kinds = np.searchsorted(np.cumsum(shares), rng.random(len(places)), side="right")
    for kind, make in enumerate(MAKERS.values()):
        taken = places[kinds == kind]
        if len(taken):
            one, other = words.pairs(len(taken), rng)
            batch[taken] = make(source[one], source[other])


def _middle(clips: Array) -> Array:
    """int64 [k]: the first frame at which half of the clip's amplitude, summed over time, is reached."""
    passed = np.cumsum(np.sqrt(clips.sum(axis=2)), axis=1)
    middle: Array = (passed >= passed[:, -1:] / 2).argmax(axis=1)
    return middle


def _level(clips: Array, others: Array) -> Array:
    """float32 [k, 1, 1]: what makes the others as loud as the clips; 1 where one of them is digital silence."""
    loud, other = clips.sum(axis=(1, 2), keepdims=True), others.sum(axis=(1, 2), keepdims=True)
    heard = (loud > 0) & (other > 0)
    level: Array = np.divide(loud, other, out=np.ones_like(loud), where=heard)
    return level
