"""Augmentation: exact where energies are, within its limits, reproducible."""

import hashlib
import secrets

import numpy as np
import pytest
from pqk_codegen.frontend import tables

from pqk.frontend import FrontEnd
from pqk.project import FrontEndConfig, TrainingConfig
from pqk.train.augment import BAND_MASK, TIME_MASK, Augmenter, TrainingData, spec_augment
from pqk.train.unknowns import MAKERS, Words

FRONT_END = FrontEnd(FrontEndConfig(hop_ms=50, bands=8))
PLAIN = {"shift_ms": 0, "noise_probability": 0.0, "spec_augment": False, "speed_percent": 0, "pitch_percent": 0}
PLAIN |= dict.fromkeys(MAKERS, 0.0)
NO_WORDS = (Words.of([]), None)


@pytest.fixture
def rng() -> np.random.Generator:
    seed = secrets.randbits(32)
    print("seed", seed)
    return np.random.default_rng(seed)


def energies(rng: np.random.Generator, clips: int) -> np.ndarray:
    return rng.uniform(2**20, 2**30, (clips, FRONT_END.frames, FRONT_END.bands)).astype(np.float32)


def augmenter(**changes: object) -> Augmenter:
    return Augmenter(FRONT_END, TrainingConfig(**{**PLAIN, **changes}))  # type: ignore[arg-type]


def test_without_augmentation_inputs_are_the_front_end_s(rng: np.random.Generator) -> None:
    clips = energies(rng, 5)
    np.testing.assert_array_equal(augmenter().encode(clips, (), rng), FRONT_END.encode(clips))


def test_shift_moves_whole_frames_and_fills_with_silence(rng: np.random.Generator) -> None:
    clips = energies(rng, 200)
    plain = FRONT_END.encode(clips)
    shifted = augmenter(shift_ms=100).encode(clips, (), rng)
    seen = set()
    for before, after in zip(plain[:, 0], shifted[:, 0], strict=True):
        filled = (after == 0).all(axis=1)
        by = int(filled.sum()) * (1 if filled[0] else -1)
        seen.add(by)
        assert (np.roll(before, by, axis=0)[~filled] == after[~filled]).all()
    assert seen == {-2, -1, 0, 1, 2}


def test_noise_adds_energy_of_a_stretch_up_to_the_level(rng: np.random.Generator) -> None:
    clips = np.zeros((300, FRONT_END.frames, FRONT_END.bands), np.float32)
    noise = np.arange(1, 41, dtype=np.float32)[:, np.newaxis] * np.full(FRONT_END.bands, 2.0**24, np.float32)
    mixed = augmenter(noise_probability=0.5, noise_level=0.1)._mix(clips, (noise,), rng)
    noisy = mixed.any(axis=(1, 2))
    assert 100 < noisy.sum() < 200
    ramp = mixed[noisy][:, :, 0]
    step = np.diff(ramp, axis=1)
    np.testing.assert_allclose(step, np.repeat(step[:, :1], step.shape[1], axis=1), rtol=1e-3)  # one stretch, in order
    amplitude = np.sqrt(step[:, 0] / 2.0**24)
    assert 0.08 < amplitude.max() <= 0.1
    starts = ramp[:, 0] / step[:, 0]
    assert starts.min() < 5
    assert starts.max() > 40 - FRONT_END.frames - 3


def test_batches_are_those_of_an_earlier_version() -> None:
    """A digest from before speed, pitch and made-up words were there: switched off, they change no bit."""
    rng = np.random.default_rng(5)
    data = TrainingData(energies(rng, 40), np.arange(40) % 3, (energies(rng, 9).reshape(-1, 8),), Words.of([]), 2)
    found = hashlib.sha256()
    for inputs, labels in augmenter(shift_ms=100, noise_probability=0.5).batches(data, rng):
        found.update(inputs.tobytes() + labels.astype(np.int64).tobytes())
    assert found.hexdigest() == "29742885403c7944d24c7bfe6e9e093096a1388022affd0c5e22f68f7221f543"


def burst(frames: slice, bands: slice) -> np.ndarray:
    """300 clips with an even energy in some frames and bands, and none elsewhere."""
    clips = np.zeros((300, 101, 40), np.float32)
    clips[:, frames, bands] = 2.0**20
    return clips


def wide(**changes: object) -> Augmenter:
    return Augmenter(FrontEnd(FrontEndConfig()), TrainingConfig(**{**PLAIN, **changes}))  # type: ignore[arg-type]


def test_speed_changes_the_length_around_the_middle_and_keeps_the_level(rng: np.random.Generator) -> None:
    changed = wide(speed_percent=20)._change_speed(burst(slice(30, 71), slice(None)), rng)
    np.testing.assert_allclose(changed[:, 50], 2.0**20)
    assert changed.max() == 2.0**20
    lengths = changed[:, :, 0].sum(axis=1) / 2.0**20
    assert 40 / 1.2 - 1.5 < lengths.min() < 36
    assert 48 < lengths.max() < 40 / 0.8 + 1.5
    np.testing.assert_allclose(changed, changed[:, ::-1], rtol=1e-4, atol=1)  # of 2^20


def test_a_faster_clip_has_silence_beside_it(rng: np.random.Generator) -> None:
    changed = wide(speed_percent=20)._change_speed(burst(slice(None), slice(None)), rng)
    faster = changed[:, 0, 0] == 0
    assert 100 < faster.sum() < 200
    assert (changed[~faster] == 2.0**20).all()
    assert set(np.unique(changed)) == {0, 2.0**20}


def test_speed_reads_a_clip_at_another_rate(rng: np.random.Generator) -> None:
    ramp = np.broadcast_to(np.arange(101, dtype=np.float32)[:, np.newaxis], (300, 101, 40))
    changed = wide(speed_percent=20)._change_speed(ramp, rng)[:, 20:81]
    rates = np.diff(changed[:, :, 0], axis=1)
    np.testing.assert_allclose(rates, np.repeat(rates[:, :1], rates.shape[1], axis=1), rtol=1e-3)
    assert 0.7999 <= rates.min() < 0.85 < 1.15 < rates.max() <= 1.2001
    np.testing.assert_allclose(changed[:, 30], 50, rtol=1e-5)


def test_pitch_multiplies_frequencies(rng: np.random.Generator) -> None:
    """A tone at the middle of band 20 comes out at that frequency times a factor, whatever its time."""
    change = wide(pitch_percent=20)
    changed = change._change_pitch(burst(slice(10, 20), slice(20, 21)), rng)
    assert not changed[:, :10].any()
    assert not changed[:, 20:].any()
    np.testing.assert_array_equal(changed[:, 10:20], changed[:, 10:11].repeat(10, axis=1))
    corners = tables.hz_to_mel([20.0, 7600.0])
    hz = tables.mel_to_hz(np.linspace(*corners, 42))[1:-1]
    heard = changed[:, 10] @ hz / changed[:, 10].sum(axis=1) / hz[20]
    assert 0.77 < heard.min() < 0.85
    assert 1.15 < heard.max() < 1.23
    np.testing.assert_allclose(change._bands_at(np.ones((1, 1))), np.arange(40)[np.newaxis], atol=1e-9)
    doubled = change._bands_at(np.array([[2.0]]))[0]
    np.testing.assert_allclose(np.interp(doubled[20:], np.arange(40), hz), hz[20:] / 2, rtol=0.01)


def test_pitch_leaves_an_even_spectrum_even(rng: np.random.Generator) -> None:
    clips = burst(slice(10, 20), slice(None))
    np.testing.assert_array_equal(wide(pitch_percent=20)._change_pitch(clips, rng), clips)


def test_digital_silence_stays_silence(rng: np.random.Generator) -> None:
    nothing = np.zeros((40, 101, 40), np.float32)
    assert not wide(speed_percent=30, pitch_percent=30, shift_ms=100).encode(nothing, (), rng).any()


def test_spec_augment_blanks_one_stretch_of_frames_and_one_of_bands(rng: np.random.Generator) -> None:
    clips = np.full((500, 1, 101, 40), 9, np.uint8)
    blank = spec_augment(clips, rng)[:, 0] == 0
    frames, bands = blank.all(axis=2).sum(axis=1), blank.all(axis=1).sum(axis=1)
    assert frames.min() == bands.min() == 0
    assert frames.max() == int(101 * TIME_MASK)
    assert bands.max() == int(40 * BAND_MASK)
    np.testing.assert_array_equal(blank.sum(axis=(1, 2)), frames * 40 + bands * 101 - frames * bands)


@pytest.mark.parametrize(("clips", "sizes"), [(65, [32, 32]), (96, [32, 32, 32]), (20, [20])])
def test_an_epoch_has_whole_batches_and_no_clip_twice(clips: int, sizes: list[int], rng: np.random.Generator) -> None:
    data = TrainingData(energies(rng, clips), np.arange(clips), (), *NO_WORDS)
    batches = list(augmenter(batch_size=32).batches(data, rng))
    assert [len(labels) for _, labels in batches] == sizes
    assert len(set(np.concatenate([labels for _, labels in batches]))) == sum(sizes)
    for inputs, labels in batches:
        np.testing.assert_array_equal(inputs, FRONT_END.encode(data.energies[labels]))


def test_processes_share_an_epoch(rng: np.random.Generator) -> None:
    data = TrainingData(energies(rng, 100), np.arange(100), (), *NO_WORDS)
    seed = int(rng.integers(2**32))
    shares = [
        np.concatenate([y for _, y in augmenter(batch_size=16).batches(data, np.random.default_rng(seed), (i, 3))])
        for i in range(3)
    ]
    assert [len(labels) for labels in shares] == [32, 32, 32]
    assert len(set(np.concatenate(shares))) == 96


def test_equal_generators_give_equal_batches(rng: np.random.Generator) -> None:
    data = TrainingData(energies(rng, 30), np.arange(30), (energies(rng, 1)[0],), *NO_WORDS)
    kinds = {"shift_ms": 100, "noise_probability": 0.8, "spec_augment": True, "speed_percent": 20, "pitch_percent": 20}
    everything = augmenter(batch_size=16, **kinds)
    seed = int(rng.integers(2**32))
    first, second = (list(everything.batches(data, np.random.default_rng(seed))) for _ in range(2))
    other = list(everything.batches(data, np.random.default_rng(seed + 1)))
    for (a, a_labels), (b, b_labels) in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a_labels, b_labels)
    assert any((a != b).any() for (a, _), (b, _) in zip(first, other, strict=True))
