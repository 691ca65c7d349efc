"""Made-up recordings in the layout of Speech Commands: every word a tone of its own, so that training is quick."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000


def write(root: Path, words: Sequence[str], *, speakers: int = 40, noise_seconds: int = 30, seed: int = 0) -> Path:
    """One clip per word and speaker, and background noise. Splits follow from the speakers' names."""
    rng = np.random.default_rng(seed)
    for index, word in enumerate(words):
        folder = root / word
        folder.mkdir(parents=True)
        for speaker in range(speakers):
            soundfile.write(folder / f"{speaker * 2654435761 % 2**32:08x}_nohash_0.wav", _tone(rng, index), RATE)
    if noise_seconds:
        (root / "_background_noise_").mkdir()
        noise = rng.normal(0, 0.02, noise_seconds * RATE)
        soundfile.write(root / "_background_noise_" / "hiss.wav", noise, RATE)
    return root


def _tone(rng: np.random.Generator, index: int) -> np.ndarray:
    time = np.arange(RATE) / RATE
    pitch = 300 * 1.6**index * rng.uniform(0.97, 1.03)
    envelope = np.exp(-(((time - rng.uniform(0.35, 0.65)) / 0.15) ** 2))
    samples = 0.3 * envelope * np.sin(2 * np.pi * pitch * time) + rng.normal(0, 0.003, RATE)
    return samples.astype(np.float32)
