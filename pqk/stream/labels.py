"""A user's own recording with a label file, as Audacity exports label tracks: start, end (seconds) and word by tabs."""

import math
from collections.abc import Sequence
from pathlib import Path

from pqk.errors import DataError
from pqk.frontend import RATE
from pqk.project import SILENCE, UNKNOWN
from pqk.sources.file import AudioFile
from pqk.stream.words import Word

_FREQUENCIES = "\\"
"""Audacity adds a line that begins so after a label that has a range of frequencies."""


class Recording(AudioFile):
    """An open recording and its labels. A `pqk.stream.words.Stream`."""

    def __init__(self, path: Path, labels: Path, classes: Sequence[str]) -> None:
        """Raises DataError: see `AudioFile` and `read_labels`."""
        super().__init__(path)
        try:
            self.words = read_labels(labels, classes, self.samples)
        except DataError:
            self.__exit__(None, None, None)
            raise


def read_labels(path: Path, classes: Sequence[str], samples: int) -> tuple[Word, ...]:
    """The words of the list in a label file, sorted by start. A file without any measures false accepts only.

    Labels `_unknown_` and `_silence_` may stand for other sounds and are left out. `samples` is the recording's length.
    Raises DataError naming the line when it cannot be read, is no word of the list, or lies outside of the recording.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"{path} cannot be opened: {error.strerror}", "export a label track from Audacity") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text in UTF-8", "export a label track from Audacity") from error
    words = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(_FREQUENCIES):
            continue
        name, start, end = _fields(f"{path}, line {number}", line)
        if name in (UNKNOWN, SILENCE):
            continue
        words.append(_word(f"{path}, line {number}", name, start, end, classes, samples))
    return tuple(sorted(words, key=lambda word: (word.start, word.end)))


def _fields(where: str, line: str) -> tuple[str, float, float]:
    parts = [part.strip() for part in line.split("\t")]
    try:
        start, end, name = float(parts[0]), float(parts[1]), parts[2]
        if len(parts) > 3 or not name or not (math.isfinite(start) and math.isfinite(end)):
            raise ValueError(line)
    except (ValueError, IndexError) as error:
        hint = "a line is: start in seconds, tab, end in seconds, tab, word"
        raise DataError(f"{where}: {line[:60]!r} is not a label", hint) from error
    return name, start, end


def _word(where: str, name: str, start: float, end: float, classes: Sequence[str], samples: int) -> Word:
    if name not in classes:
        words = ", ".join(word for word in classes if word not in (UNKNOWN, SILENCE))
        raise DataError(
            f"{where}: {name!r} is not a word of this project ({words})", f"correct it; other words: {UNKNOWN}"
        )
    length = samples / RATE
    if not 0 <= start <= end <= length + 0.01:
        problem = "it ends before it starts" if end < start else f"the recording lasts from 0 to {length:.2f} s"
        raise DataError(f"{where}: {name!r} from {start:g} to {end:g} s: {problem}", "correct the label")
    return Word(list(classes).index(name), round(start * RATE), round(end * RATE))
