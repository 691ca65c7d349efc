"""A data set through the front end: mel energies of every clip on disk, ready for training and evaluation.

On disk: `energies.npy` float32[n, frames, bands], `noise.npy` float32[m, bands], `index.json`.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pqk.data import audio
from pqk.data.dataset import SYNTHETIC_NOISE, Clip, DataSet, Skipped, check_coverage, noise_part
from pqk.errors import DataError
from pqk.files import atomic_directory
from pqk.frontend import RATE, SAMPLES, Encoded, Energies, FrontEnd, Pcm
from pqk.project import SILENCE, FrontEndConfig

SCHEMA = 1
BATCH = 64
THREADS = 2
FAINT = 32.0
"""Root mean square, in int16 steps (-60 dB), of the white noise that stands in for recorded noise at gain 1."""


@dataclass(frozen=True)
class Features:
    """Usable clips and their mel energies, in the same order."""

    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    energies: Energies
    """float32[n, frames, bands], mapped from the file."""
    labels: npt.NDArray[np.int64]
    splits: npt.NDArray[np.str_]
    noise: Energies
    """float32[m, bands]: the training part of the noise files, frames in a row; m is 0 without noise files."""
    noise_starts: npt.NDArray[np.int64]
    """First frame of each noise file in `noise`, and m at the end: file i is noise_starts[i]:noise_starts[i + 1]."""
    front_end: FrontEndConfig
    fingerprint: str
    """Of the data set."""
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]

    def indices(self, split: str) -> npt.NDArray[np.int64]:
        """Positions of the clips of a split."""
        return np.flatnonzero(self.splits == split)

    def inputs(self, which: str | npt.NDArray[np.int64]) -> Encoded:
        """What the network sees, [k, 1, frames, bands]: of a split, or of the clips at the positions given."""
        positions = self.indices(which) if isinstance(which, str) else which
        return FrontEnd(self.front_end).encode(self.energies[positions])

    def subset(self, split: str) -> tuple[Encoded, npt.NDArray[np.int64], list[str]]:
        """Encoded inputs, labels and paths of a split."""
        positions = self.indices(split)
        return self.inputs(positions), self.labels[positions], [self.clips[i].path for i in positions]


def read_clip_pcm(dataset: DataSet, clip: Clip) -> Pcm:
    """The int16[16000] of a clip. Raises pqk.data.audio.UnreadableError."""
    return _read(dataset, clip)[0]


def extract(
    dataset: DataSet, config: FrontEndConfig, out_dir: Path, progress: Callable[[int, int], None] = lambda *_: None
) -> Features:
    """Compute the energies of every clip into `out_dir`, which appears whole or not at all.

    `progress` is called with clips done and clips in all. Clips that cannot be decoded are listed in `skipped`,
    conversions are told in `notes`. Raises DataError when a class is left without clips to train with, ProjectError
    when the front end is impossible.
    """
    front_end = FrontEnd(config)
    with atomic_directory(out_dir) as folder:
        outcomes = _write_energies(dataset, front_end, folder / "energies.npy", progress)
        pairs = list(zip(dataset.clips, outcomes, strict=True))
        clips = [clip for clip, outcome in pairs if not isinstance(outcome, Skipped)]
        coverage = check_coverage(dataset.root, dataset.classes, clips)
        starts, unread = _write_noise(dataset, front_end, folder / "noise.npy")
        skipped = [*dataset.skipped, *(outcome for outcome in outcomes if isinstance(outcome, Skipped)), *unread]
        index = {
            "schema": SCHEMA,
            "classes": dataset.classes,
            "front_end": dataclasses.asdict(config),
            "fingerprint": dataset.fingerprint,
            "clips": [[clip.path, clip.label, clip.split, clip.start, clip.gain] for clip in clips],
            "noise_starts": starts,
            "skipped": [[skip.path, skip.reason] for skip in dict.fromkeys(skipped)],
            "notes": list(dict.fromkeys([*dataset.notes, *coverage, *_conversions(dataset, pairs)])),
        }
        (folder / "index.json").write_text(json.dumps(index))
    return load(out_dir)


def load(out_dir: Path) -> Features:
    """What `extract` wrote; the energies are mapped, not read. Raises DataError when it is missing or damaged."""
    try:
        index = json.loads((out_dir / "index.json").read_text())
        if index["schema"] != SCHEMA:
            raise ValueError(f"schema {index['schema']}, this version knows {SCHEMA}")
        clips = tuple(Clip(*row) for row in index["clips"])
        energies = np.load(out_dir / "energies.npy", mmap_mode="r", allow_pickle=False)
        noise = np.load(out_dir / "noise.npy", allow_pickle=False)
        front_end = FrontEndConfig(**index["front_end"])
        shape = (len(clips), FrontEnd(front_end).frames, front_end.bands)
        if energies.shape != shape or noise.shape != (index["noise_starts"][-1], front_end.bands):
            raise ValueError(f"energies {energies.shape} and noise {noise.shape} do not fit the index, {shape}")
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError) as error:
        hint = f"delete {out_dir}, then: pqk-mcu build"
        raise DataError(f"the features in {out_dir} are damaged: {error}", hint) from error
    return Features(
        classes=tuple(index["classes"]),
        clips=clips,
        energies=energies,
        labels=np.array([clip.label for clip in clips], np.int64),
        splits=np.array([clip.split for clip in clips]),
        noise=noise,
        noise_starts=np.array(index["noise_starts"], np.int64),
        front_end=front_end,
        fingerprint=index["fingerprint"],
        skipped=tuple(Skipped(*row) for row in index["skipped"]),
        notes=tuple(index["notes"]),
    )


def _read(dataset: DataSet, clip: Clip) -> tuple[Pcm, audio.Origin]:
    if clip.path == SYNTHETIC_NOISE:
        white = np.random.default_rng(clip.start).standard_normal(SAMPLES)
        return np.rint(white * FAINT * clip.gain).astype(np.int16), audio.Origin(RATE, 1, 1.0)
    if dataset.classes[clip.label] != SILENCE:
        return audio.read(dataset.root / clip.path)
    pcm, origin = audio.read(dataset.root / clip.path, start=clip.start)
    return np.rint(pcm * clip.gain).astype(np.int16), origin


def _write_energies(
    dataset: DataSet, front_end: FrontEnd, path: Path, progress: Callable[[int, int], None]
) -> list[audio.Origin | Skipped]:
    """Write the energies of all clips that can be read; say for every clip what it was, or why it was skipped."""
    total = len(dataset.clips)
    shape = (total, front_end.frames, front_end.bands)
    energies = np.lib.format.open_memmap(path, "w+", np.float32, shape)

    def work(first: int) -> list[audio.Origin | Skipped]:
        pcm, outcomes = _read_batch(dataset, dataset.clips[first : first + BATCH])
        energies[first : first + BATCH] = front_end.energies(pcm)
        return outcomes

    outcomes: list[audio.Origin | Skipped] = []
    executor = ThreadPoolExecutor(THREADS)  # decoding, FFT and products release the interpreter lock
    try:
        for batch in executor.map(work, range(0, total, BATCH)):
            outcomes += batch
            progress(len(outcomes), total)
    finally:
        executor.shutdown(cancel_futures=True)  # else Ctrl-C would wait for everything still queued
    usable = np.array([not isinstance(outcome, Skipped) for outcome in outcomes])
    if not usable.all():
        np.save(path, energies[usable])
    return outcomes


def _read_batch(dataset: DataSet, clips: Sequence[Clip]) -> tuple[Pcm, list[audio.Origin | Skipped]]:
    """int16[n, 16000], zeros where a clip cannot be read, and what became of each."""
    pcm = np.zeros((len(clips), SAMPLES), np.int16)
    outcomes: list[audio.Origin | Skipped] = []
    for row, clip in zip(pcm, clips, strict=True):
        try:
            row[:], origin = _read(dataset, clip)
            outcomes.append(origin)
        except audio.UnreadableError as error:
            outcomes.append(Skipped(clip.path, str(error)))
    return pcm, outcomes


def _write_noise(dataset: DataSet, front_end: FrontEnd, path: Path) -> tuple[list[int], list[Skipped]]:
    """Write the energies of the training part of every noise file; return where each begins, and the end."""
    parts = [np.zeros((0, front_end.bands), np.float32)]
    skipped = []
    for noise in dataset.noises:
        try:
            _, samples = noise_part(audio.length(dataset.root / noise), "training")
            pcm, _ = audio.read(dataset.root / noise, start=0, samples=samples)
            parts.append(front_end.energies(pcm[np.newaxis])[0])
        except audio.UnreadableError as error:
            skipped.append(Skipped(noise, str(error)))
    np.save(path, np.concatenate(parts))
    return np.cumsum([len(part) for part in parts]).tolist(), skipped


def _conversions(dataset: DataSet, pairs: Sequence[tuple[Clip, audio.Origin | Skipped]]) -> list[str]:
    """What was done to recordings that were not one second of mono sound at 16 kHz, each said once."""
    read = [(clip, origin) for clip, origin in pairs if not isinstance(origin, Skipped)]
    words = [(clip, origin) for clip, origin in read if dataset.classes[clip.label] != SILENCE]
    kinds = {
        f"resampled to {RATE} Hz": [clip.path for clip, origin in read if origin.rate != RATE],
        "mixed down to mono": [clip.path for clip, origin in read if origin.channels > 1],
        "longer than a second: their middle is used": [clip.path for clip, origin in words if origin.seconds > 1],
    }
    distinct = {kind: sorted(set(paths)) for kind, paths in kinds.items()}
    return [f"recordings {kind}: {len(paths)}, such as {paths[0]!r}" for kind, paths in distinct.items() if paths]
