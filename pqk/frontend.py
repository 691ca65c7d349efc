"""The front end: one second of 16 kHz audio becomes `frames` x `bands` integers. THE one definition of it.

Two steps, apart so that training can shift and mix in between (power adds up, logarithms do not):
`energies` (framing, Hann window, FFT, power, mel bank) and `encode` (logarithm, for MFCC a DCT, rounding).

Source of the mel scale and of the triangles: The HTK Book (3.4), section 5.6 (equation 5.13), peak weight 1.
Source of the DCT: the orthonormal DCT-II, Ahmed, Natarajan, Rao 1974.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from pqk.errors import ProjectError
from pqk.project import FrontEndConfig

RATE = 16_000
"""Samples per second of everything behind `pqk.data.audio`."""
SAMPLES = 16_000
"""Samples of one clip: one second."""
FFT = 512

FLOOR = 2.0**13
"""Energy that is added before the logarithm, in squared int16 steps; digital silence becomes the value 0.

A full-scale sine gives up to 2**44.3 in a band: at 1/8 octave a step that is 250 of 255. Measured on 1,500 clips of
Speech Commands: none saturates, 99 in 100 peak above 2**27 (116 of 255), 4 % of all values round to 0.
"""
LOG_MEL_SCALE = 1 / 8
"""log2 units per step (3/8 dB): a power of two, so that a device shifts."""
MFCC_SCALE = 1.0
"""Liftered log2 units per step."""

Pcm = npt.NDArray[np.int16]
Energies = npt.NDArray[np.float32]
Encoded = npt.NDArray[np.uint8] | npt.NDArray[np.int8]


class FrontEnd:
    """The front end that `config` describes. A clip's result does not depend on the batch it is in."""

    center = True
    """Frame t is centred on sample t * hop."""

    def __init__(self, config: FrontEndConfig) -> None:
        """Raises ProjectError when a mel band is so narrow that no FFT bin falls into it."""
        self.config = config
        self.bands = config.bands
        self.hop = RATE * config.hop_ms // 1000
        self.window = RATE * config.window_ms // 1000
        self.frames = self.frames_of(SAMPLES)
        self._hann = np.hanning(self.window + 1)[:-1].astype(np.float32)  # periodic
        self._bank = mel_bank(config).astype(np.float32)
        self._dct = (dct_matrix(config.bands) * lifter(config.bands)).astype(np.float32)

    @property
    def dtype(self) -> str:
        """Element type of what the network sees."""
        return "uint8" if self.config.kind == "log-mel" else "int8"

    @property
    def scale(self) -> float:
        """Of an encoded value: real = q * scale, in log2 units above the floor (MFCC: times the lifter)."""
        return LOG_MEL_SCALE if self.config.kind == "log-mel" else MFCC_SCALE

    def frames_of(self, samples: int) -> int:
        """Frames that `samples` samples give; frame t is centred on sample t * hop."""
        return 1 + samples // self.hop

    def energies(self, pcm: Pcm) -> Energies:
        """int16[n, samples] to mel energies float32[n, 1 + samples // hop, bands], in squared int16 steps.

        What lies before the first and after the last sample counts as zeros.
        """
        energies = np.empty((len(pcm), self.frames_of(pcm.shape[1]), self.bands), np.float32)
        for row, clip in zip(energies, pcm, strict=True):  # one by one: what a clip needs stays in the cache
            # not matmul: BLAS threads wait for each other on a busy machine, and may round differently on another
            np.einsum("fk,bk->fb", self._power(clip), self._bank, out=row)
        return energies

    def _power(self, pcm: Pcm) -> Energies:
        """int16[samples] to the power spectrum float32[frames, FFT/2 + 1]."""
        half = self.window // 2
        padded = np.pad(pcm.astype(np.float32), (half, self.window - half))
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.window)[:: self.hop]
        spectrum = np.fft.rfft(windows[: self.frames_of(len(pcm))] * self._hann, n=FFT)
        power: Energies = (spectrum.real**2 + spectrum.imag**2).astype(np.float32, copy=False)
        return power

    def encode(self, energies: Energies) -> Encoded:
        """float32[n, frames, bands] to [n, 1, frames, bands] of `dtype`. Energy 0 gives 0 in both kinds."""
        values = np.log2(1 + energies / np.float32(FLOOR))[:, np.newaxis]
        if self.config.kind == "mfcc":
            values = np.matmul(values, self._dct)
        limits = np.iinfo(self.dtype)
        encoded: Encoded = np.clip(np.rint(values / np.float32(self.scale)), limits.min, limits.max)
        return encoded.astype(self.dtype)

    def describe(self) -> dict[str, Any]:
        """Plain facts for reports: shape is (channels, frames, bands), `zero` says what the value 0 means."""
        return {
            "kind": self.config.kind,
            "shape": [1, self.frames, self.bands],
            "dtype": self.dtype,
            "scale": self.scale,
            "unit": "log2 of energy over the floor" + ("" if self.dtype == "uint8" else ", DCT-II, liftered"),
            "zero": "digital silence",
            "floor": FLOOR,
        }


def hz_to_mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """HTK's mel: 2595 log10(1 + f / 700)."""
    return np.asarray(2595 * np.log10(1 + np.asarray(hz, np.float64) / 700))


def mel_to_hz(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Inverse of `hz_to_mel`."""
    return np.asarray(700 * (10 ** (np.asarray(mel, np.float64) / 2595) - 1))


def mel_bank(config: FrontEndConfig) -> npt.NDArray[np.float64]:
    """Triangles float64[bands, FFT/2 + 1]: corners evenly spaced in mel between low_hz and high_hz, peak 1.

    As in HTK, the flanks are straight in mel, not in Hz. Raises ProjectError when a band holds no FFT bin.
    """
    corners = np.linspace(hz_to_mel(config.low_hz), hz_to_mel(config.high_hz), config.bands + 2)
    bins = hz_to_mel(np.arange(FFT // 2 + 1) * RATE / FFT)
    step = corners[1] - corners[0]
    bank = np.maximum(0, 1 - np.abs(bins - corners[1:-1, np.newaxis]) / step)
    empty = np.flatnonzero(bank.sum(axis=1) == 0)
    if empty.size:
        centre = float(mel_to_hz(corners[1 + empty[0]]))
        raise ProjectError(
            f"front_end.bands = {config.bands}: the band at {centre:.0f} Hz is narrower than one FFT bin"
            f" ({RATE / FFT:.2f} Hz)",
            "use fewer bands, or a wider range from low_hz to high_hz",
        )
    return np.asarray(bank)


def dct_matrix(size: int) -> npt.NDArray[np.float64]:
    """Orthonormal DCT-II as float64[size, size]: coefficients = values @ matrix."""
    n, k = np.arange(size)[:, np.newaxis], np.arange(size)
    matrix = np.cos(np.pi * (n + 0.5) * k / size) * np.sqrt(2 / size)
    matrix[:, 0] /= np.sqrt(2)
    return np.asarray(matrix)


def lifter(size: int) -> npt.NDArray[np.float64]:
    """Weight float64[size] of each cepstral coefficient: (1 + k) / 2, at most 8.

    Coefficients shrink about as 1 / k, so with these weights one int8 scale serves all of them: the largest of
    1,500 clips of Speech Commands lie between 58 and 91 of 127 up to k = 24. No mean is removed: silence stays 0.
    """
    return np.minimum(8, (1 + np.arange(size)) / 2)
