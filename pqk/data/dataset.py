"""A folder of recordings as a list of labelled clips in splits. Nothing is decoded here.

Layout: one folder per word, as in Speech Commands (Warden 2018, arXiv 1804.03209), with or without
`validation_list.txt`, `testing_list.txt` and `_background_noise_`. Folders beginning with `_` or `.` are no words.
"""

import difflib
import hashlib
import json
import math
import os
import posixpath
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pqk.data import audio
from pqk.errors import DataError
from pqk.files import atomic_write_text, digest
from pqk.frontend import SAMPLES
from pqk.project import SILENCE, UNKNOWN, DataConfig

SPLITS = ("training", "validation", "testing")
UNSEEN = "unseen"
"""`Clip.split` of the words in `data.unseen`, a fourth split when there are any; all of them are `_unknown_`."""
NOISE_FOLDER = "_background_noise_"
SYNTHETIC_NOISE = ""
"""`Clip.path` of silence that comes from no file: faint white noise, `Clip.start` being its seed."""
FEWEST_UNSEEN = 100
"""From so many clips on, the unseen split is of speakers in validation and testing only."""
_LISTS = {"validation": "validation_list.txt", "testing": "testing_list.txt"}
_NOISE_PARTS = {"training": (0, 8), "validation": (8, 9), "testing": (9, 10)}
"""Tenths of every noise file's time: no moment of noise is in two splits."""


@dataclass(frozen=True)
class Clip:
    """One second to classify."""

    path: str
    """With /, relative to the data set's root."""
    label: int
    """Index into the classes."""
    split: str
    start: int = 0
    """First sample at 16 kHz, for silence: where in the noise file."""
    gain: float = 1.0
    """Amplitude factor, for silence."""


@dataclass(frozen=True)
class Skipped:
    """A file that cannot be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class DataSet:
    """All clips of a project. `fingerprint` changes with any byte of a used file, any split, label or cut."""

    root: Path
    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    noises: tuple[str, ...]
    fingerprint: str
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]


def scan(root: Path, words: Sequence[str], *, config: DataConfig, cache: Path) -> DataSet:
    """List the clips below `root`; the same folder always gives the same list.

    `cache` is a folder for content digests, so that a second scan reads no recording again.
    Raises DataError: no folder, a word (or `_unknown_`) without clips, an empty split, no other word than the unseen.
    """
    classes = (*words, *([UNKNOWN] if config.unknown else []), *([SILENCE] if config.silence else []))
    folders = _Folders(root)
    split_of = _splitter(root, config)
    notes: list[str] = []
    clips = [Clip(path, label, split_of(path)) for label, word in enumerate(words) for path in folders.recordings(word)]
    if config.unknown:
        others = [Clip(path, len(words), split_of(path)) for path in folders.others([*words, *config.unseen])]
        if config.unseen and not others:
            raise DataError(f"{root}: data.unseen leaves no unknown word to train with", _UNSEEN_HINT)
        clips += _capped(clips, others, len(words), config.unknown_ratio)
        clips += _unseen(folders, split_of, len(words), config, notes)
    lengths = folders.noises()
    digests = _digests(root, [*(clip.path for clip in clips), *lengths], cache, folders.skipped)
    clips = [clip for clip in clips if clip.path in digests]
    lengths = {path: samples for path, samples in lengths.items() if path in digests}
    notes += _split_notes(root, clips)
    if config.silence:
        clips += _silence(clips, len(words), len(classes) - 1, lengths, notes)
    notes += check_coverage(root, classes, clips)
    return DataSet(
        root=root,
        classes=classes,
        clips=tuple(clips),
        noises=tuple(lengths),
        fingerprint=_fingerprint(classes, clips, digests),
        skipped=tuple(folders.skipped),
        notes=tuple(notes),
    )


def noise_part(samples: int, split: str) -> tuple[int, int]:
    """First sample and end of a split's part of a noise file that is `samples` long."""
    first, end = _NOISE_PARTS[split]
    return samples * first // 10, samples * end // 10


def check_coverage(root: Path, classes: Sequence[str], clips: Iterable[Clip]) -> list[str]:
    """Notes on classes that validation or testing lacks.

    Raises DataError when a split holds no word at all, or training lacks a class.
    """
    counts = Counter((clip.split, classes[clip.label]) for clip in clips)
    words = [name for name in classes if name not in (UNKNOWN, SILENCE)]
    notes = []
    for split in SPLITS:
        lacking = [name for name in classes if not counts[split, name]]
        if all(word in lacking for word in words):
            raise DataError(f"{root}: no clip of any word is in the {split} split", _SPLIT_HINT)
        if lacking and split == "training":
            hint = _UNKNOWN_HINT if lacking[0] == UNKNOWN else _SPLIT_HINT
            raise DataError(f"{root}: no clip of {_listed(lacking)} to train with", hint)
        if lacking:
            notes.append(f"the {split} split has no clip of {_listed(lacking)}")
    return notes


_SPLIT_HINT = (
    "add recordings, raise validation_percent or testing_percent under [data] in pqk.toml,"
    " or write a validation_list.txt and a testing_list.txt"
)
_UNKNOWN_HINT = "add folders of other words, or write unknown = false under [data] in pqk.toml"


_UNSEEN_HINT = "take a word out of unseen under [data] in pqk.toml, or add folders of other words"


class _Folders:
    """The folders below `root`, and what in them cannot be used."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.skipped: list[Skipped] = []
        if not root.is_dir():
            raise DataError(f"no folder of recordings at {root}", "name one with --data, or as source in pqk.toml")
        names = sorted(entry.name for entry in _entries(root) if entry.is_dir() and not entry.name.startswith("."))
        # Composed and decomposed accents are the same word: macOS writes one, editors the other.
        self._names = {unicodedata.normalize("NFC", name): name for name in names if self._decodable(name)}

    def others(self, words: Sequence[str]) -> list[str]:
        """Sorted paths, relative to the root, of everything that is none of `words`."""
        taken = {unicodedata.normalize("NFC", word) for word in words}
        folders = [folder for name, folder in self._names.items() if name not in taken and name[0] != "_"]
        return [path for folder in folders for path in self._usable(folder)]

    def recordings(self, word: str) -> list[str]:
        """Sorted paths, relative to the root. Raises DataError when there is no such folder or nothing in it."""
        folder = self._names.get(unicodedata.normalize("NFC", word))
        if folder is None:
            raise DataError(f"{self.root} has no folder {word!r}", self._nearest(word))
        paths = self._usable(folder)
        if not paths:
            raise DataError(f"{self.root / folder} holds no WAV or FLAC file", f"add recordings of {word!r}")
        return paths

    def noises(self) -> dict[str, int]:
        """Noise files and their lengths in samples at 16 kHz."""
        lengths = {}
        for path in self._usable(NOISE_FOLDER) if NOISE_FOLDER in self._names else []:
            try:
                lengths[path] = audio.length(self.root / path)
            except audio.UnreadableError as error:
                self.skipped.append(Skipped(path, str(error)))
        return lengths

    def _usable(self, folder: str) -> list[str]:
        paths = []
        for entry in sorted(_entries(self.root / folder), key=lambda entry: entry.name):
            path = f"{folder}/{entry.name}"
            if not self._decodable(path):
                continue
            reason = _unusable(entry)
            if reason:
                self.skipped.append(Skipped(path, reason))
            else:
                paths.append(path)
        return paths

    def _decodable(self, path: str) -> bool:
        """Names that are not UTF-8 cannot be written into JSON or shown."""
        try:
            path.encode()
        except UnicodeEncodeError:
            shown = path.encode(errors="backslashreplace").decode()
            self.skipped.append(Skipped(shown, "has a name that is not UTF-8"))
            return False
        return True

    def _nearest(self, word: str) -> str:
        near = difflib.get_close_matches(word, self._names, n=3)
        if near:
            return f"did you mean {' or '.join(map(repr, near))}?"
        names = [name for name in self._names if not name.startswith("_")]
        return f"folders there: {_listed(names)}" if names else "there is no folder of recordings in it"


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DataError(f"cannot read the folder {folder}: {error.strerror}", "check its permissions") from error


def _unusable(entry: "os.DirEntry[str]") -> str | None:
    """Why a file is no recording, or None. By its name only: whether it can be decoded shows later."""
    if entry.name.startswith("."):
        return "is a hidden file"
    if not entry.is_file():
        return "is not a file"
    if not entry.name.lower().endswith(audio.SUFFIXES):
        return "is neither WAV nor FLAC"
    return None


def _listed(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(map(repr, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _splitter(root: Path, config: DataConfig) -> Callable[[str], str]:
    """The rule that gives a path its split: the lists where they are there, else a hash."""
    lists = {split: _read_list(root / name) for split, name in _LISTS.items()}
    validation, testing = lists["validation"], lists["testing"]

    def split_of(path: str) -> str:
        key = _key(path)
        if testing and key in testing:
            return "testing"
        if validation and key in validation:
            return "validation"
        if validation is not None and testing is not None:
            return "training"
        percent = _percent(path)
        if percent < config.validation_percent:
            return "validation" if validation is None else "training"
        if percent < config.validation_percent + config.testing_percent:
            return "testing" if testing is None else "training"
        return "training"

    return split_of


def _read_list(path: Path) -> set[str] | None:
    """Keys of the paths listed, None without such a file."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}", "one path a line, such as yes/0a7c2a8d_nohash_0.wav") from error
    return {_key(line.strip().replace("\\", "/")) for line in lines if line.strip()}


def _key(path: str) -> str:
    """A path without suffix: a list stays valid when its WAV files become FLAC."""
    return unicodedata.normalize("NFC", posixpath.splitext(posixpath.normpath(path))[0])


def _speaker(path: str) -> str | None:
    """`word/speaker_nohash_0.wav` gives the speaker."""
    match = re.match(r"(.+?)_nohash_", posixpath.basename(path))
    return match[1] if match else None


def _percent(path: str) -> float:
    """0..100 from the speaker, else from word and file name.

    For speakers the formula of Speech Commands, so that a folder without lists gets the official partition:
    README.md of the data set (Warden 2018), `which_set`.
    """
    name = _speaker(path) or _key(path)
    largest = 2**27 - 1
    return int(hashlib.sha1(name.encode()).hexdigest(), 16) % (largest + 1) * 100 / largest


def _split_notes(root: Path, clips: Sequence[Clip]) -> list[str]:
    missing = [name for name in _LISTS.values() if not (root / name).exists()]
    if not missing:
        return []
    anonymous = sum(_speaker(clip.path) is None for clip in clips)
    rule = "by speaker" if not anonymous else "by file name" if anonymous == len(clips) else "by speaker or file name"
    unsure = f" ({anonymous} file names carry no speaker: one voice may be in two splits)" if anonymous else ""
    return [f"no {' and no '.join(missing)}: clips are split {rule}{unsure}"]


def _capped(clips: Sequence[Clip], others: Sequence[Clip], words: int, ratio: float) -> list[Clip]:
    """Of `others`, in each split at most `ratio` times the clips of an average word; which, their hash says."""
    kept = []
    for split in SPLITS:
        most = round(ratio * sum(clip.split == split for clip in clips) / words)
        chosen = sorted((clip for clip in others if clip.split == split), key=lambda clip: digest([clip.path]))
        kept += sorted(chosen[:most], key=lambda clip: clip.path)
    return kept


def _unseen(
    folders: _Folders, split_of: Callable[[str], str], label: int, config: DataConfig, notes: list[str]
) -> list[Clip]:
    """The clips of the words left out, of speakers that training does not hear either, where they are enough."""
    if not config.unseen:
        return []
    paths = [path for word in config.unseen for path in folders.recordings(word)]
    held = [path for path in paths if split_of(path) != "training"]
    enough = len(held) >= FEWEST_UNSEEN
    chosen = held if enough else paths
    speakers = "of held-out speakers" if enough else f"of all speakers: only {len(held)} are of held-out ones"
    notes.append(f"words left out of training: {_listed(config.unseen)}; {len(chosen)} clips, {speakers}")
    return [Clip(path, label, UNSEEN) for path in chosen]


def _silence(clips: Sequence[Clip], words: int, label: int, lengths: dict[str, int], notes: list[str]) -> list[Clip]:
    """In each split as many cuts from the noise as an average word has clips."""
    silence = []
    synthetic = []
    for split in SPLITS:
        count = math.ceil(sum(clip.split == split and clip.label < words for clip in clips) / words)
        parts = [(path, *noise_part(samples, split)) for path, samples in lengths.items()]
        parts = [(path, first, end) for path, first, end in parts if end - first >= SAMPLES]
        generator = random.Random(f"silence {split}")
        for _ in range(count):
            path, first, end = parts[int(generator.random() * len(parts))] if parts else (SYNTHETIC_NOISE, 0, 2**32)
            start = first + int(generator.random() * (end - first - SAMPLES + 1))
            silence.append(Clip(path, label, split, start, generator.random()))
        if not parts:
            synthetic.append(split)
    if synthetic:
        notes.append(
            f"no noise of a second or more in {NOISE_FOLDER} for {', '.join(synthetic)}:"
            f" {SILENCE} is faint white noise there"
        )
    return silence


def _digests(root: Path, paths: Iterable[str], cache: Path, skipped: list[Skipped]) -> dict[str, str]:
    """Content digest of every path that can be read; the others are added to `skipped`.

    A file whose size and time of change are those of the last scan is not read again.
    """
    store = cache / f"digests-{digest([str(root.resolve())])}.json"
    known = _load_digests(store)
    fresh = {}
    digests = {}
    for path in paths:
        try:
            status = (root / path).stat()
            entry = known.get(path)
            if entry is None or entry[:2] != [status.st_size, status.st_mtime_ns]:
                fresh[path] = entry = [status.st_size, status.st_mtime_ns, _content(root / path)]
            digests[path] = entry[2]
        except OSError as error:
            skipped.append(Skipped(path, f"cannot be opened: {error.strerror}"))
    if fresh:
        atomic_write_text(store, json.dumps(known | fresh))
    return digests


def _load_digests(store: Path) -> dict[str, list[Any]]:
    """A store that is missing or damaged only costs time."""
    try:
        known = json.loads(store.read_text())
        return {path: [size, time, content] for path, (size, time, content) in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _fingerprint(classes: Sequence[str], clips: Sequence[Clip], digests: dict[str, str]) -> str:
    rows = [[clip.path, clip.label, clip.split, clip.start, clip.gain] for clip in clips]
    return digest([json.dumps([list(classes), rows, sorted(digests.items())])])
