"""Spotters with random networks behind a stand-in front end: the C on the host, and what it should say in plain Python.

`Model` is written from the contract of pqk_spotter.h, sample by sample and inference by inference, for tests alone.
"""

import struct
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
from pqk_codegen import interpreter
from pqk_codegen.decision import MOST_SMOOTHING, Settings
from pqk_codegen.frontend import FrontEnd
from pqk_codegen.generate import generate
from pqk_codegen.generate_spotter import SpotterSpec
from pqk_codegen.ir import DTYPE_RANGES, Network
from pqk_codegen.ops import FullyConnected
from pqk_codegen.plan import plan
from pqk_codegen.reuse import Chunk
from pqk_codegen.streaming import chunked

from support import networks
from support.host import SANITIZED, STRICT

SOURCES = Path(__file__).parent / "spotter"
CLASSES = ("yes", "no", "up", "_unknown_", "down", "_silence_")
KEYWORDS = (True, True, True, False, True, False)


@dataclass(frozen=True)
class StandIn:
    """The front end of spotter/front_end/, with the interface that the reference spotter wants."""

    window: int
    hop: int
    frames: int
    features: int
    center: bool

    @property
    def clip_samples(self) -> int:
        """A clip of which `frames` frames are whole, with some samples to spare."""
        return (self.frames - 1) * self.hop + (self.hop // 2 if self.center else self.window + self.hop // 2)

    @property
    def before(self) -> int:
        """Samples before its centre, or its start, with which a frame begins."""
        return self.window // 2 if self.center else 0

    def frame(self, samples: np.ndarray) -> np.ndarray:
        """Features uint8 [features] of one window."""
        place = np.arange(self.features)[:, np.newaxis] + np.arange(self.window)
        sums = ((1 + place % 7) * samples.astype(np.int64)).sum(axis=1)
        return np.asarray((sums >> 4) & 0xFF, np.uint8)

    def energies(self, pcm: np.ndarray) -> np.ndarray:
        """uint8 [n, frames, features] of clips int16 [n, samples]."""
        count = 1 + (pcm.shape[1] - (0 if self.center else self.window)) // self.hop
        padded = np.pad(pcm, ((0, 0), (self.before, self.window)))
        return np.array(
            [[self.frame(clip[t * self.hop : t * self.hop + self.window]) for t in range(count)] for clip in padded]
        )

    def encode(self, energies: np.ndarray) -> np.ndarray:
        """The network's input [n, 1, frames, features]."""
        return energies[:, np.newaxis]

    def files(self) -> dict[str, str]:
        """What a generator of front ends would write."""
        sizes = {
            "PQK_WINDOW": self.window,
            "PQK_HOP": self.hop,
            "PQK_FRAMES": self.frames,
            "PQK_FRAME_FEATURES": self.features,
            "PQK_CENTER": int(self.center),
            "PQK_CLIP_SAMPLES": self.clip_samples,
        }
        defines = "".join(f"#define {name} {value}u\n" for name, value in sizes.items())
        files = {path.name: path.read_text() for path in (SOURCES / "front_end").iterdir()}
        return files | {"front_end.h": defines + files["front_end.h"]}


def random_front_end(rng: np.random.Generator) -> StandIn:
    """Sizes small enough that a thousand frames are nothing."""
    hop = int(rng.integers(2, 24))
    window = hop + int(rng.integers(0, 40))
    return StandIn(window, hop, int(rng.integers(4, 9)), int(rng.integers(3, 8)), bool(rng.integers(2)))


def random_network(
    rng: np.random.Generator,
    front_end: StandIn | FrontEnd,
    classes: Sequence[str] = CLASSES,
    inputs: np.ndarray | None = None,
) -> Network:
    """A network for `front_end` that finds each of the outputs likely now and then, among `inputs` at least."""
    if inputs is None:
        features = front_end.spec.features if isinstance(front_end, FrontEnd) else front_end.features
        inputs = rng.integers(0, 256, (200, 1, front_end.frames, features)).astype(np.uint8)
    dtype = str(inputs.dtype)
    builder = networks.Builder(rng, inputs.shape[1:], dtype, maximum=DTYPE_RANGES[dtype][1])
    builder.conv(4)
    return calibrated(rng, builder.finish(tuple(classes)), inputs)


def calibrated(rng: np.random.Generator, network: Network, inputs: np.ndarray) -> Network:
    """The network with biases and a scale with which each output is likely for some of `inputs`."""
    logits = interpreter.run(network, inputs)[network.output].astype(np.float64)
    *ops, last = network.ops
    assert isinstance(last, FullyConnected)
    centred = replace(last, bias=last.bias - np.rint(logits.mean(axis=0)).astype(np.int32))
    spread = max(1.0, float(logits.std(axis=0).max()))
    output = replace(network.tensors[network.output], scale=float(rng.uniform(0.5, 4)) / spread)
    return replace(network, ops=(*ops, centred), tensors={**network.tensors, network.output: output})


def random_settings(rng: np.random.Generator, front_end: StandIn, outputs: int = len(CLASSES)) -> Settings:
    """Settings under which words are detected now and then."""
    smoothing = int(rng.choice([1, 2, 3, 5, MOST_SMOOTHING]))
    thresholds = [int(value) for value in rng.integers(1000, 20000 / smoothing**0.5, outputs)]
    thresholds[0] = int(4000 / smoothing**0.5)  # less than one of six equal posteriors: it is reached
    return Settings(
        tuple(thresholds),
        smoothing,
        int(rng.integers(1, 6)),
        int(rng.integers(0, 5)) * front_end.hop,
    )


def recordings(rng: np.random.Generator, count: int, samples: int) -> np.ndarray:
    """Noise and tones, loud and soft."""
    times = np.arange(samples)
    tones = np.sin(times * rng.uniform(0.01, 3, (count, 1))) + rng.normal(0, 0.3, (count, samples))
    return np.clip(tones * 2 ** rng.uniform(3, 15, (count, 1)), -(2**15), 2**15 - 1).astype(np.int16)


def spec(settings: Settings, keywords: tuple[bool, ...] = KEYWORDS) -> SpotterSpec:
    return SpotterSpec(keywords, settings)


@dataclass
class Model:
    """A stream. `pieces` of a stream make no difference, so it takes any."""

    network: Network
    front_end: StandIn
    settings: Settings
    keywords: tuple[bool, ...] = KEYWORDS
    heard: list[int] = field(default_factory=list)
    rows: list[np.ndarray] = field(default_factory=list)
    posteriors: list[list[int]] = field(default_factory=list)
    inferences: int = 0
    last: int | None = None
    detections: list[tuple[int, int, int]] = field(default_factory=list)

    def push(self, samples: Iterable[int]) -> Self:
        """Hear them; the model itself is returned."""
        for sample in samples:
            self.heard.append(int(sample))
            place = len(self.heard) - self.front_end.window + self.front_end.before
            if place >= 0 and place % self.front_end.hop == 0:
                padded = [0] * self.front_end.before + self.heard
                self._frame(np.array(padded[place : place + self.front_end.window]))
        return self

    def set(self, settings: Settings) -> None:
        self.settings = settings
        self.posteriors = []

    def window(self) -> np.ndarray:
        """uint8 [frames, features]"""
        return np.array(self.rows[-self.front_end.frames :])

    def _frame(self, samples: np.ndarray) -> None:
        self.rows.append(self.front_end.frame(samples))
        since = len(self.rows) - self.front_end.frames
        if since >= 0 and since % self.settings.stride == 0:
            self._infer()

    def _infer(self) -> None:
        self.inferences += 1
        window = self.window()[np.newaxis, np.newaxis]
        logits = [int(value) for value in interpreter.run(self.network, window)[self.network.output][0]]
        self.posteriors.append(softmax(logits, self.network.tensors[self.network.output].scale))
        kept = self.posteriors[-self.settings.smoothing :]
        smoothed = [sum(values) // self.settings.smoothing for values in zip(*kept, strict=True)]
        candidates = [
            (-score, word)
            for word, score in enumerate(smoothed)
            if self.keywords[word] and score >= self.settings.thresholds[word]
        ]
        rested = self.last is None or len(self.heard) - self.last >= self.settings.refractory
        if candidates and rested:
            score, word = min(candidates)
            self.last = len(self.heard)
            self.detections.append((word, -score, self.last))


def softmax(logits: list[int], scale: float) -> list[int]:
    """Q15 posteriors, with Python's whole numbers and its own choice of the constants."""
    factor = scale * np.log2(np.e) * 16
    shift = max(shift for shift in range(32) if round(factor * 2**shift) < 2**15)
    multiplier = round(factor * 2**shift)
    powers = []
    for logit in logits:
        t = (max(logits) - logit) * multiplier >> shift
        powers.append(round(2 ** (15 - t % 16 / 16)) >> t // 16 if t < 256 else 0)
    return [(power * 32768 + sum(powers) // 2) // sum(powers) for power in powers]


# ---- the C ----


def build(network: Network, files: Mapping[str, str], directory: Path, hop: int = 0) -> Path:
    """A program of the network and `files` (spotter and front end) that takes the commands below on stdin.

    With a `hop` it reuses what windows so many frames apart share.
    """
    chunk = None
    if hop:
        made = chunked(network, hop)
        chunk = Chunk(made, plan(made.network, "host"))
    generate(plan(network, "host"), directory, audio=files, chunk=chunk)
    (directory / "pqk_spotter.c").rename(directory / "pqk_spotter.c.included")
    main = (SOURCES / "main.c").read_text().replace("pqk_spotter.c", "pqk_spotter.c.included")
    (directory / "main.c").write_text(main)
    program = directory / "program"
    sources = map(str, sorted(directory.glob("*.c")))
    subprocess.run(["gcc", *STRICT, *SANITIZED, *sources, "-o", str(program)], check=True)
    return program


def push(samples: np.ndarray) -> bytes:
    return b"p" + struct.pack("<I", len(samples)) + samples.astype("<i2").tobytes()


def set_settings(settings: Settings) -> bytes:
    """Or anything with the same fields."""
    numbers = struct.pack("<HHI", settings.smoothing, settings.stride, settings.refractory)
    return b"s" + struct.pack(f"<{len(settings.thresholds)}H", *settings.thresholds) + numbers


def jump(samples: int, frames: int) -> bytes:
    return b"j" + struct.pack("<QQ", samples, frames)


INIT, GET, WINDOW, POLL, COUNTERS, CLOCK, CLIP_BEGIN, CLIP_END = (letter.encode() for letter in "igwdctbe")


def say(program: Path, *commands: bytes) -> list[list[str]]:
    """The words of each line that the program prints; fails on any sanitizer's finding."""
    done = subprocess.run([program], input=b"".join(commands), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return [line.split() for line in done.stdout.decode().splitlines()]


def detected(lines: list[list[str]]) -> list[tuple[int, ...]]:
    """Word, score, samples of each detection among `lines`."""
    return [tuple(map(int, words[1:])) for words in lines if words[0] == "detection"]


def cut(rng: np.random.Generator, samples: np.ndarray, most: int) -> list[np.ndarray]:
    """The samples in pieces of random sizes, of none at all too."""
    pieces, at = [], 0
    while at < len(samples):
        size = int(rng.integers(0, most + 1))
        pieces.append(samples[at : at + size])
        at += size
    return pieces
