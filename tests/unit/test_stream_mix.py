"""Synthetic audio: the same in any pieces, words where they are said to be, noise as loud as it is said to be."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support import recordings, seeds

from pqk.data.dataset import DataSet, scan
from pqk.errors import DataError
from pqk.frontend import RATE
from pqk.project import DataConfig
from pqk.stream import mix
from pqk.stream.mix import Mix, Recipe


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    root = recordings.write(tmp_path_factory.mktemp("recordings"), ["yes", "no", "up"], speakers=60)
    return scan(root, ["yes", "no"], config=DataConfig(), cache=root.parent / "cache")


def level(pcm: np.ndarray) -> float:
    return float(20 * np.log10(mix.root_mean_square(pcm) / 32768))


def test_any_pieces_give_the_same(dataset: DataSet) -> None:
    rng = seeds.fresh("pieces")
    stream = Mix(dataset, Recipe("testing", 60, 10.0, seed=int(rng.integers(1000))))
    whole = stream.read(0, stream.samples)
    cuts = [0, *sorted(rng.integers(0, stream.samples, 20).tolist()), stream.samples]
    again = Mix(dataset, stream.recipe)
    parts = [again.read(a, b) for a, b in pairwise(cuts)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert not stream.read(-50, 0).any()
    assert not stream.read(stream.samples, stream.samples + 50).any()
    assert again.words == stream.words


def test_seeds_and_splits_differ_and_noise_does_not_move_words(dataset: DataSet) -> None:
    recipes = [Recipe("testing", 60, 10.0), Recipe("testing", 60, None), Recipe("validation", 60, None)]
    recipes.append(Recipe("testing", 60, 10.0, seed=1))
    noisy, clean, other, reseeded = (Mix(dataset, recipe) for recipe in recipes)
    assert noisy.words == clean.words
    assert len({stream.words for stream in (noisy, other, reseeded)}) == 3


def test_signal_and_noise_are_as_far_apart_as_said(dataset: DataSet) -> None:
    for snr in (0.0, 10.0, 20.0):
        stream = Mix(dataset, Recipe("testing", 120, snr))
        audio = stream.read(0, stream.samples)
        silent = np.ones(stream.samples, bool)
        for piece in stream._pieces:
            if piece.fade == mix.FADE:
                silent[max(0, piece.start) : piece.start + piece.length] = False
        assert level(audio[silent]) == pytest.approx(mix.SPEECH_DB - snr, abs=0.5)
    clean = Mix(dataset, Recipe("testing", 120, None))
    spoken = [clean.read(word.start, word.end) for word in clean.words]
    assert np.mean([level(pcm) for pcm in spoken]) == pytest.approx(mix.SPEECH_DB, abs=0.3)
    assert clean.noise_seconds == 0
    assert stream.noise_seconds == pytest.approx(3)


def test_words_and_others_come_in_their_shares(dataset: DataSet) -> None:
    stream = Mix(dataset, Recipe("testing", 3600, None))
    count = len(stream.words) + stream.others
    assert count == pytest.approx(3600 / 3.5, rel=0.05)
    assert len(stream.words) / count == pytest.approx(0.5, abs=0.06)
    assert {word.word for word in stream.words} == {0, 1}
    assert all(0.02 * RATE <= word.end - word.start <= RATE for word in stream.words)
    assert all(a.end <= b.start for a, b in pairwise(stream.words))
    assert not Mix(dataset, Recipe("testing", 600, None, keyword_share=1.0)).others


def test_without_noise_files_noise_is_white(tmp_path: Path) -> None:
    root = recordings.write(tmp_path / "data", ["yes", "no", "up"], speakers=60, noise_seconds=0)
    data = scan(root, ["yes", "no"], config=DataConfig(), cache=tmp_path)
    stream = Mix(data, Recipe("testing", 60, 10.0))
    assert level(stream.read(0, RATE // 4)) == pytest.approx(mix.SPEECH_DB - 10, abs=0.5)
    assert stream.noise_seconds == 0


def test_too_short_for_a_word(dataset: DataSet) -> None:
    with pytest.raises(DataError, match="no room for a word"):
        Mix(dataset, Recipe("testing", 1.2, None))


def test_a_span_is_where_the_word_is() -> None:
    rng = seeds.fresh("span")
    for _ in range(20):
        start, length = int(rng.integers(1000, 6000)), int(rng.integers(3000, 8000))
        pcm = rng.normal(0, 20, RATE)
        pcm[start : start + length] += 5000 * np.sin(np.arange(length) * 0.2)
        first, end = mix.speech_span(pcm)
        assert abs(first - start) <= 320
        assert abs(end - start - length) <= 320


def test_a_span_bridges_a_stop_but_not_to_a_click() -> None:
    pcm = np.zeros(RATE)
    tone = 5000 * np.sin(np.arange(2000) * 0.2)
    pcm[3000:5000] = tone
    pcm[6500:8500] = tone / 2  # 94 ms later
    pcm[15_000:15_100] = 8000
    first, end = mix.speech_span(pcm)
    assert abs(first - 3000) <= 320
    assert abs(end - 8500) <= 320


def test_spans_at_the_ends() -> None:
    assert mix.speech_span(np.zeros(RATE, np.int16)) == (0, RATE)
    assert mix.speech_span(np.full(RATE, -32768, np.int16)) == (0, RATE)
    assert mix.speech_span(np.ones(5, np.int16)) == (0, 5)
