"""The computer's microphone, by sounddevice, which is an optional extra."""

import queue
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np

from pqk.errors import ToolError
from pqk.frontend import RATE, Pcm
from pqk.sources import BLOCK

WAITING = 50
"""Blocks that wait for the device at most (5 s); more are missed."""
TIMEOUT_S = 5.0


class Microphone:
    """An open microphone; a context manager, and a `pqk.sources.Source`."""

    title = "the microphone"
    live = True

    def __init__(self) -> None:
        """Raises ToolError: sounddevice or PortAudio is missing, or there is no microphone that gives `RATE`."""
        package = sounddevice()
        self.missed = 0
        self._blocks: queue.Queue[bytes] = queue.Queue(WAITING)
        try:
            self._stream = package.RawInputStream(
                samplerate=RATE, blocksize=BLOCK, channels=1, dtype="int16", callback=self._arrived
            )
            self._stream.start()
        except package.PortAudioError as error:
            raise ToolError(
                f"no microphone can be opened at {RATE} Hz: {error}",
                "connect one, or name a WAV or FLAC file, or - for standard input",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def blocks(self) -> Iterator[Pcm]:
        """Without end; see `pqk.sources.Source`. Raises ToolError when the microphone falls silent altogether."""
        while True:
            try:
                data = self._blocks.get(timeout=TIMEOUT_S)
            except queue.Empty as error:
                raise ToolError(f"the microphone has given nothing for {TIMEOUT_S:g} s", "connect it again") from error
            yield np.frombuffer(data, np.int16)

    def _arrived(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """Called by sounddevice in a thread of its own."""
        del frames, time
        self.missed += bool(status.input_overflow)
        try:
            self._blocks.put_nowait(bytes(data))
        except queue.Full:
            self.missed += 1


def sounddevice() -> Any:
    """The package. Raises ToolError: it is missing, or its library."""
    try:
        import sounddevice as package
    except ImportError as error:
        hint = "pip install sounddevice, or name a WAV or FLAC file, or - for standard input"
        raise ToolError("the microphone needs the Python package sounddevice", hint) from error
    except OSError as error:  # what sounddevice raises where its library is missing
        hint = "install PortAudio (Debian: apt install libportaudio2), or name a WAV or FLAC file"
        raise ToolError(f"the microphone needs the library PortAudio: {error}", hint) from error
    return package
