"""Made-up unknown words: what each kind is made of, in whose place it comes, and that nothing else is touched."""

import numpy as np
import pytest
from support.seeds import fresh

from pqk.frontend import FrontEnd
from pqk.project import FrontEndConfig, TrainingConfig
from pqk.train import unknowns
from pqk.train.augment import Augmenter, TrainingData
from pqk.train.unknowns import MAKERS, Words, put_made_up

FRAMES, BANDS = 21, 8
FRONT_END = FrontEnd(FrontEndConfig(hop_ms=50, bands=BANDS))
NAMES = ["yes"] * 30 + ["no"] * 20 + ["cat"] * 25 + ["bird"] * 5 + [None] * 20
LABELS = np.array([0] * 30 + [1] * 20 + [2] * 30 + [3] * 20)
UNKNOWN = 2
PLAIN = {"shift_ms": 0, "noise_probability": 0.0}


@pytest.fixture
def rng() -> np.random.Generator:
    return fresh("unknowns")


def clips(rng: np.random.Generator, count: int = len(NAMES)) -> np.ndarray:
    return rng.uniform(2**20, 2**30, (count, FRAMES, BANDS)).astype(np.float32)


def pulses(*at: int) -> np.ndarray:
    """Clips with energy in one frame each."""
    energies = np.zeros((len(at), FRAMES, BANDS), np.float32)
    energies[np.arange(len(at)), at] = 2.0**20
    return energies


def config(**changes: object) -> TrainingConfig:
    return TrainingConfig(**{**PLAIN, **dict.fromkeys(MAKERS, 0.0), **changes})  # type: ignore[arg-type]


def test_pairs_are_of_different_words_and_all_are_drawn(rng: np.random.Generator) -> None:
    """Clips of a word need not lie side by side."""
    names = [NAMES[i] for i in rng.permutation(len(NAMES))]
    one, other = Words.of(names).pairs(20_000, rng)
    pairs = [(names[a], names[b]) for a, b in zip(one, other, strict=True)]
    assert all(a != b and a is not None and b is not None for a, b in pairs)
    assert {i for i, name in enumerate(names) if name} == set(one) == set(other)
    assert np.bincount(one)[one].max() < 400  # 250 expected of each of 80 clips, standard deviation 16


def test_reversed_is_backwards(rng: np.random.Generator) -> None:
    energies = clips(rng, 4)
    backwards = unknowns.reverse(energies, clips(rng, 4))
    for t in range(FRAMES):
        np.testing.assert_array_equal(backwards[:, t], energies[:, FRAMES - 1 - t])


def test_a_splice_has_the_first_half_of_one_and_the_second_of_the_other(rng: np.random.Generator) -> None:
    one, other = np.zeros((2, 1, FRAMES, BANDS), np.float32)
    one[:, 2:9] = clips(rng, 1)[:, :1]  # seven even frames: the middle one is frame 5
    other[:, 9:20] = clips(rng, 1)[:, :1]  # eleven: frame 14
    spliced = unknowns.splice(one, other)[0]
    np.testing.assert_array_equal(spliced[:5], one[0, :5])
    level = one.sum() / other.sum()
    np.testing.assert_allclose(spliced[5 : 5 + FRAMES - 14], level * other[0, 14:], rtol=1e-6)
    assert not spliced[5 + FRAMES - 14 :].any()


def test_an_early_second_word_is_followed_by_silence_and_a_late_one_is_cut(rng: np.random.Generator) -> None:
    early, late = pulses(3), pulses(17)
    np.testing.assert_array_equal(unknowns.splice(early, late), early)  # from its middle on, the other one's pulse
    np.testing.assert_array_equal(unknowns.splice(late, early), late)
    tail = np.concatenate([pulses(3)[:, :4], clips(rng, 1)[:, 4:]], axis=1)
    spliced = unknowns.splice(late, tail)
    assert spliced.shape == late.shape
    assert np.isfinite(spliced).all()


def test_a_mix_has_both_equally_loud(rng: np.random.Generator) -> None:
    one, other = pulses(3, 5), 100 * pulses(8, 11)
    mixed = unknowns.mix(one, other)
    np.testing.assert_allclose(mixed, (one + pulses(8, 11)) / 2)
    both = clips(rng, 5)
    np.testing.assert_allclose(unknowns.mix(both, clips(rng, 5)).sum(axis=(1, 2)), both.sum(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("make", MAKERS.values())
def test_digital_silence_harms_nothing(make, rng: np.random.Generator) -> None:
    nothing, energies = np.zeros((1, FRAMES, BANDS), np.float32), clips(rng, 1)
    assert not make(nothing, nothing).any()
    for made in (make(nothing, energies), make(energies, nothing)):
        assert np.isfinite(made).all()
        assert made.dtype == np.float32


@pytest.mark.parametrize("kind", MAKERS)
def test_only_unknown_clips_are_replaced_and_never_by_silence(kind: str, rng: np.random.Generator) -> None:
    energies = clips(rng)
    energies[LABELS == 3] = 0
    data = TrainingData(energies, LABELS, (), Words.of(NAMES), UNKNOWN)
    (batch, labels), *more = Augmenter(FRONT_END, config(batch_size=len(LABELS), **{kind: 1.0})).batches(data, rng)
    assert not more
    plain = {clip.tobytes(): label for clip, label in zip(FRONT_END.encode(energies), LABELS, strict=True)}
    for clip, label in zip(batch, labels, strict=True):
        if label == UNKNOWN:
            assert clip.tobytes() not in plain
            assert clip.any()
        else:
            assert plain[clip.tobytes()] == label
    assert sorted(labels) == sorted(LABELS)


def test_shares_are_of_the_places(rng: np.random.Generator) -> None:
    source = np.zeros((3, FRAMES, BANDS), np.float32)
    source[0, 4], source[1, 11], source[2, 9] = 1, 1, 1
    batch, places = np.full((3000, FRAMES, BANDS), -1, np.float32), np.arange(2000)
    shares = {"unknown_reversed": 0.5, "unknown_mixed": 0.25}
    put_made_up(batch, places, source, Words.of(["yes", "no", None]), config(**shares), rng)
    assert (batch[2000:] == -1).all()
    kept = (batch[:2000] == -1).all(axis=(1, 2))
    mixed = (batch[:2000] == 0.5).any(axis=(1, 2))
    assert 400 < kept.sum() < 600  # standard deviation 19
    assert 400 < mixed.sum() < 600
    assert all(clip[FRAMES - 1 - 4, 0] == 1 or clip[FRAMES - 1 - 11, 0] == 1 for clip in batch[:2000][~kept & ~mixed])


def test_without_shares_no_random_number_is_drawn(rng: np.random.Generator) -> None:
    energies = clips(rng)
    before, state = energies.copy(), rng.bit_generator.state
    put_made_up(energies, np.flatnonzero(LABELS == UNKNOWN), energies, Words.of(NAMES), config(), rng)
    np.testing.assert_array_equal(energies, before)
    assert rng.bit_generator.state == state


def test_without_the_class_nothing_is_made_up(rng: np.random.Generator) -> None:
    energies = clips(rng)
    data = TrainingData(energies, np.arange(len(NAMES)), (), Words.of(NAMES), None)
    for inputs, labels in Augmenter(FRONT_END, config(unknown_mixed=1.0)).batches(data, rng):
        np.testing.assert_array_equal(inputs, FRONT_END.encode(energies[labels]))


def test_equal_generators_give_equal_words_and_others_do_not(rng: np.random.Generator) -> None:
    data = TrainingData(clips(rng), LABELS, (), Words.of(NAMES), UNKNOWN)
    maker = Augmenter(FRONT_END, config(batch_size=16, **dict.fromkeys(MAKERS, 0.3)))
    seed = int(rng.integers(2**32))
    first, second, other = (
        np.concatenate([inputs for inputs, _ in maker.batches(data, np.random.default_rng(seed + more))])
        for more in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
