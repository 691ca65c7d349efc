"""`pqk-mcu listen`: audio from a source to the device, detections shown as they come, what was heard kept."""

import io
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from pqk_codegen.decision import MOST_SMOOTHING, ONE, Detection, Settings

from pqk.errors import ProjectError
from pqk.files import atomic_write_bytes
from pqk.frontend import RATE, Pcm
from pqk.sources import BLOCK, Source
from pqk.stream.device import StreamDevice
from pqk.stream.settings import MS, q15, stride_of

BEFORE_S, AFTER_S = 1.5, 0.5
"""Of a detection, kept by `--record`."""
LATE_S = 1.0
"""What a sound card's driver may hold back; audio that is sent later would have been lost."""


ALL_WORDS = ""


@dataclass(frozen=True)
class Wishes:
    """Settings that the user wants to differ from the device's; None leaves them."""

    thresholds: Mapping[str, float] = field(default_factory=dict)
    """By word; ALL_WORDS stands for those that are not named."""
    smoothing_ms: float | None = None
    hop_ms: float | None = None
    refractory_ms: float | None = None


@dataclass(frozen=True)
class Summary:
    """What `listen` did."""

    seconds: float
    """Of audio."""
    detections: int
    wall_s: float
    missed: int
    """Blocks of 100 ms that were lost, or (of a file) would have been if it were live."""
    interrupted: bool

    def line(self) -> str:
        """For the user."""
        factor = self.seconds / self.wall_s if self.wall_s else 0.0
        return (
            f"heard {self.seconds:.1f} s, {_count(self.detections, 'detection')}; {factor:.3g} times real time,"
            f" {_count(self.missed, 'missed buffer')}"
        )


class Display(Protocol):
    """What shows the user what happens."""

    def level(self, seconds: float, peak: int) -> None:
        """So much was heard; the last block's largest magnitude, 0..32768."""

    def detection(self, found: Detection, kept: Path | None) -> None:
        """A word was heard; where it will be kept."""


def thresholds(texts: Sequence[str], words: Sequence[str]) -> dict[str, float]:
    """What is wished in words like "0.8" (all words) or "yes=0.9".

    Raises ProjectError: a text is neither, the number is not in 0..1, or there is no such word.
    """
    found = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise ProjectError(f"{text!r} is not a threshold", "for instance --threshold 0.8, or --threshold yes=0.9")
        if "=" in text and name not in words:
            raise ProjectError(f"{name!r} is not a word of this project", f"its words: {', '.join(words)}")
        found[name or ALL_WORDS] = value
    return found


def wished(settings: Settings, wishes: Wishes, words: Sequence[str | None], hop: int) -> Settings:
    """`settings` with what is wished. Where only the hop changes, the time that is smoothed over stays.

    Args:
        settings: the device's.
        wishes: what shall change.
        words: the word that each output stands for, None where it is none.
        hop: samples from one frame to the next.

    Raises:
        ProjectError: a wish is out of range, or its time is not whole frames.
    """
    stride = settings.stride if wishes.hop_ms is None else stride_of(wishes.hop_ms, hop=hop, rate=RATE)
    hop_ms = stride * hop * MS / RATE
    smoothing_ms = wishes.smoothing_ms
    if smoothing_ms is None:
        smoothing_ms = settings.smoothing * settings.stride * hop * MS / RATE
    smoothing = max(1, round(smoothing_ms / hop_ms))
    if smoothing > MOST_SMOOTHING:
        raise ProjectError(
            f"{smoothing_ms:g} ms are {smoothing} inferences {hop_ms:g} ms apart, and the device averages over"
            f" {MOST_SMOOTHING} at most",
            f"--smoothing-ms {MOST_SMOOTHING * hop_ms:g}, or a larger --hop-ms",
        )
    limits = tuple(
        old if word is None else _threshold(wishes.thresholds, word, old)
        for word, old in zip(words, settings.thresholds, strict=True)
    )
    refractory = settings.refractory if wishes.refractory_ms is None else round(wishes.refractory_ms * RATE / MS)
    try:
        return replace(settings, thresholds=limits, smoothing=smoothing, stride=stride, refractory=refractory)
    except ValueError as error:
        raise ProjectError(str(error), "choose another value") from error


def _threshold(wanted: Mapping[str, float], word: str, old: int) -> int:
    value = wanted.get(word, wanted.get(ALL_WORDS))
    return old if value is None else q15(value)


def told(settings: Settings, words: Sequence[str | None], hop: int) -> str:
    """The settings in a line for the user."""
    step_ms = settings.stride * hop * MS / RATE
    by_word = {word: limit for word, limit in zip(words, settings.thresholds, strict=True) if word is not None}
    if len(set(by_word.values())) == 1:
        limits = _share(next(iter(by_word.values())))
    else:
        limits = ", ".join(f"{word} {_share(limit)}" for word, limit in by_word.items())
    return (
        f"an inference every {step_ms:g} ms, averaged over {settings.smoothing * step_ms:g} ms; threshold {limits};"
        f" {settings.refractory * MS / RATE:g} ms of rest"
    )


def listen(
    device: StreamDevice,
    source: Source,
    display: Display,
    *,
    fast: bool = False,
    keep: "Keeper | None" = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Summary:
    """Send `source` to the device until it ends or Ctrl-C.

    Args:
        device: with the settings that are wanted.
        source: audio.
        display: is told.
        fast: send a file as fast as it goes instead of at the pace at which it was spoken.
        keep: keeps what was heard around detections.
        clock: seconds, for tests.
        sleep: waits, for tests.

    Raises:
        PqkError: the source or the device fails.
    """
    device.stream_begin()
    samples = detections = late = 0
    interrupted = False
    begin = clock()
    try:
        for block in source.blocks():
            samples += len(block)
            if not (fast or source.live):
                late += _pace(begin + samples / RATE, clock, sleep)
            reply = device.stream_push(block)
            kept = keep.heard(block, reply.detections) if keep else [None] * len(reply.detections)
            for found, path in zip(reply.detections, kept, strict=True):
                display.detection(found, path)
            detections += len(reply.detections)
            display.level(samples / RATE, reply.peak)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if keep:
            keep.finish()
    return Summary(samples / RATE, detections, clock() - begin, source.missed + late, interrupted)


def _pace(due: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> bool:
    """Wait until a block would have been spoken; whether it is so late that it would have been lost."""
    ahead = due - clock()
    if ahead > 0:
        sleep(ahead)
    return ahead < -LATE_S


class Keeper:
    """Writes a WAV file for every detection: 1.5 s before its time stamp to 0.5 s after it, as far as was heard."""

    def __init__(self, directory: Path, classes: Sequence[str], session: str) -> None:
        """`session` begins every name in `directory`, which is made when it is needed."""
        self._directory, self._classes, self._session = directory, classes, session
        self._recent: deque[Pcm] = deque()
        self._first = self._samples = 0
        self._waiting: list[tuple[Path, int]] = []
        self._count = 0

    def heard(self, block: Pcm, found: Sequence[Detection]) -> list[Path]:
        """Take a block and the detections in it; write what is complete. Returns where each will be."""
        self._recent.append(block)
        self._samples += len(block)
        paths = [self._path(item) for item in found]
        self._waiting += zip(paths, (item.samples for item in found), strict=True)
        self._write(lambda samples: samples + AFTER_S * RATE <= self._samples)
        needed = min([self._samples, *(samples for _, samples in self._waiting)]) - BEFORE_S * RATE - BLOCK
        while self._recent and self._first + len(self._recent[0]) <= needed:
            self._first += len(self._recent.popleft())
        return paths

    def finish(self) -> None:
        """No more audio comes: write what waits for it."""
        self._write(lambda _: True)

    def _write(self, ready: Callable[[int], bool]) -> None:
        import soundfile

        for path, samples in self._waiting:
            if ready(samples):
                start = max(self._first, samples - int(BEFORE_S * RATE))
                heard = np.concatenate(list(self._recent))
                part = heard[start - self._first : samples + int(AFTER_S * RATE) - self._first]
                file = io.BytesIO()
                soundfile.write(file, part, RATE, format="WAV", subtype="PCM_16")
                atomic_write_bytes(path, file.getvalue())
        self._waiting = [(path, samples) for path, samples in self._waiting if not ready(samples)]

    def _path(self, found: Detection) -> Path:
        self._count += 1
        word = "".join(c if c.isalnum() or c in "-_" else "_" for c in self._classes[found.word])
        return self._directory / f"{self._session}-{self._count:04d}-{word}-{found.samples / RATE:.2f}s.wav"


METER_CELLS = 30
METER_FLOOR_DB = -60.0


class Lines:
    """A `Display` in text: a line for each detection and, on a terminal, a level meter below them."""

    def __init__(self, write: Callable[[str], None], classes: Sequence[str], *, meter: bool) -> None:
        """`write` shows text as it is, without adding a line break."""
        self._write, self._classes, self._meter = write, classes, meter
        self._shown = False

    def level(self, seconds: float, peak: int) -> None:
        """See `Display`."""
        if self._meter:
            self._write(f"\r{_clock(seconds)}  {meter(peak)}")
            self._shown = True

    def detection(self, found: Detection, kept: Path | None) -> None:
        """See `Display`."""
        self.clear()
        where = f"  {kept}" if kept else ""
        name = self._classes[found.word]
        self._write(f"{_clock(found.samples / RATE)}  {name}  {found.score / ONE:.3f}{where}\n")

    def clear(self) -> None:
        """Take the meter away."""
        if self._shown:
            self._write("\r\x1b[K")
            self._shown = False


def meter(peak: int) -> str:
    """A bar and the level in dB below full scale."""
    level = 20 * np.log10(max(peak, 1) / ONE)
    cells = round(METER_CELLS * max(0.0, 1 - level / METER_FLOOR_DB))
    clipped = " clipped" if peak >= ONE - 1 else ""
    return f"[{'#' * cells}{' ' * (METER_CELLS - cells)}] {level:6.1f} dB{clipped:8}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 100), 6000)
    return f"{minutes:4d}:{rest / 100:05.2f}"


def _share(limit: int) -> str:
    return "never" if limit > ONE else f"{limit / ONE:.4g}"


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"
