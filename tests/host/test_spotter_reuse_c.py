"""A spotter that computes only what is new in a window hears exactly what one hears that computes all of it."""

from pathlib import Path

import numpy as np
import pytest
from pqk_codegen.decision import Settings
from pqk_codegen.generate_spotter import generate_spotter
from pqk_codegen.ir import Network
from pqk_codegen.streaming import with_interior_mean
from support import networks, seeds, spotting
from support.spotting import COUNTERS, INIT, POLL, WINDOW, Model, StandIn, cut, detected, push, say, set_settings

STREAM = 200
"""Frames in which most networks detect something."""
THRESHOLDS = (6000, 9000, 12000, 6000, 3000, 6000)


def settings(stride: int, smoothing: int = 2) -> Settings:
    return Settings(THRESHOLDS, smoothing, stride, 0)


class Spotter:
    """Built for windows `hop` frames apart, behind a stand-in for the front end."""

    def __init__(self, frames: int, hop: int, default: Settings, rng: np.random.Generator, folder: Path) -> None:
        """With a network that detects something in a stream."""
        self.front_end, self.default = StandIn(17, 10, frames, 6, True), default
        self.network = seeds.until(
            lambda: self._drawn(rng), lambda network: self.heard(self.audio(rng, STREAM), network).detections
        )
        files = generate_spotter(spotting.spec(default), self.network) | self.front_end.files()
        self.program = spotting.build(self.network, files, folder, hop)

    def _drawn(self, rng: np.random.Generator) -> Network:
        frames = self.front_end.frames
        builder = networks.Builder(rng, (1, frames, 6))
        before = builder.conv(3, pool=(2, 1))
        builder.conv(3)
        builder.add(before)
        network = with_interior_mean(builder.finish(spotting.CLASSES))
        inputs = np.concatenate(
            [
                np.array(self.front_end.energies(self.audio(rng, 3 * frames)[None])[:, start:][:, :frames])
                for start in range(2 * frames)
            ]
        )
        return spotting.calibrated(rng, network, inputs[:, np.newaxis])

    def audio(self, rng: np.random.Generator, frames: int) -> np.ndarray:
        """int16 [samples]: noise whose level changes."""
        level = np.repeat(rng.integers(1, 2**14, frames // 4 + 1), 4 * self.front_end.hop)[
            : frames * self.front_end.hop
        ]
        return (rng.uniform(-1, 1, len(level)) * level).astype(np.int16)

    def heard(self, samples: np.ndarray, network: Network | None = None) -> Model:
        """After a stream."""
        return Model(network or self.network, self.front_end, self.default).push(samples)


@pytest.mark.parametrize(
    ("frames", "hop", "stride"), [(23, 3, 3), (20, 1, 2), (24, 4, 4), (21, 5, 10), (22, 3, 9), (30, 7, 7)]
)
def test_a_stream_equals_the_model(frames: int, hop: int, stride: int, tmp_path: Path) -> None:
    """The model computes every window as a whole."""
    rng = seeds.fresh("reuse")
    spotter = Spotter(frames, hop, settings(stride), rng, tmp_path)
    samples = seeds.until(lambda: spotter.audio(rng, STREAM), lambda samples: spotter.heard(samples).detections)
    model = spotter.heard(samples)
    lines = say(spotter.program, INIT, *(push(piece) + POLL for piece in cut(rng, samples, 40)), COUNTERS)
    assert detected(lines) == model.detections
    assert lines[-1][1:4] == [str(len(samples)), str(len(model.rows)), str(model.inferences)]


def test_a_new_stream_a_look_at_the_window_and_other_settings(tmp_path: Path) -> None:
    rng = seeds.fresh("reuse")
    spotter = Spotter(23, 3, settings(3), rng, tmp_path)
    first, changed = spotter.audio(rng, 77), settings(6, 1)

    def heard(before: np.ndarray, after: np.ndarray) -> Model:
        """Settings change between the two parts of a stream."""
        model = spotter.heard(before)
        model.set(changed)
        return model.push(after)

    before, after = seeds.until(
        lambda: (spotter.audio(rng, 67), spotter.audio(rng, 83)), lambda parts: heard(*parts).detections
    )
    commands = [INIT, *(push(piece) + POLL for piece in cut(rng, first, 40)), INIT]
    commands += [push(piece) + POLL + WINDOW for piece in np.array_split(before, 20)]
    commands += [set_settings(changed)]
    commands += [push(piece) + POLL + WINDOW for piece in np.array_split(after, 25)]
    expected = spotter.heard(first).detections + heard(before, after).detections
    assert detected(say(spotter.program, *commands)) == expected


def test_strides_are_multiples_of_the_hop(tmp_path: Path) -> None:
    """Another one is refused, and the settings before stay in force."""
    rng = seeds.fresh("reuse")
    spotter = Spotter(23, 3, settings(3), rng, tmp_path)
    samples = spotter.audio(rng, 150)
    model = spotter.heard(samples)
    pieces = [push(piece) + POLL for piece in cut(rng, samples, 40)]
    lines = say(spotter.program, INIT, set_settings(settings(4)), *pieces)
    assert lines[0] == ["set", "0"]
    assert detected(lines) == model.detections
