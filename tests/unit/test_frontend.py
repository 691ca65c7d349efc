"""The front end: against a slow transform written here from the formulas, and known answers."""

import json
import math

import numpy as np
import pytest
from support.seeds import fresh

from pqk.errors import ProjectError
from pqk.frontend import FLOOR, RATE, SAMPLES, FrontEnd, dct_matrix, lifter, mel_bank
from pqk.project import FrontEndConfig

KINDS = ("log-mel", "mfcc")


def tone(hz: float, amplitude: float) -> np.ndarray:
    return np.rint(amplitude * np.sin(2 * np.pi * hz * np.arange(SAMPLES) / RATE + 0.3)).astype(np.int16)


def mel(hz: float) -> float:
    return 1127.01048 * math.log(1 + hz / 700)


def slow_energies(pcm: np.ndarray, frame: int, config: FrontEndConfig) -> list[float]:
    """One frame, from the definitions: Hann window, discrete Fourier sum, triangles in mel."""
    width, centre = RATE * config.window_ms // 1000, frame * RATE * config.hop_ms // 1000
    samples = []
    for i in range(width):
        position = centre - width // 2 + i
        value = float(pcm[position]) if 0 <= position < len(pcm) else 0.0
        samples.append(value * (0.5 - 0.5 * math.cos(2 * math.pi * i / width)))
    n = np.arange(width)
    power = [abs(np.sum(np.array(samples) * np.exp(-2j * np.pi * k * n / 512))) ** 2 for k in range(257)]
    step = (mel(config.high_hz) - mel(config.low_hz)) / (config.bands + 1)
    energies = []
    for band in range(config.bands):
        peak = mel(config.low_hz) + (band + 1) * step
        weights = [max(0.0, 1 - abs(mel(k * RATE / 512) - peak) / step) for k in range(257)]
        energies.append(sum(w * p for w, p in zip(weights, power, strict=True)))
    return energies


@pytest.mark.parametrize(
    "config",
    [FrontEndConfig(), FrontEndConfig(window_ms=25, hop_ms=20, bands=23, low_hz=64, high_hz=8000)],
    ids=["default", "other"],
)
def test_energies_equal_the_definition(config: FrontEndConfig) -> None:
    generator = fresh("energies")
    front_end = FrontEnd(config)
    pcm = (generator.standard_normal(SAMPLES) * 2000 + tone(700, 8000)).astype(np.int16)
    energies = front_end.energies(pcm[np.newaxis])
    assert energies.dtype == np.float32
    assert energies.shape == (1, front_end.frames, config.bands)
    for frame in (0, 1, int(generator.integers(2, front_end.frames - 2)), front_end.frames - 1):
        np.testing.assert_allclose(energies[0, frame], slow_energies(pcm, frame, config), rtol=2e-4)


@pytest.mark.parametrize(("hop_ms", "frames"), [(10, 101), (20, 51), (5, 201), (7, 143)])
def test_number_of_frames(hop_ms: int, frames: int) -> None:
    front_end = FrontEnd(FrontEndConfig(hop_ms=hop_ms))
    assert front_end.frames == frames
    assert front_end.energies(np.zeros((2, SAMPLES), np.int16)).shape == (2, frames, 40)


def test_a_sine_lands_in_its_band() -> None:
    config = FrontEndConfig()
    front_end = FrontEnd(config)
    step = (mel(config.high_hz) - mel(config.low_hz)) / (config.bands + 1)
    for band in range(config.bands):
        centre = 700 * (math.exp((mel(config.low_hz) + (band + 1) * step) / 1127.01048) - 1)
        energies = front_end.energies(tone(centre, 10_000)[np.newaxis])[0, 50]
        assert energies.argmax() == band, f"{centre:.0f} Hz"


def test_a_click_lands_in_its_frames() -> None:
    pcm = np.zeros((1, SAMPLES), np.int16)
    pcm[0, 5000] = 20_000
    loud = np.flatnonzero(FrontEnd(FrontEndConfig()).energies(pcm)[0].sum(axis=1))
    assert loud.tolist() == [30, 31, 32]  # frames of 480 samples centred on 4800, 4960, 5120


@pytest.mark.parametrize("kind", KINDS)
def test_silence_is_zero(kind: str) -> None:
    front_end = FrontEnd(FrontEndConfig(kind=kind))
    encoded = front_end.encode(front_end.energies(np.zeros((3, SAMPLES), np.int16)))
    assert encoded.dtype == np.dtype(front_end.dtype)
    assert encoded.shape == (3, 1, 101, 40)
    assert not encoded.any()


def test_energy_is_power() -> None:
    front_end = FrontEnd(FrontEndConfig())
    pcm = (fresh("power").standard_normal((1, SAMPLES)) * 1000).astype(np.int16)
    np.testing.assert_allclose(front_end.energies(pcm * 4), 16 * front_end.energies(pcm), rtol=1e-5)


def test_powers_of_independent_sounds_add_up() -> None:
    """What training relies on when it adds noise to energies instead of samples."""
    front_end = FrontEnd(FrontEndConfig())
    a, b = (fresh("sum").standard_normal((2, 30 * RATE)) * [[3000], [1000]]).astype(np.int16)
    apart = front_end.energies(np.stack([a, b])).mean(axis=1)  # [2, bands], over 3,001 frames
    together = front_end.energies((a + b)[np.newaxis]).mean(axis=1)[0]
    np.testing.assert_allclose(together, apart.sum(axis=0), rtol=0.15)


def test_a_shift_by_one_hop_is_a_shift_by_one_frame() -> None:
    front_end = FrontEnd(FrontEndConfig())
    pcm = (fresh("shift").standard_normal(SAMPLES) * 1000).astype(np.int16)
    moved = np.concatenate([np.zeros(160, np.int16), pcm[:-160]])
    one, other = front_end.energies(np.stack([pcm, moved]))
    np.testing.assert_array_equal(other[3:-2], one[2:-3])


def test_a_clip_does_not_depend_on_its_batch() -> None:
    generator = fresh("batch")
    front_end = FrontEnd(FrontEndConfig())
    pcm = (generator.standard_normal((7, SAMPLES)) * 3000).astype(np.int16)
    together = front_end.energies(pcm)
    alone = np.concatenate([front_end.energies(clip[np.newaxis]) for clip in pcm])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(front_end.energies(pcm[::-1])[::-1], together)


def test_log_mel_steps_are_eighths_of_an_octave() -> None:
    front_end = FrontEnd(FrontEndConfig())
    octaves = np.arange(32, dtype=np.float64)
    encoded = front_end.encode((FLOOR * (2**octaves - 1)).astype(np.float32).reshape(1, 1, -1))
    assert encoded.dtype == np.uint8
    assert encoded[0, 0, 0].tolist() == [8 * int(octave) for octave in octaves]
    assert encoded[0, 0, 0, 5] * front_end.scale == 5.0


def test_log_mel_uses_the_range() -> None:
    """Full scale does not saturate, a whisper of 20 of 32,768 steps is far from 0, the converter's noise is not."""
    front_end = FrontEnd(FrontEndConfig())
    for hz in (50, 440, 1000, 3333, 7000):
        loud, quiet = front_end.encode(front_end.energies(np.stack([tone(hz, 32767), tone(hz, 20)])))
        assert 225 <= loud.max() < 255, f"{hz} Hz"
        assert quiet.max() > 60, f"{hz} Hz"
    dither = fresh("dither").integers(-1, 1, (1, SAMPLES), endpoint=True).astype(np.int16)
    assert np.median(front_end.encode(front_end.energies(dither))) <= 8  # one octave above digital silence


def test_louder_is_never_encoded_lower() -> None:
    front_end = FrontEnd(FrontEndConfig())
    energies = np.sort(2 ** fresh("order").uniform(-10, 60, 1000)).astype(np.float32).reshape(1, 25, 40)
    encoded = front_end.encode(energies).ravel()
    assert (np.diff(encoded.astype(int)) >= 0).all()
    assert (encoded[0], encoded[-1]) == (0, 255)


def test_dct_is_orthonormal() -> None:
    matrix = dct_matrix(40)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(40), atol=1e-12)
    np.testing.assert_allclose(matrix[:, 0], 1 / math.sqrt(40))
    np.testing.assert_allclose(matrix[3, 7], math.sqrt(2 / 40) * math.cos(math.pi * 7 * (2 * 3 + 1) / 80))


def test_mfcc_of_a_flat_spectrum_is_its_level() -> None:
    front_end = FrontEnd(FrontEndConfig(kind="mfcc"))
    encoded = front_end.encode(np.full((1, 101, 40), FLOOR * (2**20 - 1), np.float32))
    assert encoded.dtype == np.int8
    level = 20 * math.sqrt(40) * 0.5  # orthonormal DCT of a constant, times the lifter of coefficient 0
    assert abs(encoded[0, 0, 0, 0] * front_end.scale - level) <= 0.5
    assert not encoded[..., 1:].any()


def test_mfcc_can_be_undone() -> None:
    """Only rounding is lost: the inverse DCT gives the log energies back."""
    generator = fresh("mfcc")
    front_end = FrontEnd(FrontEndConfig(kind="mfcc"))
    octaves = 12 + generator.uniform(-2, 2, (1, 5, 40))
    encoded = front_end.encode((FLOOR * (2**octaves - 1)).astype(np.float32))
    assert np.abs(encoded.astype(int)).max() < 127
    back = (encoded * front_end.scale / lifter(40)) @ dct_matrix(40).T
    np.testing.assert_allclose(back[:, 0], octaves, atol=2.5)  # rounding of 40 coefficients, at worst
    assert np.sqrt(np.mean((back[:, 0] - octaves) ** 2)) < 0.2


def test_coefficient_0_does_not_saturate() -> None:
    for bands in (8, 40, 64):
        front_end = FrontEnd(FrontEndConfig(kind="mfcc", bands=bands))
        pcm = fresh("loud").integers(-32768, 32767, (1, SAMPLES)).astype(np.int16)
        assert front_end.encode(front_end.energies(pcm))[..., 0].max() < 127


@pytest.mark.parametrize("kind", KINDS)
def test_describe_is_plain_and_true(kind: str) -> None:
    front_end = FrontEnd(FrontEndConfig(kind=kind))
    facts = json.loads(json.dumps(front_end.describe()))
    encoded = front_end.encode(front_end.energies(np.zeros((1, SAMPLES), np.int16)))
    assert facts["shape"] == list(encoded.shape[1:])
    assert facts["dtype"] == str(encoded.dtype)
    assert facts["scale"] == front_end.scale


def test_every_band_of_the_default_has_weight_and_no_more_than_it_should() -> None:
    bank = mel_bank(FrontEndConfig())
    assert bank.shape == (40, 257)
    assert (bank.max(axis=1) > 0.5).all()
    inner = bank[:, 5:225].sum(axis=0)  # between the first and the last peak the triangles add up to 1
    np.testing.assert_allclose(inner, 1, atol=1e-9)


def test_bands_narrower_than_a_bin_are_refused() -> None:
    with pytest.raises(ProjectError) as caught:
        FrontEnd(FrontEndConfig(bands=64, low_hz=20, high_hz=500))
    assert "front_end.bands = 64" in caught.value.message
    assert "fewer bands" in caught.value.hint
