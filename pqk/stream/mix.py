"""Synthetic continuous audio: a split's recordings, words of the list and others, in background noise.

A plan is drawn from a seed first; any part of the audio is then made when it is asked for, so that an hour needs no
memory, and is the same in whatever pieces it is read.

Levels: the signal-to-noise ratio is that of two root mean squares: of a recording over its word (`speech_span`), and
of a noise file over the split's part of it. All recordings are brought to `SPEECH_DB`; what lies beside the word in a
recording is scaled with it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pqk.data import audio
from pqk.data.dataset import Clip, DataSet, noise_part
from pqk.errors import DataError
from pqk.features import FAINT, read_clip_pcm
from pqk.files import digest
from pqk.frontend import RATE, SAMPLES, Pcm
from pqk.project import SILENCE, UNKNOWN
from pqk.stream.words import Word

Sound = npt.NDArray[np.float32]

SPEECH_DB = -26.0
"""Level of every word in dB below full scale (the root mean square of a constant 32768); usual in telephony (ITU-T
P.56), and 2 dB below the median of Speech Commands."""
MOST_GAIN = 10 ** (30 / 20)
"""A recording in which next to nothing can be heard is not made into noise."""
FADE = RATE // 100
"""Samples over which a recording's own background comes and goes, so that its ends do not click."""
NOISE_FADE = RATE // 10
"""Samples over which one noise passes into the next."""
CACHED = 64
_FULL_SCALE = 32768.0


@dataclass(frozen=True)
class Recipe:
    """What is mixed. The words and their places depend on `seed`, `split` and `seconds` only, not on the noise."""

    split: str
    seconds: float
    snr_db: float | None
    """None: clean, which is faint white noise (-60 dB) behind the words."""
    seed: int = 0
    keyword_share: float = 0.5
    """Of the recordings; the others are words that are not in the list, if the project has any."""
    gap_s: tuple[float, float] = (0.5, 4.5)
    """Least and most time from the end of a recording to the next; drawn evenly."""


@dataclass(frozen=True)
class Piece:
    """A stretch of sound that is added to the stream: `load()` gives float32[length]."""

    start: int
    length: int
    load: Callable[[], Sound]
    gain: float
    fade: int


class Mix:
    """The stream that `recipe` makes of `dataset`. A `pqk.stream.words.Stream`."""

    def __init__(self, dataset: DataSet, recipe: Recipe) -> None:
        """Raises DataError when the split has no recording of a word, or the stream is too short for one."""
        self.recipe = recipe
        self.samples = int(recipe.seconds * RATE)
        self._dataset = dataset
        self._load_clip = lru_cache(CACHED)(self._read_clip)
        self._load_noise = lru_cache(8)(self._read_noise)
        spoken = list(self._speech())
        self.words = tuple(word for _, word in spoken if word is not None)
        if not self.words:
            raise DataError(
                f"{recipe.seconds:g} s of audio have no room for a word", "ask for a longer stream: --hours"
            )
        self.others = len(spoken) - len(self.words)
        """Recordings of words that are not in the list."""
        self.noise_seconds = 0.0
        """How much different noise there is; 0 where it is white and never repeated."""
        background = self._background()
        self._pieces = sorted([*background, *(piece for piece, _ in spoken)], key=lambda piece: piece.start)
        self._starts = np.array([piece.start for piece in self._pieces])
        self._longest = max(piece.length for piece in self._pieces)

    def read(self, start: int, stop: int) -> Pcm:
        """int16[stop - start], zeros outside of the stream."""
        total = np.zeros(stop - start, np.float64)
        first, end = np.searchsorted(self._starts, [start - self._longest, stop])
        for piece in self._pieces[first:end]:
            low, high = max(0, start, piece.start), min(stop, piece.start + piece.length, self.samples)
            if low < high:
                inside = np.arange(low - piece.start, high - piece.start)
                sound = piece.load()[inside[0] : inside[-1] + 1] * _ramp(inside, piece.length, piece.fade)
                total[low - start : high - start] += sound * piece.gain
        return np.clip(np.rint(total), -32768, 32767).astype(np.int16)

    def _speech(self) -> Iterator[tuple[Piece, Word | None]]:
        """Recordings one after the other with gaps between them."""
        recipe, classes = self.recipe, self._dataset.classes
        rng = np.random.default_rng(_seed("speech", recipe.split, recipe.seed))
        words = _Draw(self._clips(lambda name: name not in (UNKNOWN, SILENCE)), rng)
        others = _Draw(self._clips(lambda name: name == UNKNOWN), rng)
        if not words.clips:
            raise DataError(f"the {recipe.split} split has no recording of a word", "add recordings")
        place = 0
        while True:
            place += round(rng.uniform(*recipe.gap_s) * RATE)
            of_list = rng.random() < recipe.keyword_share or not others.clips
            clip = self._usable(words if of_list else others)
            if place + SAMPLES > self.samples:
                return
            sound = self._load_clip(clip)
            first, end = speech_span(sound)
            gain = min(MOST_GAIN, _amplitude(SPEECH_DB) / max(1e-9, root_mean_square(sound[first:end])))
            piece = Piece(place, SAMPLES, lambda clip=clip: self._load_clip(clip), gain, FADE)  # type: ignore[misc]
            name = classes[clip.label]
            yield piece, None if name == UNKNOWN else Word(clip.label, place + first, place + end)
            place += SAMPLES

    def _clips(self, wanted: Callable[[str], bool]) -> list[Clip]:
        clips = (clip for clip in self._dataset.clips if clip.split == self.recipe.split)
        return [clip for clip in clips if wanted(self._dataset.classes[clip.label])]

    def _usable(self, drawn: "_Draw") -> Clip:
        """The next clip that can be read and is not digital silence."""
        for _ in range(len(drawn.clips)):
            clip = drawn.next()
            try:
                if self._load_clip(clip).any():
                    return clip
            except audio.UnreadableError:
                continue
        raise DataError(f"no recording in the {self.recipe.split} split can be read", "see the notes of pqk-mcu build")

    def _background(self) -> Iterator[Piece]:
        """Noise over the whole stream, from one file after the other; white where there is none, or it is clean."""
        recipe = self.recipe
        parts = self._noise_parts() if recipe.snr_db is not None else []
        level = FAINT if recipe.snr_db is None else _amplitude(SPEECH_DB - recipe.snr_db)
        if not parts:
            for number, start in enumerate(range(0, self.samples, RATE)):
                seed = _seed("white", recipe.split, recipe.seed, number)
                yield Piece(start, RATE, lambda seed=seed: _white(seed), level, 0)  # type: ignore[misc]
            return
        self.noise_seconds = sum(end - first for _, first, end in parts) / RATE
        rng = np.random.default_rng(_seed("noise", recipe.split, recipe.seed))
        place = -NOISE_FADE
        while place < self.samples:
            path, first, end = parts[int(rng.integers(len(parts)))]
            cut = int(rng.integers(0, max(1, (end - first) // 2)))  # at least half of a part is heard
            whole = self._load_noise(path, first, end)
            gain = level / max(1e-9, root_mean_square(whole))
            load = lambda path=path, first=first, end=end, cut=cut: self._load_noise(path, first, end)[cut:]  # noqa: E731
            yield Piece(place, end - first - cut, load, gain, NOISE_FADE)
            place += end - first - cut - NOISE_FADE

    def _noise_parts(self) -> list[tuple[str, int, int]]:
        """Path, first sample and end of the split's part of every noise file that has a second of sound there."""
        parts = []
        for path in self._dataset.noises:
            try:
                first, end = noise_part(audio.length(self._dataset.root / path), self.recipe.split)
                if end - first >= RATE and self._load_noise(path, first, end).any():
                    parts.append((path, first, end))
            except audio.UnreadableError:
                continue
        return parts

    def _read_clip(self, clip: Clip) -> Sound:
        return read_clip_pcm(self._dataset, clip).astype(np.float32)

    def _read_noise(self, path: str, first: int, end: int) -> Sound:
        return audio.read(self._dataset.root / path, start=first, samples=end - first)[0].astype(np.float32)


class _Draw:
    """Clips in random order, all of them before any comes again."""

    def __init__(self, clips: Sequence[Clip], rng: np.random.Generator) -> None:
        self.clips, self._rng = clips, rng
        self._left: list[int] = []

    def next(self) -> Clip:
        if not self._left:
            self._left = self._rng.permutation(len(self.clips)).tolist()
        return self.clips[self._left.pop()]


FRAME, STEP = RATE // 50, RATE // 100
BELOW_PEAK_DB, ABOVE_FLOOR_DB, LEAST_BELOW_PEAK_DB = 25.0, 10.0, 6.0
BRIDGED = 15
"""Steps of quiet inside of a word: the closure before a stop."""


def speech_span(pcm: npt.NDArray[np.generic]) -> tuple[int, int]:
    """First sample and end of the word in a recording [samples], from the energy of frames of 20 ms every 10 ms.

    Loud is what is less than 25 dB below the loudest frame and at least 10 dB above the tenth percentile (but what is
    less than 6 dB below the loudest frame always). Stretches up to 150 ms apart belong together; of what is left the
    stretch with the most energy is the word, so that a click at the end of a recording is none.
    """
    sound = pcm.astype(np.float64)
    if len(sound) < FRAME or not sound.any():
        return 0, len(sound)
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::STEP]
    energy = np.square(frames).mean(axis=1)
    level = 10 * np.log10(energy + 1)
    peak, floor = level.max(), np.percentile(level, 10)
    loud = np.flatnonzero(level >= min(peak - LEAST_BELOW_PEAK_DB, max(peak - BELOW_PEAK_DB, floor + ABOVE_FLOOR_DB)))
    runs = np.split(loud, np.flatnonzero(np.diff(loud) > BRIDGED) + 1)
    best = max(runs, key=lambda run: float(energy[run].sum()))
    return int(best[0]) * STEP, int(best[-1]) * STEP + FRAME


def root_mean_square(sound: npt.NDArray[np.generic]) -> float:
    """Of samples in any type."""
    return float(np.sqrt(np.mean(np.square(sound.astype(np.float64))))) if len(sound) else 0.0


def _amplitude(db: float) -> float:
    return float(_FULL_SCALE * 10 ** (db / 20))


def _ramp(inside: npt.NDArray[np.int64], length: int, fade: int) -> npt.NDArray[np.float64]:
    """Factors 0..1 at these places of a piece: up at its beginning, down at its end, so that overlaps keep power."""
    if not fade:
        return np.ones(len(inside))
    near = np.minimum(inside + 0.5, length - inside - 0.5) / fade
    return np.asarray(np.sin(np.pi / 2 * np.clip(near, 0, 1)))


def _white(seed: int) -> Sound:
    return np.random.default_rng(seed).standard_normal(RATE).astype(np.float32)


def _seed(*parts: object) -> int:
    return int(digest(str(part) for part in parts), 16)
