"""Augmentation: exact where energies are, within its limits, reproducible."""

import secrets

import numpy as np
import pytest

from pqk.frontend import FrontEnd
from pqk.project import FrontEndConfig, TrainingConfig
from pqk.train.augment import BAND_MASK, TIME_MASK, Augmenter, TrainingData, spec_augment

FRONT_END = FrontEnd(FrontEndConfig(hop_ms=50, bands=8))
PLAIN = {"shift_ms": 0, "noise_probability": 0.0, "spec_augment": False}


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


def test_spec_augment_blanks_one_stretch_of_frames_and_one_of_bands(rng: np.random.Generator) -> None:
    clips = np.full((500, 1, 101, 40), 9, np.uint8)
    blank = spec_augment(clips, rng)[:, 0] == 0
    frames, bands = blank.all(axis=2).sum(axis=1), blank.all(axis=1).sum(axis=1)
    assert frames.min() == bands.min() == 0
    assert frames.max() == int(101 * TIME_MASK)
    assert bands.max() == int(40 * BAND_MASK)
    np.testing.assert_array_equal(blank.sum(axis=(1, 2)), frames * 40 + bands * 101 - frames * bands)


def test_an_epoch_is_whole_batches_of_different_clips(rng: np.random.Generator) -> None:
    clips = energies(rng, 65)
    data = TrainingData(clips, np.arange(65), ())
    batches = list(augmenter(batch_size=32).batches(data, rng))
    assert [len(labels) for _, labels in batches] == [32, 32]
    assert len(set(np.concatenate([labels for _, labels in batches]))) == 64
    for inputs, labels in batches:
        np.testing.assert_array_equal(inputs, FRONT_END.encode(clips[labels]))


def test_fewer_clips_than_a_batch_are_one(rng: np.random.Generator) -> None:
    data = TrainingData(energies(rng, 20), np.arange(20), ())
    ((_, labels),) = augmenter(batch_size=32).batches(data, rng)
    assert sorted(labels) == list(range(20))


def test_equal_generators_give_equal_batches(rng: np.random.Generator) -> None:
    data = TrainingData(energies(rng, 30), np.arange(30), (energies(rng, 1)[0],))
    everything = augmenter(shift_ms=100, noise_probability=0.8, spec_augment=True, batch_size=16)
    seed = int(rng.integers(2**32))
    first, second = (list(everything.batches(data, np.random.default_rng(seed))) for _ in range(2))
    other = list(everything.batches(data, np.random.default_rng(seed + 1)))
    for (a, a_labels), (b, b_labels) in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a_labels, b_labels)
    assert any((a != b).any() for (a, _), (b, _) in zip(first, other, strict=True))
