"""Every clip through the device, compared with the integer reference; kept clip by clip, so nothing is measured twice.

What is sent is audio, or features that the host has computed. The journal is a file of JSON lines: first {"build_id",
"split", "sent"}, then one line for each clip that is done. A run that is cut short leaves it, and the next run of the
same build, split and kind goes on from there.
"""

import hashlib
import json
import statistics
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pqk.device import RESETS_ALLOWED, Device, Inference
from pqk.errors import DataError, LinkError, LinkLost, ToolError
from pqk.files import atomic_write_text, exclusive
from pqk.protocol import Hello, Stats

SCHEMA = 1
Key = tuple[str, str]
"""A clip: its name, and a digest of what is sent."""


@dataclass(frozen=True, eq=False)
class Clips:
    """What is to be sent and what should come back."""

    split: str
    names: Sequence[str]
    inputs: NDArray[np.uint8] | NDArray[np.int8]
    """[n, ...], one byte for each feature: what is sent, or what the device should make of the audio."""
    labels: NDArray[np.int64]
    """[n], the true classes."""
    logits: NDArray[np.int32]
    """[n, k], what the integer reference computes."""
    audio: Callable[[int], NDArray[np.int16]] | None = None
    """Samples of a clip, which are sent; None where features are."""

    @property
    def sent(self) -> str:
        """What goes to the device: `audio` or `features`."""
        return "features" if self.audio is None else "audio"


@dataclass(frozen=True)
class Unit:
    """What a tick of the device's timer stands for."""

    name: str
    """For instance "emulated instructions"."""
    per_tick: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Of n clips. `inferences[i]` belongs to clip i."""

    clips: Clips
    unit: Unit
    inferences: tuple[Inference, ...]
    facts: Hello
    stats: Stats
    resumed: int
    """Clips that an earlier run had done."""
    resets: int
    """Resets of the device that the run got over."""
    reconnections: int
    """How often the device was gone and was found again."""

    @property
    def different_logits(self) -> int:
        """Clips with at least one logit that is not the reference's."""
        return int((self._logits() != self.clips.logits).any(axis=1).sum())

    @property
    def different_features(self) -> int:
        """Clips of which the device computed at least one feature that is not the reference's."""
        pairs = zip(self.inferences, self.clips.inputs, strict=True)
        return sum(inference.input_crc != zlib.crc32(features.tobytes()) for inference, features in pairs)

    def record(self) -> dict[str, Any]:
        """As plain data, with costs in units instead of ticks."""
        layers = zip(*(inference.layer_ticks for inference in self.inferences), strict=True)
        return {
            "schema": SCHEMA,
            "build_id": self.facts.build_id,
            "split": self.clips.split,
            "sent": self.clips.sent,
            "clips": len(self.inferences),
            "names": list(self.clips.names),
            "labels": self.clips.labels.tolist(),
            "predictions": self._logits().argmax(axis=1).tolist(),
            "reference_predictions": self.clips.logits.argmax(axis=1).tolist(),
            "different_features": self.different_features,
            "different_logits": self.different_logits,
            "unit": self.unit.name,
            "per_inference": [self._units(inference.ticks) for inference in self.inferences],
            "front_end": [self._units(inference.front_end_ticks) for inference in self.inferences],
            "layers": [self._units(statistics.median(ticks)) for ticks in layers],
            "stack_high_water": self.stats.stack_high_water,
            "dropped_frames": self.stats.dropped_frames,
            "resets": self.resets,
            "reconnections": self.reconnections,
            "device": asdict(self.facts),
        }

    def save(self, path: Path) -> None:
        """Write the record as JSON."""
        atomic_write_text(path, json.dumps(self.record(), indent=1, ensure_ascii=False) + "\n")

    def _logits(self) -> NDArray[np.int32]:
        return np.array([inference.logits for inference in self.inferences], np.int32)

    def _units(self, ticks: float) -> int:
        return round(ticks * self.unit.per_tick)


def evaluate(
    connect: Callable[[], AbstractContextManager[Device]],
    clips: Clips,
    unit: Unit,
    journal: Path,
    report: Callable[[int, int], None],
    revive: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Send every clip that is not in the journal yet through the device.

    A device that falls silent or a line that breaks is connected to once more, as often as clips were done in between.

    Args:
        connect: makes the device.
        clips: at least one.
        unit: of the device's timer.
        journal: where clips that are done are kept; made if missing, begun anew when it is of another build or split.
        report: called with the number of clips done and of all.
        revive: called before the device is connected to again, to reset it where that can be done.

    Raises:
        DataError: there are no clips.
        BusyError: another evaluation is writing the journal.
        LinkError: the device is gone for good, faulted or refused; the message says how many clips are kept.
    """
    if not len(clips.names):
        raise DataError(f"the {clips.split} split has no clips", "choose another --split")
    with exclusive(journal):
        return _Run(clips, unit, journal, report).in_spite_of_losses(connect, revive)


class _Run:
    """An evaluation over as many connections as it takes."""

    def __init__(self, clips: Clips, unit: Unit, journal: Path, report: Callable[[int, int], None]) -> None:
        self._clips, self._unit, self._journal, self._report = clips, unit, journal, report
        self._keys = [(name, _digest(sent)) for name, sent in zip(clips.names, clips.inputs, strict=True)]
        self._done: dict[Key, Inference] = {}
        self._connections = 0
        self._resumed = 0
        self._resets = 0
        self._loss: LinkLost | None = None

    def in_spite_of_losses(
        self, connect: Callable[[], AbstractContextManager[Device]], revive: Callable[[], None]
    ) -> Evaluation:
        """What was evaluated; every connection must bring it on. Raises LinkError, see `evaluate`."""
        while True:
            before = self._kept()
            try:
                if self._connections:
                    with suppress(ToolError):  # without that program, or while the board is unplugged, as well
                        revive()
                with connect() as device:
                    return self._on(device)
            except LinkError as error:
                if not self._connections:
                    raise
                if not isinstance(error, LinkLost) or self._kept() <= max(before, self._resumed):
                    raise self._told(error) from error
                self._loss = error

    def _on(self, device: Device) -> Evaluation:
        header = {"build_id": device.facts.build_id, "split": self._clips.split, "sent": self._clips.sent}
        self._done = _read(self._journal, header)
        self._connections += 1
        if self._connections == 1:
            self._resumed = self._kept()
        try:
            with _appending(self._journal, header, self._done) as append:
                for index, key in enumerate(self._keys):
                    if key not in self._done:
                        self._done[key] = _infer(device, self._clips, index)
                        append(key, self._done[key])
                    self._report(index + 1, len(self._keys))
            stats = self._stats(device)
        finally:
            self._resets += device.resets
        inferences = tuple(self._done[key] for key in self._keys)
        facts, again = device.facts, self._connections - 1
        return Evaluation(self._clips, self._unit, inferences, facts, stats, self._resumed, self._resets, again)

    def _stats(self, device: Device) -> Stats:
        """A device that has not run since its reset cannot tell how deep its stack gets."""
        for _ in range(1 + RESETS_ALLOWED):
            stats = device.stats()
            if stats.inferences:
                return stats
            _infer(device, self._clips, 0)
        raise device.unsteady()

    def _kept(self) -> int:
        return sum(key in self._done for key in self._keys)

    def _told(self, error: LinkError) -> LinkError:
        first = f"{self._loss.message}; then: " if self._loss else ""
        return LinkError(
            f"{first}{error.message}; {self._kept()} of {len(self._keys)} clips are done and kept in {self._journal}",
            f"{error.hint}; then pqk-mcu eval again: it goes on from there",
        )


def spread(count: int, limit: int | None) -> NDArray[np.int64]:
    """Indices of at most `limit` clips, evenly spread: clips lie sorted by class, so all classes get their share."""
    if limit is None or limit >= count:
        return np.arange(count)
    return np.arange(limit) * count // limit


def _infer(device: Device, clips: Clips, index: int) -> Inference:
    inference = device.infer_audio(clips.audio(index)) if clips.audio else device.infer(clips.inputs[index])
    outputs = clips.logits.shape[1]
    if len(inference.logits) != outputs:
        raise LinkError(f"the device answers with {len(inference.logits)} logits instead of {outputs}", "pqk-mcu flash")
    return inference


def _digest(features: NDArray[Any]) -> str:
    return hashlib.blake2b(features.tobytes(), digest_size=8).hexdigest()


def _read(journal: Path, header: dict[str, str]) -> dict[Key, Inference]:
    """What the journal holds; nothing where it is of another build or split. A line cut off by a crash ends it."""
    done: dict[Key, Inference] = {}
    if not journal.is_file():
        return done
    try:
        first, *lines = journal.read_text(encoding="utf-8").splitlines()
        if json.loads(first) != header:
            return done
        for line in lines:
            entry = json.loads(line)
            key = entry.pop("name"), entry.pop("input")
            done[key] = Inference(tuple(entry.pop("logits")), layer_ticks=tuple(entry.pop("layer_ticks")), **entry)
    except (ValueError, KeyError, TypeError, AttributeError):  # AttributeError: JSON, but no object
        return done
    return done


@contextmanager
def _appending(
    journal: Path, header: dict[str, str], done: dict[Key, Inference]
) -> Iterator[Callable[[Key, Inference], None]]:
    """Write what is done afresh, so that a damaged tail is gone, and yield a function that adds a clip."""
    lines = [json.dumps(header), *(_line(key, inference) for key, inference in done.items())]
    atomic_write_text(journal, "".join(f"{line}\n" for line in lines))
    with journal.open("a", encoding="utf-8") as file:

        def append(key: Key, inference: Inference) -> None:
            file.write(_line(key, inference) + "\n")
            file.flush()

        yield append


def _line(key: Key, inference: Inference) -> str:
    return json.dumps({"name": key[0], "input": key[1], **asdict(inference)})
