"""Front ends and sounds to try them with: drawn fresh, and the ones that are hard on integers."""

import dataclasses
from pathlib import Path

import numpy as np
from pqk_codegen.errors import EmptyBandError
from pqk_codegen.frontend import FrontEnd, FrontEndSpec
from pqk_codegen.generate_front_end import generate_front_end

LOG_MEL = FrontEndSpec()
MLPERF_TINY = FrontEndSpec(kind="mfcc", hop=320, coefficients=10, high_hz=4000, center=False)
LONG = FrontEndSpec(window=640, hop=320, bands=64, high_hz=8000)


def draw(rng: np.random.Generator) -> FrontEndSpec:
    """Any possible front end."""
    while True:
        kind, bands = str(rng.choice(["log-mel", "mfcc"])), int(rng.integers(8, 65))
        spec = FrontEndSpec(
            kind=kind,
            window=2 * int(rng.integers(64, 513)),
            hop=int(rng.integers(80, 400)),
            bands=bands,
            coefficients=int(rng.integers(0, bands + 1)) if kind == "mfcc" else 0,
            low_hz=float(rng.choice([0, 20, 64, 300])),
            high_hz=float(rng.choice([4000, 7600, 8000])),
            center=bool(rng.integers(2)),
        )
        try:
            FrontEnd(spec)
        except EmptyBandError:
            continue
        return spec


def frames_of_all_sorts(rng: np.random.Generator, window: int, count: int) -> np.ndarray:
    """int16[count, window]: noise of every level, tones, clicks, steps, and what makes the window's result flat."""
    time = np.arange(window)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (time + 0.5) / window)
    frames = np.empty((count, window))
    for frame in frames:
        level = 2 ** rng.uniform(0, 15.01)
        tone = np.cos(time * rng.uniform(0, np.pi) + rng.uniform(0, 6.3))
        sounds = [
            rng.standard_normal(window),
            tone,
            np.sign(tone),
            tone / np.maximum(hann, rng.uniform(0.02, 1)) * rng.uniform(0.02, 1),
            tone + 0.001 * rng.standard_normal(window),
            (time == rng.integers(window)) * rng.choice([-1.0, 1.0]),
            np.where(time < rng.integers(window), -1.0, 1.0),
            np.full(window, rng.choice([-1.0, 1.0])),
        ]
        frame[:] = np.clip(np.rint(sounds[rng.integers(len(sounds))] * level), -32768, 32767)
    return np.concatenate([corners(window), frames])[:count].astype(np.int16)


def corners(window: int) -> np.ndarray:
    """float64[7, window]: silence, the ends of the range, single steps."""
    last = np.zeros(window)
    last[-1] = -1
    ends = np.where(np.arange(window) % 2, 32767, -32768)
    constant = [np.full(window, value) for value in (0, -32768, 32767, -1, 1)]
    return np.stack([*constant, last, ends])


def features(spec: FrontEndSpec, frames: np.ndarray) -> np.ndarray:
    """What the definition makes of int16[n, window]: [n, features]."""
    alone = FrontEnd(dataclasses.replace(spec, center=False, samples=spec.window))
    return alone.features(frames)[:, 0, 0]


def write(spec: FrontEndSpec, folder: Path) -> None:
    """The generated C."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in generate_front_end(spec).items():
        (folder / name).write_text(text)
