"""The front end's constants, as integers. All come from formulas; equal specs give equal bytes.

Sources: The HTK Book (3.4), section 5.6, equation 5.13 (mel scale, triangles of peak 1 with flanks straight in mel);
Ahmed, Natarajan, Rao 1974 (the DCT-II, here orthonormal); Cooley, Tukey 1965 (twiddle factors).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from pqk_codegen.errors import EmptyBandError
from pqk_codegen.frontend.spec import RATE, FrontEndSpec

Table = npt.NDArray[Any]

WEIGHT_BITS = 15
"""Fraction bits of the mel weights."""
DCT_BITS = 11
"""Fraction bits of the DCT matrix: 64 values below 2**13 times rows of a 1-norm below 2**6 stay below 2**31."""
LOG_BITS = 8
"""Fraction bits of the logarithm."""


def hann(window: int) -> Table:
    """Periodic Hann window, int16[window] in 2**-15 steps, at most 1 - 2**-15."""
    values = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    return np.minimum(np.rint(values * 2**15), 2**15 - 1).astype(np.int16)


def order(points: int) -> Table:
    """Where the first stage's butterflies go, uint8[points / 4]: base-4 digits reversed, after an odd bit if any.

    Butterfly n takes samples n, n + points/4, n + points/2, n + 3*points/4 and its four results go to 4 * order[n]:
    then every later stage finds the transforms it combines side by side.
    """
    radices = _radices(points)[1:]
    places = np.zeros(points // 4, np.int64)
    rest, size = np.arange(points // 4), points // 4
    for radix in reversed(radices):
        size //= radix
        places += rest % radix * size
        rest = rest // radix
    return places.astype(np.uint8)


def _radices(points: int) -> list[int]:
    """Of the transform's stages: fours, and a two at the end if need be."""
    fours = (points.bit_length() - 1) // 2
    return [4] * fours + [2] * (points // 4**fours - 1)


def twiddles(points: int) -> Table:
    """Of the radix-4 stages after the first, int16[.., 3, 2]: -cos and -sin of 2 pi i j / size for i = 1..3.

    Stage by stage (size 16, 64, 256), for each the j = 0 .. size/4 - 1. Negative, because -1 fits int16 and 1 does
    not. A radix-2 stage has none: the first half of `split_factors` serves it.
    """
    sizes = [4**stage for stage in range(2, len([r for r in _radices(points) if r == 4]) + 1)]
    angles = [2 * np.pi * np.outer(np.arange(size // 4), (1, 2, 3)) / size for size in sizes]
    return _negative_q15(np.concatenate(angles))


def _negative_q15(angles: npt.NDArray[np.float64]) -> Table:
    pairs = np.stack([-np.cos(angles), -np.sin(angles)], axis=-1) * 2**15
    return np.asarray(np.clip(np.rint(pairs), -(2**15), 2**15 - 1).astype(np.int16))


def split_factors(points: int) -> Table:
    """int16[points / 2 + 1, 2]: -cos and -sin of pi k / points, for splitting the half-length transform's results."""
    return _negative_q15(np.pi * np.arange(points // 2 + 1) / points)


def hz_to_mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """HTK's mel: 2595 log10(1 + f / 700)."""
    return np.asarray(2595 * np.log10(1 + np.asarray(hz, np.float64) / 700))


def mel_to_hz(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Inverse of `hz_to_mel`."""
    return np.asarray(700 * (10 ** (np.asarray(mel, np.float64) / 2595) - 1))


def mel_bank(spec: FrontEndSpec) -> npt.NDArray[np.float64]:
    """Triangles float64[bands, fft/2 + 1]: corners evenly spaced in mel between low_hz and high_hz, peak 1.

    As in HTK, the flanks are straight in mel, not in Hz. Raises EmptyBandError when a band holds no FFT bin.
    """
    position = _positions(spec)
    bank = np.maximum(0, 1 - np.abs(position - np.arange(1, spec.bands + 1)[:, np.newaxis]))
    empty = np.flatnonzero(bank.sum(axis=1) == 0)
    if empty.size:
        corners = np.linspace(hz_to_mel(spec.low_hz), hz_to_mel(spec.high_hz), spec.bands + 2)
        raise EmptyBandError(float(mel_to_hz(corners[1 + empty[0]])), RATE / spec.fft)
    return np.asarray(bank)


def _positions(spec: FrontEndSpec) -> npt.NDArray[np.float64]:
    """Where each FFT bin lies, float64[fft/2 + 1]: 0 at low_hz, b at the centre of band b - 1, bands + 1 at high_hz."""
    low, high = hz_to_mel(spec.low_hz), hz_to_mel(spec.high_hz)
    mels = hz_to_mel(np.arange(spec.fft // 2 + 1) * RATE / spec.fft)
    return np.asarray((mels - low) / (high - low) * (spec.bands + 1))


def mel_slices(spec: FrontEndSpec) -> tuple[int, Table, Table]:
    """The mel bank as the bins between two neighbouring corners: first bin, uint8 counts[bands + 1], uint16 weights.

    Slice b has the bins from corner b up to corner b + 1, the rising flank of band b and the falling flank of band
    b - 1. A bin's weight, in 2**-15, is how much of it band b gets; band b - 1 gets the rest. Neither the bin of 0 Hz
    nor that of RATE / 2 is in a slice: they could only lie on the outermost corners.

    Raises EmptyBandError when a band holds no FFT bin.
    """
    mel_bank(spec)
    position = _positions(spec)
    bins = np.arange(1, spec.fft // 2)
    bins = bins[(position[bins] >= 0) & (position[bins] < spec.bands + 1)]
    slices = position[bins].astype(np.int64)
    weights = np.rint((position[bins] - slices) * 2**WEIGHT_BITS).astype(np.uint16)
    return int(bins[0]), np.bincount(slices, minlength=spec.bands + 1).astype(np.uint8), weights


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


def dct_rows(spec: FrontEndSpec) -> Table:
    """The DCT with the lifter in it, int16[coefficients, bands] in 2**-DCT_BITS; shape [0, bands] without a DCT."""
    kept = spec.features if spec.kind == "mfcc" else 0
    rows = (dct_matrix(spec.bands) * lifter(spec.bands)).T[:kept]
    return np.asarray(np.rint(rows * 2**DCT_BITS).astype(np.int16))


def log_corrections() -> Table:
    """uint8[128]: 2**8 * (log2(1 + m) - m) at the middle of each of 128 steps of m in 0..1.

    The steps are so small that m plus correction never falls as m grows.
    """
    m = (np.arange(128) + 0.25) / 128  # the middle of the two values of 8 bits that share an entry
    return np.asarray(np.rint(2**LOG_BITS * (np.log2(1 + m) - m)).astype(np.uint8))
