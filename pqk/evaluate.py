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
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pqk.device import Device, Inference
from pqk.errors import DataError, LinkError
from pqk.files import atomic_write_text
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
) -> Evaluation:
    """Send every clip that is not in the journal yet through the device.

    Args:
        connect: makes the device; called once.
        clips: at least one.
        unit: of the device's timer.
        journal: where clips that are done are kept; made if missing, begun anew when it is of another build or split.
        report: called with the number of clips done and of all.

    Raises:
        DataError: there are no clips.
        LinkError: the device fell silent, faulted or refused; the message says how many clips are kept.
    """
    if not len(clips.names):
        raise DataError(f"the {clips.split} split has no clips", "choose another --split")
    keys = [(name, _digest(features)) for name, features in zip(clips.names, clips.inputs, strict=True)]
    with connect() as device:
        header = {"build_id": device.facts.build_id, "split": clips.split, "sent": clips.sent}
        done = _read(journal, header)
        resumed = sum(key in done for key in keys)
        try:
            with _appending(journal, header, done) as append:
                for index, key in enumerate(keys):
                    if key not in done:
                        done[key] = _infer(device, clips, index)
                        append(key, done[key])
                    report(index + 1, len(keys))
            if resumed == len(keys):
                _infer(device, clips, 0)  # a device that has not run yet cannot tell how deep its stack gets
            stats = device.stats()
        except LinkError as error:
            kept = sum(key in done for key in keys)
            raise LinkError(
                f"{error.message}; {kept} of {len(keys)} clips are done and kept in {journal}",
                f"{error.hint}; then pqk-mcu eval again: it goes on from there",
            ) from error
    inferences = tuple(done[key] for key in keys)
    return Evaluation(clips, unit, inferences, device.facts, stats, resumed, device.resets)


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
