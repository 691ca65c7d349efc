"""Training inputs: one epoch of shuffled, augmented batches.

Time shift and noise act on mel energies, where they are exact (power is additive, frames are time). So do speed, and
pitch as another vocal tract would change it, by stretching frequencies (VTLP: Jaitly and Hinton, ICML workshop 2013).
Then the front end encodes, as it does for the device. SpecAugment (Park et al., Interspeech 2019) blanks parts of the
result to value 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pqk_codegen.frontend import tables

from pqk.frontend import FrontEnd
from pqk.project import TrainingConfig
from pqk.train.unknowns import Words, put_made_up

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
    words: Words
    """The words of the clips, of which unknown words are made up."""
    unknown: int | None
    """The label of `_unknown_`; None without that class."""


@dataclass(frozen=True)
class Augmenter:
    """Makes training batches; all randomness comes from the generator that is passed in."""

    front_end: FrontEnd
    config: TrainingConfig

    def batches(
        self, data: TrainingData, rng: np.random.Generator, share: tuple[int, int] = (0, 1)
    ) -> Iterator[tuple[Array, Array]]:
        """Clips in random order: (inputs [k, 1, frames, bands] of the front end's type, labels [k]), k = batch_size.

        In the place of some unknown words there are made-up ones, see `pqk.train.unknowns`. The few clips that are left
        over at the end wait for another epoch: a small batch harms batch normalisation. With fewer clips than make a
        batch, all of them are one. `share`: this process's number and how many there are; each has batches of its own.
        """
        (process, processes), size = share, self.config.batch_size
        order = rng.permutation(len(data.labels))[process::processes]
        for step in range(self.steps(data, processes)):
            chosen = order[step * size : (step + 1) * size]
            energies, labels = data.energies[chosen], data.labels[chosen]
            if data.unknown is not None:
                places = np.flatnonzero(labels == data.unknown)
                put_made_up(energies, places, data.energies, data.words, self.config, rng)
            yield self.encode(energies, data.noise, rng), labels

    def steps(self, data: TrainingData, processes: int = 1) -> int:
        """Batches of an epoch, for each process."""
        return max(1, len(data.labels) // (self.config.batch_size * processes))

    def encode(self, energies: Array, noise: tuple[Array, ...], rng: np.random.Generator) -> Array:
        """Augment energies [k, frames, bands] and encode them."""
        if self.config.speed_percent:
            energies = self._change_speed(energies, rng)
        if self.config.pitch_percent:
            energies = self._change_pitch(energies, rng)
        energies = self._shift(energies, rng)
        if noise:
            energies = self._mix(energies, noise, rng)
        encoded = self.front_end.encode(energies)
        return spec_augment(encoded, rng) if self.config.spec_augment else encoded

    def _shift(self, energies: Array, rng: np.random.Generator) -> Array:
        """Each clip earlier or later by whole frames; digital silence moves in."""
        frames = energies.shape[1]
        most = min(self.config.shift_ms // self.front_end.config.hop_ms, frames - 1)
        source = np.arange(frames) - rng.integers(-most, most + 1, len(energies))[:, np.newaxis]
        shifted: Array = energies[np.arange(len(energies))[:, np.newaxis], np.clip(source, 0, frames - 1)]
        shifted[(source < 0) | (source >= frames)] = 0
        return shifted

    def _change_speed(self, energies: Array, rng: np.random.Generator) -> Array:
        """Each clip faster or slower around its middle, as loud as before; digital silence beside a shorter one."""
        middle = (energies.shape[1] - 1) / 2
        rate = _factors(self.config.speed_percent, len(energies), rng)
        time = middle + (np.arange(energies.shape[1]) - middle) * rate
        changed = _interpolated(energies, time)
        changed[(time < 0) | (time > 2 * middle)] = 0
        return changed

    def _change_pitch(self, energies: Array, rng: np.random.Generator) -> Array:
        """Each clip with its frequencies multiplied by one factor; beyond the ends the outermost bands go on."""
        source = self._bands_at(_factors(self.config.pitch_percent, len(energies), rng))
        changed: Array = _interpolated(energies.transpose(0, 2, 1), source).transpose(0, 2, 1)
        return changed

    def _bands_at(self, factors: Array) -> Array:
        """Where the frequencies are that `factors` [k, 1] bring to the middle of each band, in bands: [k, bands]."""
        config = self.front_end.config
        mels = np.linspace(tables.hz_to_mel(config.low_hz), tables.hz_to_mel(config.high_hz), config.bands + 2)
        sources = tables.hz_to_mel(tables.mel_to_hz(mels[1:-1]) / factors)
        bands: Array = (sources - mels[1]) / (mels[1] - mels[0])
        return bands

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


def _factors(percent: int, count: int, rng: np.random.Generator) -> Array:
    """float64 [count, 1], evenly spread up to so many percent below and above 1."""
    return rng.uniform(1 - percent / 100, 1 + percent / 100, (count, 1))


def _interpolated(values: Array, positions: Array) -> Array:
    """`values` [k, n, m] at fractional `positions` [k, p] of n, straight between neighbours: float32 [k, p, m].

    Positions outside count as the nearest end.
    """
    inside = np.clip(positions, 0, values.shape[1] - 1)
    below = np.minimum(inside.astype(np.int64), values.shape[1] - 2)
    clip = np.arange(len(values))[:, np.newaxis]
    low = values[clip, below]
    between = (inside - below).astype(np.float32)[..., np.newaxis]
    interpolated: Array = low + between * (values[clip, below + 1] - low)
    return interpolated


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
