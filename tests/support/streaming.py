"""A device for streams that computes with the reference, and a project that was built, without compiler or emulator."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pqk_codegen import decision, interpreter, spotter, store
from pqk_codegen.decision import Settings
from pqk_codegen.ir import Network

from pqk import pipeline, project
from pqk.device import StreamReply
from pqk.frontend import RATE, FrontEnd
from pqk.project import FrontEndConfig, Project
from pqk.stream.hardware import Hardware
from pqk.stream.settings import keywords_of, settings_of
from support import recordings
from support.networks import Builder

WORDS = ("yes", "no")
CLASSES = (*WORDS, "_unknown_", "_silence_")
FRAME_TICKS, INFERENCE_TICKS = 30, 5000
FRONT_END = FrontEndConfig(hop_ms=20, bands=20)
TOML = """\
[project]
words = ["yes", "no"]
[data]
source = "recordings"
[front_end]
hop_ms = 20
bands = 20
[stream]
hop_ms = 100
smoothing_ms = 200
threshold = 0.4
refractory_ms = 500
"""


def network(rng: np.random.Generator) -> Network:
    """A small network whose posteriors are neither all 0 nor all 1."""
    front_end = FrontEnd(FRONT_END)
    builder = Builder(rng, (1, front_end.frames, front_end.bands))
    builder.conv(2, pool=(4, 4))
    made = builder.finish(CLASSES)
    noise = rng.integers(0, 60, (64, 1, front_end.frames, front_end.bands))
    spread = np.ptp(interpreter.logits(made, noise), axis=1).mean()
    logits = dataclasses.replace(made.tensors[made.output], scale=3 / max(1.0, float(spread)))
    tensors = {**made.tensors, made.output: logits}
    return dataclasses.replace(made, tensors=tensors, front_end=dataclasses.asdict(FRONT_END))


class ReferenceDevice:
    """The streaming verbs, carried out with the reference. `pushed` has the length of every push."""

    def __init__(self, made: Network, deaf_to: int = -1) -> None:
        """`deaf_to` is the number of a detection that this device loses."""
        self.network, self.front_end, self.deaf_to = made, FrontEnd(FRONT_END), deaf_to
        self.scale = decision.scale_of(made.tensors[made.output].scale)
        self.in_force = Settings((decision.ONE // 2,) * len(CLASSES), 1, 5, 8000)
        self.pushed: list[int] = []
        self.set: list[Settings] = []
        self.stream_begin()

    def settings(self) -> Settings:
        return self.in_force

    def set_settings(self, settings: Settings) -> Settings:
        assert len(settings.thresholds) == len(CLASSES)
        self.set.append(settings)
        self.in_force = settings
        return settings

    def stream_begin(self) -> None:
        self.pcm = np.zeros(0, np.int16)
        self.logits = np.zeros((0, len(CLASSES)), np.int64)
        self.told = 0

    def stream_push(self, samples: np.ndarray) -> StreamReply:
        assert samples.dtype == np.int16
        self.pushed.append(len(samples))
        self.pcm = np.concatenate([self.pcm, samples])
        stride, done = self.in_force.stride, len(self.logits)
        due = spotter.inferences_in(self.front_end, len(self.pcm), stride)
        read = spotter.reader(self.pcm)
        fresh = spotter.infer(self.network, self.front_end, read, stride=stride, first=done, count=due - done)
        self.logits = np.concatenate([self.logits, fresh.logits])
        stamps = spotter.time_stamps(self.front_end, stride, 0, due)
        heard = spotter.decide(spotter.Inferences(self.logits, stamps), self.scale, keywords_of(CLASSES), self.in_force)
        new = [item for number, item in enumerate(heard) if number >= self.told and number != self.deaf_to]
        self.told = len(heard)
        frames = spotter.whole_frames(self.front_end, len(self.pcm))
        peak = int(np.abs(samples.astype(int)).max(initial=0))
        ticks = frames * FRAME_TICKS, due * INFERENCE_TICKS % 2**32
        return StreamReply(len(self.pcm), frames, due, *ticks, peak, tuple(new))


def built_project(root: Path, made: Network) -> Project:
    """A project with recordings and a build for mps2-an386 in which nothing but network and record is real."""
    root.mkdir()
    (root / project.FILE_NAME).write_text(TOML)
    recordings.write(root / "recordings", [*WORDS, "up"], speakers=40)
    directory = root / "build" / "mps2-an386"
    store.save(made, directory / "network")
    record = {"schema": pipeline.SCHEMA, "id": "cafe", "stream": {"reuse": False, "temperature": 1.0}}
    (directory / "build.json").write_text(json.dumps(record))
    return project.load(root)


@contextmanager
def connecting(device: ReferenceDevice) -> Iterator[ReferenceDevice]:
    """As `pqk.runners.connect`."""
    yield device


@dataclass(frozen=True)
class ReferenceHardware(Hardware):
    """Hardware that computes with the reference."""

    device: ReferenceDevice

    def connect(self) -> AbstractContextManager[ReferenceDevice]:  # type: ignore[override]
        """The device."""
        return connecting(self.device)


def settings(opened: Project) -> Settings:
    """What the project's `[stream]` asks for."""
    return settings_of(opened.stream, CLASSES, hop=FrontEnd(FRONT_END).hop, rate=RATE)
