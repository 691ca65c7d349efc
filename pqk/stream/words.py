"""A stream of audio and the words that are known to be in it."""

from dataclasses import dataclass
from typing import Protocol

from pqk.frontend import Pcm


@dataclass(frozen=True)
class Word:
    """A word of the list, spoken from sample `start` to before sample `end`."""

    word: int
    """Index of the network's output."""
    start: int
    end: int


class Stream(Protocol):
    """Continuous audio, any part of which can be read, any number of times."""

    @property
    def samples(self) -> int:
        """Length."""

    @property
    def words(self) -> tuple[Word, ...]:
        """Sorted by start."""

    def read(self, start: int, stop: int) -> Pcm:
        """int16[stop - start]; zeros where the stream has none."""
