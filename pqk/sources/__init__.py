"""Where audio comes from: a file, standard input, a microphone. All give mono int16 at the front end's rate."""

from collections.abc import Iterator
from typing import Protocol

from pqk.frontend import RATE, Pcm

BLOCK = RATE // 10
"""Samples in a block: 100 ms."""


class Source(Protocol):
    """Audio that comes block by block."""

    @property
    def title(self) -> str:
        """What is listened to, for the user."""

    @property
    def live(self) -> bool:
        """Whether it comes at the pace at which it is spoken, by itself."""

    @property
    def missed(self) -> int:
        """Blocks that were lost so far."""

    def blocks(self) -> Iterator[Pcm]:
        """int16[BLOCK] each, the last one perhaps shorter; ends where the source ends."""
