"""The front end: against torchaudio, a slow transform written here from the formulas, and known answers."""

import json
import math

import numpy as np
import pytest
import torch
import torchaudio
from pqk_codegen.errors import FrontEndError
from pqk_codegen.frontend import FrontEndSpec
from pqk_codegen.frontend.reference import FLOOR, single_halvings
from pqk_codegen.frontend.tables import dct_matrix, dct_rows, lifter, log_corrections, mel_bank, mel_slices, order
from support.seeds import fresh

from pqk.errors import ProjectError
from pqk.frontend import RATE, SAMPLES, FrontEnd, spec_of
from pqk.project import FrontEndConfig

MLPERF_TINY = FrontEndConfig(
    kind="mfcc", window_ms=30, hop_ms=20, bands=40, coefficients=10, low_hz=20, high_hz=4000, center=False
)

KINDS = ("log-mel", "mfcc")


def tone(hz: float, amplitude: float) -> np.ndarray:
    return np.rint(amplitude * np.sin(2 * np.pi * hz * np.arange(SAMPLES) / RATE + 0.3)).astype(np.int16)


def mel(hz: float) -> float:
    return 1127.01048 * math.log(1 + hz / 700)


def slow_energies(pcm: np.ndarray, frame: int, config: FrontEndConfig) -> list[float]:
    """One frame, from the definitions: Hann window, discrete Fourier sum, triangles in mel."""
    width, start = RATE * config.window_ms // 1000, frame * RATE * config.hop_ms // 1000
    points = 512 if width <= 512 else 1024
    samples = []
    for i in range(width):
        position = start + i - (width // 2 if config.center else 0)
        value = float(pcm[position]) if 0 <= position < len(pcm) else 0.0
        samples.append(value * (0.5 - 0.5 * math.cos(2 * math.pi * i / width)))
    n = np.arange(width)
    power = [abs(np.sum(np.array(samples) * np.exp(-2j * np.pi * k * n / points))) ** 2 for k in range(points // 2 + 1)]
    step = (mel(config.high_hz) - mel(config.low_hz)) / (config.bands + 1)
    energies = []
    for band in range(config.bands):
        peak = mel(config.low_hz) + (band + 1) * step
        weights = [max(0.0, 1 - abs(mel(k * RATE / points) - peak) / step) for k in range(points // 2 + 1)]
        energies.append(sum(w * p for w, p in zip(weights, power, strict=True)))
    return energies


def speechlike(generator: np.random.Generator, samples: int = SAMPLES) -> np.ndarray:
    """Harmonics that fall off by 12 dB an octave, coming and going, over faint noise."""
    time = np.arange(samples) / RATE
    voice = sum(np.sin(2 * np.pi * 120 * k * time + generator.uniform(0, 6.3)) / k**2 for k in range(1, 60))
    envelope = np.square(np.sin(2 * np.pi * generator.uniform(1, 2) * time))
    sound = voice * envelope * 6000 + generator.standard_normal(samples) * 20
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


CONFIGS = {
    "default": FrontEndConfig(),
    "other": FrontEndConfig(window_ms=25, hop_ms=20, bands=23, low_hz=64, high_hz=8000),
    "long": FrontEndConfig(window_ms=40, hop_ms=20, bands=64, center=False),
    "longest": FrontEndConfig(window_ms=64, bands=20, low_hz=0, high_hz=8000),
    "short": FrontEndConfig(window_ms=10, bands=16),
    "mlperf": MLPERF_TINY,
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_energies_equal_the_definition(config: FrontEndConfig) -> None:
    """Within what 16 bits allow: a share of each band, of the loudest one 2**-16 (-48 dB), and of both amplitudes'
    product, as what rounding adds to a band's amplitude is squared together with it.
    """
    generator = fresh("energies")
    front_end = FrontEnd(config)
    pcm = (generator.standard_normal(SAMPLES) * 2000 + tone(700, 8000)).astype(np.int16)
    energies = front_end.energies(pcm[np.newaxis])
    assert energies.dtype == np.float32
    assert energies.shape == (1, front_end.frames, config.bands)
    for frame in (0, 1, int(generator.integers(2, front_end.frames - 2)), front_end.frames - 1):
        expected = np.array(slow_energies(pcm, frame, config))
        loudest = expected.max()
        allowed = 0.01 * expected + 2**-16 * loudest + 2**-9 * np.sqrt(expected * loudest)
        np.testing.assert_array_less(np.abs(energies[0, frame] - expected), allowed)


def reference(config: FrontEndConfig, pcm: np.ndarray) -> np.ndarray:
    """torchaudio's mel energies float64 [n, frames, bands]; its window lies in the middle of the transform's points."""
    window, hop = RATE * config.window_ms // 1000, RATE * config.hop_ms // 1000
    points = 512 if window <= 512 else 1024
    transform = torchaudio.transforms.MelSpectrogram(
        RATE, points, window, hop, config.low_hz, config.high_hz, n_mels=config.bands, center=False, norm=None
    )
    transform = transform.double()
    transform.mel_scale.fb = torch.from_numpy(mel_bank(spec_of(config)).T.copy())
    before = (points - window) // 2 + (window // 2 if config.center else 0)
    padded = np.pad(pcm.astype(np.float64), ((0, 0), (before, points)))
    return transform(torch.from_numpy(padded)).numpy().transpose(0, 2, 1)[:, : FrontEnd(config).frames]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_triangles_are_torchaudio_s(config: FrontEndConfig) -> None:
    """Its flanks are straight in Hz, ours in mel: that is at most 3 % of the peak, in the widest bands 5 %."""
    spec = spec_of(config)
    theirs = torchaudio.functional.melscale_fbanks(
        spec.fft // 2 + 1, config.low_hz, config.high_hz, config.bands, RATE, norm=None, mel_scale="htk"
    )
    np.testing.assert_allclose(mel_bank(spec), theirs.T, atol=0.05)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_features_are_close_to_torchaudio_s(config: FrontEndConfig) -> None:
    """Bands of speech-like sound, loud and soft, within 50 dB of the frame's loudest one; and the mean of all."""
    generator = fresh("torchaudio")
    front_end = FrontEnd(config)
    pcm = np.stack([speechlike(generator), speechlike(generator) // 64])
    theirs = reference(config, pcm)
    expected = np.log2(1 + theirs / FLOOR)
    if config.kind == "mfcc":
        dct = torchaudio.functional.create_dct(config.bands, config.bands, "ortho").numpy()
        expected = (expected @ dct * lifter(config.bands))[..., : front_end.features_per_frame]
    steps = front_end.features(pcm)[:, 0].astype(int) - expected / front_end.scale
    assert np.abs(steps).mean() < 0.5
    if config.kind == "log-mel":
        near = theirs > theirs.max(axis=2, keepdims=True) * 1e-5
        assert near.mean() > 0.5
        assert np.abs(steps[near]).max() < 3
    else:
        assert np.abs(steps).max() < 4


def test_mlperf_tiny_is_a_configuration() -> None:
    """49 frames of 10 coefficients: https://github.com/mlcommons/tiny, benchmark/training/keyword_spotting."""
    front_end = FrontEnd(MLPERF_TINY)
    encoded = front_end.features(speechlike(fresh("mlperf"))[np.newaxis])
    assert (encoded.shape, encoded.dtype) == ((1, 1, 49, 10), np.int8)
    assert front_end.describe()["shape"] == [1, 49, 10]


def test_fewer_coefficients_are_the_first_ones() -> None:
    pcm = speechlike(fresh("coefficients"))[np.newaxis]
    every, few = (FrontEnd(FrontEndConfig(kind="mfcc", coefficients=k)).features(pcm) for k in (0, 13))
    np.testing.assert_array_equal(few, every[..., :13])
    assert every.shape[3] == 40


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
    np.testing.assert_array_equal(front_end.energies(pcm * 4), 16 * front_end.energies(pcm))  # scaled frame by frame


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
    bank = mel_bank(FrontEndSpec())
    assert bank.shape == (40, 257)
    assert (bank.max(axis=1) > 0.5).all()
    inner = bank[:, 5:225].sum(axis=0)  # between the first and the last peak the triangles add up to 1
    np.testing.assert_allclose(inner, 1, atol=1e-9)


def test_bands_narrower_than_a_bin_are_refused() -> None:
    with pytest.raises(ProjectError) as caught:
        FrontEnd(FrontEndConfig(bands=64, low_hz=20, high_hz=500))
    assert "front_end.bands = 64" in caught.value.message
    assert "fewer bands" in caught.value.hint


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kind": "wavelet"}, "wavelet"),
        ({"window": 481}, "even"),
        ({"window": 1026}, "1024"),
        ({"hop": 0}, "hop"),
        ({"bands": 65}, "8..64"),
        ({"high_hz": 8001.0}, "8000"),
        ({"coefficients": 10}, "only mfcc"),
        ({"kind": "mfcc", "coefficients": 41}, "41"),
        ({"center": False, "samples": 479}, "fewer than a window"),
    ],
)
def test_impossible_specs_are_refused(spec: dict[str, object], message: str) -> None:
    with pytest.raises(FrontEndError, match=message):
        FrontEndSpec(**spec)  # type: ignore[arg-type]


def test_frames_need_their_own_samples_only() -> None:
    """Without `center`, and whatever stands around: a device computes frame by frame."""
    generator = fresh("frames")
    front_end = FrontEnd(FrontEndConfig(center=False))
    pcm = speechlike(generator)
    whole = front_end.energies(pcm[np.newaxis])[0]
    assert len(whole) == 1 + (SAMPLES - 480) // 160
    for frame in generator.integers(0, len(whole), 5):
        alone = front_end.energies(pcm[np.newaxis, 160 * frame : 160 * frame + 480])
        np.testing.assert_array_equal(alone[0], whole[frame : frame + 1])
    assert front_end.energies(pcm[np.newaxis, :479]).shape == (1, 0, 40)


def extreme_clips() -> dict[str, np.ndarray]:
    square = np.where(np.arange(SAMPLES) // 37 % 2, 32767, -32768)
    click = np.zeros(SAMPLES)
    click[::977] = -32768
    ramp = 1 / np.maximum(0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(SAMPLES) % 480 + 0.5) / 480), 0.05)
    sounds = {
        "lowest": np.full(SAMPLES, -32768),
        "highest": np.full(SAMPLES, 32767),
        "direct current": np.full(SAMPLES, 3000),
        "minus one": np.full(SAMPLES, -1),
        "one": np.full(SAMPLES, 1),
        "square": square,
        "alternating": np.where(np.arange(SAMPLES) % 2, 32767, -32768),
        "clicks": click,
        "against the window": ramp * 1600 * np.cos(2 * np.pi * 1000 * np.arange(SAMPLES) / RATE),
    }
    return {name: sound.astype(np.int16) for name, sound in sounds.items()}


@pytest.mark.parametrize("name", extreme_clips())
@pytest.mark.parametrize("window_ms", [30, 32, 40, 64])
def test_nothing_overflows(name: str, window_ms: int) -> None:
    """An overflow would be off by most of the clip's range."""
    config = FrontEndConfig(window_ms=window_ms, bands=30)
    theirs = reference(config, extreme_clips()[name][np.newaxis])
    ours = FrontEnd(config).energies(extreme_clips()[name][np.newaxis])
    np.testing.assert_allclose(ours / theirs.max(), theirs / theirs.max(), atol=0.005)


def test_direct_current_is_in_the_lowest_bands() -> None:
    energies = FrontEnd(FrontEndConfig()).energies(np.full((1, SAMPLES), 3000, np.int16))[0, 10]
    assert energies.argmax() == 0
    assert (energies[5:] < energies[0] * 1e-5).all()


def test_energies_are_exact_in_24_bits() -> None:
    """As integers times a power of two they have at most 24 bits, and all of these are used."""
    energies = FrontEnd(FrontEndConfig()).energies(speechlike(fresh("bits"))[np.newaxis])
    mantissa = np.frexp(energies[energies > 0].astype(np.float64))[0] * 2**24
    assert (mantissa == np.rint(mantissa)).all()
    assert (mantissa % 2 == 1).any()


@pytest.mark.parametrize("single", [1, 2, 3])
def test_the_energy_bound_keeps_amplitudes_below_15_bits(single: int) -> None:
    """256 numbers whose sum is as large as their energy allows, halved as often as the rule says."""
    energies = np.linspace(2**20, 2**38, 1_000_000).astype(np.int64)
    allowed = energies[single_halvings(energies) == single]
    peak = np.sqrt(256.0 * allowed.max()) / 2 ** (8 - single)
    assert 0.97 * 2**15 < peak < 2**15 - 250


@pytest.mark.parametrize("points", [256, 512])
def test_order_is_a_permutation_that_undoes_itself_in_fours(points: int) -> None:
    places = order(points)
    assert sorted(places) == list(range(points // 4))
    if points == 256:
        np.testing.assert_array_equal(places[places], np.arange(64))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_slices_make_the_bank(config: FrontEndConfig) -> None:
    spec = spec_of(config)
    first, counts, weights = mel_slices(spec)
    assert counts.sum() == len(weights)
    bank = np.zeros((spec.bands + 2, spec.fft // 2 + 1))
    bins = np.arange(first, first + len(weights))
    slices = np.repeat(np.arange(spec.bands + 1), counts)
    bank[slices + 1, bins] += weights / 2**15
    bank[slices, bins] += 1 - weights / 2**15
    np.testing.assert_allclose(bank[1:-1], mel_bank(spec), atol=2**-15)


def test_the_logarithm_never_falls_and_is_close() -> None:
    leading = np.arange(256)
    logs = leading + log_corrections()[leading >> 1]
    assert (np.diff(logs) >= 0).all()
    assert np.abs(logs - 256 * np.log2(1 + leading / 256)).max() <= 1
    assert logs[0] == 0


def test_dct_sums_fit_32_bits() -> None:
    for bands in (8, 23, 40, 64):
        rows = dct_rows(FrontEndSpec(kind="mfcc", bands=bands)).astype(np.int64)
        assert np.abs(rows).sum(axis=1).max() * 2**13 + 2**18 < 2**31
        assert rows.shape == (bands, bands)
