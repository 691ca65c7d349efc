"""WAV and FLAC files as they are: nothing is resampled or mixed down, because the device would hear something else."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from pqk.errors import DataError
from pqk.frontend import RATE, Pcm
from pqk.sources import BLOCK


class AudioFile:
    """An open file of mono sound at `RATE`; a context manager, and a `pqk.sources.Source`."""

    live = False
    missed = 0

    def __init__(self, path: Path) -> None:
        """Raises DataError when it cannot be read, is empty, or has another rate or more than one channel."""
        import soundfile

        self.path, self.title = path, str(path)
        try:
            self._file = soundfile.SoundFile(path)
        except (soundfile.SoundFileError, OSError) as error:
            raise _unreadable(path, error) from error
        try:
            _check(path, self._file.samplerate, self._file.channels, self._file.frames)
        except DataError:
            self._file.close()
            raise
        self.samples = int(self._file.frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, start: int, stop: int) -> Pcm:
        """The samples from `start` to before `stop`, zeros where there are none. Raises DataError."""
        import soundfile

        first, end = (min(max(0, place), self.samples) for place in (start, stop))
        try:
            self._file.seek(first)
            inside = np.asarray(self._file.read(end - first, dtype="int16"))
        except (soundfile.SoundFileError, OSError) as error:
            raise _unreadable(self.path, error) from error
        if len(inside) != end - first:
            raise DataError(f"{self.path} ends after {first + len(inside)} of {self.samples} samples", "copy it anew")
        before = min(max(0, -start), stop - start)
        return np.pad(inside, (before, stop - start - before - len(inside)))

    def blocks(self) -> Iterator[Pcm]:
        """The whole file; see `pqk.sources.Source`. Raises DataError."""
        for start in range(0, self.samples, BLOCK):
            yield self.read(start, min(start + BLOCK, self.samples))


def _check(path: Path, rate: int, channels: int, frames: int) -> None:
    if frames <= 0:
        raise DataError(f"{path} holds no samples", "give a recording that is not empty")
    if rate != RATE or channels != 1:
        wrong = [f"a sample rate of {rate} Hz"] if rate != RATE else []
        wrong += [f"{channels} channels"] if channels != 1 else []
        name = shlex.quote(str(path))
        raise DataError(
            f"{path} has {' and '.join(wrong)}; the front end takes mono sound at {RATE} Hz",
            f"convert it: sox {name} -r {RATE} -c 1 converted.wav, or ffmpeg -i {name} -ar {RATE} -ac 1 converted.wav",
        )


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, OSError):
        return DataError(f"{path} cannot be opened: {error.strerror}", "name a WAV or FLAC file")
    if not path.exists():
        return DataError(f"there is no file {path}", "name a WAV or FLAC file")
    if path.is_file() and path.stat().st_size == 0:
        return DataError(f"{path} is empty", "give a recording that is not empty")
    detail = str(getattr(error, "error_string", error)).rstrip(".")
    return DataError(f"{path} is not readable as audio: {detail}", "name a WAV or FLAC file")
