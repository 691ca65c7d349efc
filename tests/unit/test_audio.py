"""Reading recordings: exact where nothing is converted, right in frequency and level where something is."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.seeds import fresh

from pqk.data import audio
from pqk.frontend import RATE, SAMPLES


def sine(hz: float, rate: int, seconds: float = 1.0, amplitude: float = 0.5) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_sixteen_bits_arrive_unchanged(tmp_path: Path, suffix: str) -> None:
    pcm = fresh("pcm").integers(-32768, 32768, SAMPLES).astype(np.int16)
    pcm[:2] = -32768, 32767
    soundfile.write(tmp_path / f"a{suffix}", pcm, RATE, subtype="PCM_16")
    read, origin = audio.read(tmp_path / f"a{suffix}")
    assert read.dtype == np.int16
    np.testing.assert_array_equal(read, pcm)
    assert origin == audio.Origin(RATE, 1, 1.0)


@pytest.mark.parametrize("subtype", ["PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_other_sample_types_have_the_same_level(tmp_path: Path, subtype: str) -> None:
    sound = sine(440, RATE)
    soundfile.write(tmp_path / "a.wav", sound, RATE, subtype=subtype)
    read, _ = audio.read(tmp_path / "a.wav")
    np.testing.assert_allclose(read, sound * 32768, atol=0.51)


def test_float_beyond_full_scale_is_clipped_not_wrapped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([2.0, -2.0, 1.0]), RATE, subtype="FLOAT")
    assert audio.read(tmp_path / "a.wav")[0][:3].tolist() == [32767, -32768, 32767]


def test_short_clips_are_padded_at_the_end(tmp_path: Path) -> None:
    pcm = np.arange(1, 5001, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", pcm, RATE)
    read, _ = audio.read(tmp_path / "a.wav")
    assert read.shape == (SAMPLES,)
    np.testing.assert_array_equal(read[:5000], pcm)
    assert not read[5000:].any()


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_long_clips_give_their_middle_or_the_part_asked_for(tmp_path: Path, suffix: str) -> None:
    generator = fresh("long clip")
    pcm = generator.integers(-32768, 32768, int(generator.integers(2, 5)) * RATE + 7).astype(np.int16)
    soundfile.write(tmp_path / f"a{suffix}", pcm, RATE, subtype="PCM_16")
    middle = (len(pcm) - SAMPLES) // 2
    read, origin = audio.read(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read, pcm[middle : middle + SAMPLES])
    assert origin.seconds == len(pcm) / RATE
    start, samples = int(generator.integers(0, 10_000)), int(generator.integers(1, 20_000))
    part, _ = audio.read(tmp_path / f"a{suffix}", start=start, samples=samples)
    np.testing.assert_array_equal(part, pcm[start : start + samples])


def test_a_part_past_the_end_is_silence(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.ones(100, np.int16), RATE)
    assert not audio.read(tmp_path / "a.wav", start=5000)[0].any()


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = np.full(SAMPLES, 1000, np.int16), np.full(SAMPLES, -400, np.int16)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), RATE)
    read, origin = audio.read(tmp_path / "a.wav")
    assert set(read.tolist()) == {300}
    assert origin.channels == 2


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_resampling_keeps_a_tone(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", sine(1000, rate), rate, subtype="FLOAT")
    read, origin = audio.read(tmp_path / "a.wav")
    assert origin.rate == rate
    inner = slice(200, SAMPLES - 200)  # the filter sees zeros beyond the ends
    np.testing.assert_allclose(read[inner], sine(1000, RATE)[inner] * 32768, atol=33)  # 0.2 % of the amplitude


def test_resampling_lets_no_high_tone_fold_down(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sine(12_000, 48_000), 48_000, subtype="FLOAT")
    inner = audio.read(tmp_path / "a.wav")[0][200:-200]
    assert np.abs(inner).max() < 0.005 * 16384  # -46 dB


def test_resampled_middle_is_the_middle(tmp_path: Path) -> None:
    sound = np.zeros(3 * 48_000)
    sound[48_000 + 24_000] = 1
    soundfile.write(tmp_path / "a.wav", sound, 48_000)
    assert np.abs(audio.read(tmp_path / "a.wav")[0]).argmax() == 8000


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_length_counts_samples_at_16_khz(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros(rate * 3 + 1), rate)
    assert audio.length(tmp_path / "a.flac") == math.floor((rate * 3 + 1) * RATE / rate)


def test_length_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "LONGEST_NOISE", 20_000)
    soundfile.write(tmp_path / "a.wav", np.zeros(30_000), RATE)
    assert audio.length(tmp_path / "a.wav") == 20_000


def unreadable(folder: Path, kind: str) -> Path:
    path = folder / "a.wav"
    if kind == "text":
        path.write_text("not audio, though its name says so\n" * 50)
    elif kind == "empty file":
        path.write_bytes(b"")
    elif kind == "no samples":
        soundfile.write(path, np.zeros(0, np.int16), RATE)
    elif kind == "not a number":
        soundfile.write(path, np.array([0.0, np.nan]), RATE, subtype="FLOAT")
    elif kind == "odd rate":
        soundfile.write(path, np.zeros(100, np.int16), 1000)
    elif kind == "half a header":
        soundfile.write(path, np.zeros(100, np.int16), RATE)
        path.write_bytes(path.read_bytes()[:20])
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("text", "not readable as audio"),
        ("empty file", "not readable as audio"),
        ("no samples", "no samples"),
        ("not a number", "not numbers"),
        ("odd rate", "1000 Hz"),
        ("half a header", ""),
        ("folder", ""),
        ("missing", ""),
    ],
)
def test_unreadable_files_say_why(tmp_path: Path, kind: str, reason: str) -> None:
    with pytest.raises(audio.UnreadableError) as caught:
        audio.read(unreadable(tmp_path, kind))
    assert reason in str(caught.value)
    assert str(caught.value)


@pytest.mark.parametrize("kind", ["text", "empty file", "no samples", "odd rate", "missing"])
def test_length_of_unreadable_files_says_why(tmp_path: Path, kind: str) -> None:
    with pytest.raises(audio.UnreadableError):
        audio.length(unreadable(tmp_path, kind))


def test_damaged_flac_is_unreadable_or_full_length(tmp_path: Path) -> None:
    """Whatever a cut or overwritten FLAC decodes to, it is one second or an UnreadableError, never anything else."""
    generator = fresh("damaged flac")
    soundfile.write(tmp_path / "a.flac", generator.integers(-9999, 9999, SAMPLES).astype(np.int16), RATE)
    whole = (tmp_path / "a.flac").read_bytes()
    refused = 0
    for _ in range(40):
        damaged = bytearray(whole[: generator.integers(1, len(whole))])
        damaged[generator.integers(0, len(damaged))] ^= int(generator.integers(1, 256))
        (tmp_path / "a.flac").write_bytes(damaged)
        try:
            assert audio.read(tmp_path / "a.flac")[0].shape == (SAMPLES,)
        except audio.UnreadableError:
            refused += 1
    assert refused
