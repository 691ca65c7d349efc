"""WAV and FLAC files as mono int16 at 16 kHz."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pqk.frontend import RATE, SAMPLES, Pcm

SUFFIXES = (".wav", ".flac")
LONGEST_NOISE = 600 * RATE
"""Of a noise file at most the first ten minutes are used: it bounds memory."""
_RATES = range(4_000, 384_001)


class UnreadableError(Exception):
    """The file cannot be used; the text is the reason, without the file's name."""


@dataclass(frozen=True)
class Origin:
    """What a file was before its conversion."""

    rate: int
    channels: int
    seconds: float
    """Length of the whole file."""


def read(path: Path, *, start: int | None = None, samples: int = SAMPLES) -> tuple[Pcm, Origin]:
    """`samples` samples of a file, converted to mono int16 at 16 kHz and padded with zeros at the end.

    `start` counts samples at 16 kHz; without it the middle of a longer file is taken. Only that is decoded.
    Raises UnreadableError.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            rate, frames = file.samplerate, file.frames
            _check(rate, frames)
            wanted = math.ceil(samples * rate / RATE)
            first = max(0, frames - wanted) // 2 if start is None else start * rate // RATE
            file.seek(min(first, frames))
            # float32 carries 16 and 24 bits exactly, and is the one type that scales every subtype alike
            sound = file.read(wanted, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise UnreadableError(_reason(error)) from error
    if not np.isfinite(sound).all():
        raise UnreadableError("holds samples that are not numbers")
    mono = _resample(sound.mean(axis=1), rate)
    pcm = np.clip(np.rint(mono * 32768), -32768, 32767).astype(np.int16)
    return _pad(pcm, samples), Origin(rate, sound.shape[1], frames / rate)


def length(path: Path) -> int:
    """Samples at 16 kHz of a noise file, from its header, at most LONGEST_NOISE. Raises UnreadableError."""
    import soundfile

    try:
        info = soundfile.info(path)
    except (soundfile.SoundFileError, OSError) as error:
        raise UnreadableError(_reason(error)) from error
    _check(info.samplerate, info.frames)
    return min(LONGEST_NOISE, int(info.frames) * RATE // int(info.samplerate))


def _check(rate: int, frames: int) -> None:
    if frames <= 0:
        raise UnreadableError("holds no samples")
    if rate not in _RATES:
        raise UnreadableError(f"has a sample rate of {rate} Hz, outside {_RATES[0]}..{_RATES[-1]}")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be opened: {error.strerror}"
    detail = str(getattr(error, "error_string", error)).rstrip(".")
    return f"is not readable as audio: {detail}"


def _resample(sound: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float32]:
    """float32[n] at `rate` to float32[ceil(n * 16000 / rate)]: polyphase, with scipy's Kaiser low-pass."""
    if rate == RATE:
        return sound
    from scipy.signal import resample_poly

    divisor = math.gcd(rate, RATE)
    resampled: npt.NDArray[np.float32] = resample_poly(sound, RATE // divisor, rate // divisor)
    return resampled


def _pad(pcm: Pcm, samples: int) -> Pcm:
    return np.pad(pcm[:samples], (0, max(0, samples - len(pcm))))
