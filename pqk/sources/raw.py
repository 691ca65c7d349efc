"""Raw samples from standard input, as `arecord -t raw` or `sox -t raw` write them."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from pqk.errors import DataError
from pqk.frontend import RATE, Pcm
from pqk.sources import BLOCK

SAMPLE_BYTES = 2
CONTAINERS = {b"RIFF": "a WAV file", b"fLaC": "a FLAC file", b"OggS": "an Ogg file", b"FORM": "an AIFF file"}
HINT = f"for instance: arecord -t raw -f S16_LE -r {RATE} -c 1 | pqk-mcu listen -"


class RawAudio:
    """int16, little-endian, mono, at `RATE`. A `pqk.sources.Source`."""

    title = "standard input"
    live = True
    missed = 0

    def __init__(self, stream: BinaryIO) -> None:
        """`stream` is read until it ends."""
        self._stream = stream

    def blocks(self) -> Iterator[Pcm]:
        """See `pqk.sources.Source`. Raises DataError: nothing comes, a file comes, or the last sample is cut in two."""
        data = self._stream.read(BLOCK * SAMPLE_BYTES)
        if not data:
            raise DataError("standard input is empty", HINT)
        if data[:4] in CONTAINERS:
            kind = CONTAINERS[data[:4]]
            raise DataError(f"standard input is {kind}, not raw samples", f"name the file instead, or {HINT}")
        while data:
            if len(data) % SAMPLE_BYTES:
                raise DataError("standard input ends in the middle of a sample of 16 bits", HINT)
            yield np.frombuffer(data, "<i2").astype(np.int16)
            data = self._stream.read(BLOCK * SAMPLE_BYTES)
