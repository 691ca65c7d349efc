"""Training inputs: one epoch of shuffled, augmented batches.

Time shift and noise act on mel energies, where they are exact (power is additive, frames are time). Then the front end
encodes, as it does for the device. SpecAugment (Park et al., Interspeech 2019) blanks parts of the result to value 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pqk.frontend import FrontEnd
from pqk.project import TrainingConfig

Array = npt.NDArray[Any]

TIME_MASK = 0.15  # longest stretch that SpecAugment blanks, share of the frames
BAND_MASK = 0.15  # the same for bands


@dataclass(frozen=True)
class TrainingData:
    """What training draws from."""

    energies: Array
    """Mel energies of the clips, float32 [n, frames, bands]."""
    labels: Array
    """int64 [n]."""
    noise: tuple[Array, ...]
    """Mel energies of each background noise, float32 [at least `frames`, bands]. May be empty."""


@dataclass(frozen=True)
class Augmenter:
    """Makes training batches; all randomness comes from the generator that is passed in."""

    front_end: FrontEnd
    config: TrainingConfig

    def batches(self, data: TrainingData, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        """Clips in random order: (inputs [k, 1, frames, bands] of the front end's type, labels [k]), k = batch_size.

        The few clips that are left over at the end wait for another epoch: a small batch harms batch normalisation.
        With fewer clips than make a batch, all of them are one.
        """
        order, size = rng.permutation(len(data.labels)), self.config.batch_size
        for step in range(self.steps(data)):
            chosen = order[step * size : (step + 1) * size]
            yield self.encode(data.energies[chosen], data.noise, rng), data.labels[chosen]

    def steps(self, data: TrainingData) -> int:
        """Batches of an epoch."""
        return max(1, len(data.labels) // self.config.batch_size)

    def encode(self, energies: Array, noise: tuple[Array, ...], rng: np.random.Generator) -> Array:
        """Augment energies [k, frames, bands] and encode them."""
        energies = self._shift(energies, rng)
        if noise:
            energies = self._mix(energies, noise, rng)
        encoded = self.front_end.encode(energies)
        return spec_augment(encoded, rng) if self.config.spec_augment else encoded

    def _shift(self, energies: Array, rng: np.random.Generator) -> Array:
        """Each clip earlier or later by whole frames; digital silence moves in."""
        frames = energies.shape[1]
        most = min(self.config.shift_ms // self.front_end.config.hop_ms, frames - 1)
        shifted = np.zeros_like(energies)
        for clip, source, by in zip(shifted, energies, rng.integers(-most, most + 1, len(energies)), strict=True):
            clip[max(by, 0) : frames + min(by, 0)] = source[max(-by, 0) : frames + min(-by, 0)]
        return shifted

    def _mix(self, energies: Array, noise: tuple[Array, ...], rng: np.random.Generator) -> Array:
        """Add a stretch of a noise at a random amplitude to some of the clips."""
        count, frames = energies.shape[:2]
        noisy = rng.random(count) < self.config.noise_probability
        power = np.square(rng.uniform(0, self.config.noise_level, count) * noisy, dtype=np.float32)
        mixed = energies.copy()
        for clip, gain in zip(mixed, power, strict=True):
            source = noise[rng.integers(len(noise))]
            start = rng.integers(len(source) - frames + 1)
            clip += gain * source[start : start + frames]
        return mixed


def spec_augment(encoded: Array, rng: np.random.Generator) -> Array:
    """Blank one stretch of frames and one of bands in each clip [k, 1, frames, bands] to value 0, in place."""
    _, _, frames, bands = encoded.shape
    for clip in encoded:
        start, length = _stretch(frames, TIME_MASK, rng)
        clip[:, start : start + length] = 0
        start, length = _stretch(bands, BAND_MASK, rng)
        clip[:, :, start : start + length] = 0
    return encoded


def _stretch(size: int, share: float, rng: np.random.Generator) -> tuple[int, int]:
    length = int(rng.integers(int(size * share) + 1))
    return int(rng.integers(size - length + 1)), length
