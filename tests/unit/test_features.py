"""Extraction: every clip's energies in its row, bad files listed, nothing half-written."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.seeds import fresh

from pqk import features
from pqk.data.dataset import NOISE_FOLDER, DataSet, scan
from pqk.errors import DataError
from pqk.features import Features, extract, load, read_clip_pcm
from pqk.frontend import RATE, SAMPLES, FrontEnd
from pqk.project import SILENCE, DataConfig, FrontEndConfig

CONFIG = FrontEndConfig()
WORDS = ("yes", 'n"o\nü')


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two words and an unknown one with 12 clips each (validation: 2, testing: 2), and 20 s of noise."""
    generator = fresh("recordings")
    root = tmp_path / "data"
    for word in (*WORDS, "other"):
        (root / word).mkdir(parents=True)
        for i in range(12):
            pcm = (generator.standard_normal(SAMPLES - 1000 * (i % 3)) * 3000).astype(np.int16)
            soundfile.write(root / word / f"s{i}_nohash_0.wav", pcm, RATE)
    (root / NOISE_FOLDER).mkdir()
    soundfile.write(
        root / NOISE_FOLDER / "n.flac", (generator.standard_normal(20 * RATE) * 3000).astype(np.int16), RATE
    )
    (root / "validation_list.txt").write_text(_list(1, 2))
    (root / "testing_list.txt").write_text(_list(5, 6))
    return root


def _list(*takes: int) -> str:
    """A list cannot name a folder with a line break in it: those clips stay in training."""
    return "".join(f"{word}/s{i}_nohash_0.wav\n" for word in ("yes", "other") for i in takes)


def scanned(root: Path, **config: bool) -> DataSet:
    return scan(root, WORDS, config=DataConfig(**config), cache=root.parent / "cache")


def extracted(root: Path, **config: bool) -> tuple[DataSet, Features]:
    dataset = scanned(root, **config)
    return dataset, extract(dataset, CONFIG, root.parent / "features")


def test_every_row_is_its_clip(root: Path) -> None:
    dataset, found = extracted(root)
    assert found.clips == dataset.clips
    assert found.classes == dataset.classes
    assert found.fingerprint == dataset.fingerprint
    assert found.energies.shape == (len(dataset.clips), 101, 40)
    assert isinstance(found.energies, np.memmap)
    front_end = FrontEnd(CONFIG)
    for row, clip in enumerate(dataset.clips):
        expected = front_end.energies(read_clip_pcm(dataset, clip)[np.newaxis])[0]
        np.testing.assert_array_equal(found.energies[row], expected)
    assert found.labels.tolist() == [clip.label for clip in dataset.clips]
    assert found.splits.tolist() == [clip.split for clip in dataset.clips]


def test_more_clips_than_a_batch(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = extracted(root)
    whole_energies = np.array(whole.energies)
    monkeypatch.setattr(features, "BATCH", 5)
    dataset = scanned(root)
    calls: list[tuple[int, int]] = []
    found = extract(dataset, CONFIG, root.parent / "other", lambda done, total: calls.append((done, total)))
    np.testing.assert_array_equal(found.energies, whole_energies)
    total = len(dataset.clips)
    assert calls == [(min(done, total), total) for done in range(5, total + 5, 5)]


def test_subsets_are_what_the_network_sees(root: Path) -> None:
    dataset, found = extracted(root)
    inputs, labels, paths = found.subset("testing")
    clips = [clip for clip in dataset.clips if clip.split == "testing"]
    assert paths == [clip.path for clip in clips]
    assert labels.tolist() == [clip.label for clip in clips]
    assert inputs.dtype == np.uint8
    assert inputs.shape == (len(clips), 1, 101, 40)
    np.testing.assert_array_equal(inputs, FrontEnd(CONFIG).encode(found.energies[found.splits == "testing"]))
    np.testing.assert_array_equal(found.inputs(found.indices("testing")[::-1]), inputs[::-1])
    assert sum(len(found.indices(split)) for split in ("training", "validation", "testing")) == len(dataset.clips)


def test_load_gives_the_same(root: Path) -> None:
    _, found = extracted(root)
    again = load(root.parent / "features")
    for field in dataclasses.fields(Features):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(found, field.name), field.name)


def test_mfcc_is_int8(root: Path) -> None:
    found = extract(scanned(root), FrontEndConfig(kind="mfcc", bands=20, hop_ms=20), root.parent / "mfcc")
    inputs, _, _ = found.subset("validation")
    assert inputs.dtype == np.int8
    assert inputs.shape[1:] == (1, 51, 20)


def test_silence_is_noise_at_its_gain(root: Path) -> None:
    dataset, _ = extracted(root)
    noise, _ = soundfile.read(root / NOISE_FOLDER / "n.flac", dtype="int16")
    silence = [clip for clip in dataset.clips if dataset.classes[clip.label] == SILENCE]
    assert silence
    for clip in silence:
        cut = noise[clip.start : clip.start + SAMPLES]
        np.testing.assert_array_equal(read_clip_pcm(dataset, clip), np.rint(cut * clip.gain))


def test_noise_is_the_training_part_only(root: Path) -> None:
    soundfile.write(root / NOISE_FOLDER / "z.wav", np.full(2 * RATE, 99, np.int16), RATE)
    dataset, found = extracted(root)
    assert dataset.noises == (f"{NOISE_FOLDER}/n.flac", f"{NOISE_FOLDER}/z.wav")
    assert found.noise_starts.tolist() == [0, 1601, 1601 + 161]  # 16 s and 1.6 s at 100 frames/s, both ends counted
    noise, _ = soundfile.read(root / NOISE_FOLDER / "n.flac", dtype="int16")
    expected = FrontEnd(CONFIG).energies(noise[np.newaxis, : 16 * RATE])[0]
    np.testing.assert_array_equal(found.noise[:1601], expected)


def test_without_noise(root: Path) -> None:
    (root / NOISE_FOLDER / "n.flac").unlink()
    dataset, found = extracted(root)
    assert found.noise.shape == (0, 40)
    assert found.noise_starts.tolist() == [0]
    silence = [read_clip_pcm(dataset, clip) for clip in dataset.clips if dataset.classes[clip.label] == SILENCE]
    levels = [np.sqrt(np.mean(pcm.astype(float) ** 2)) for pcm in silence]
    assert max(levels) < 1.1 * features.FAINT
    assert len({pcm.tobytes() for pcm in silence}) > 1
    assert any("faint white noise" in note for note in found.notes)


def test_what_cannot_be_decoded_is_left_out_and_listed(root: Path) -> None:
    (root / "yes" / "s3_nohash_0.wav").write_text("not audio")
    (root / "other" / "s0_nohash_0.wav").write_bytes(b"")
    (root / "yes" / "notes.txt").write_text("found by the scan already")
    dataset, found = extracted(root)
    assert {skip.path for skip in found.skipped} == {
        "yes/notes.txt",
        "yes/s3_nohash_0.wav",
        "other/s0_nohash_0.wav",
    }
    assert all(skip.reason for skip in found.skipped)
    assert len(found.clips) == len(dataset.clips) - 2
    assert len(found.energies) == len(found.labels) == len(found.splits) == len(found.clips)
    front_end = FrontEnd(CONFIG)
    for row in (3, len(found.clips) - 1):
        expected = front_end.energies(read_clip_pcm(dataset, found.clips[row])[np.newaxis])[0]
        np.testing.assert_array_equal(found.energies[row], expected)


def test_a_word_that_cannot_be_decoded_at_all(root: Path) -> None:
    for path in (root / "yes").iterdir():
        path.write_text("not audio")
    with pytest.raises(DataError, match="yes"):
        extracted(root)
    assert not list(root.parent.glob("*features*"))


def test_conversions_are_said_once(root: Path) -> None:
    for i in (0, 4):
        soundfile.write(root / "yes" / f"s{i}_nohash_0.wav", np.zeros((44_100, 2)), 44_100)
    soundfile.write(root / "yes" / "s7_nohash_0.wav", np.zeros(2 * RATE), RATE)
    _, found = extracted(root)
    assert found.notes == (
        "the validation split has no clip of 'n\"o\\nü'",
        "the testing split has no clip of 'n\"o\\nü'",
        "recordings resampled to 16000 Hz: 2, such as 'yes/s0_nohash_0.wav'",
        "recordings mixed down to mono: 2, such as 'yes/s0_nohash_0.wav'",
        "recordings longer than a second: their middle is used: 1, such as 'yes/s7_nohash_0.wav'",
    )


def test_an_interruption_leaves_what_was_there(root: Path) -> None:
    dataset = scanned(root)
    out = root.parent / "features"
    found = extract(dataset, CONFIG, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    listing = sorted(path.name for path in root.parent.iterdir())

    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(dataset, FrontEndConfig(bands=20), out, interrupt)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in root.parent.iterdir()) == listing
    assert load(out).fingerprint == found.fingerprint


@pytest.mark.parametrize("damage", ["missing", "no index", "not JSON", "schema", "short energies", "pickle", "noise"])
def test_damage_is_found_on_loading(root: Path, damage: str) -> None:
    out = root.parent / "features"
    if damage != "missing":
        extracted(root)
    if damage == "no index":
        (out / "index.json").unlink()
    if damage == "not JSON":
        (out / "index.json").write_text("{")
    if damage == "schema":
        index = json.loads((out / "index.json").read_text())
        (out / "index.json").write_text(json.dumps({**index, "schema": 0}))
    if damage == "short energies":
        np.save(out / "energies.npy", np.zeros((3, 101, 40), np.float32))
    if damage == "pickle":
        np.save(out / "energies.npy", np.array([object()]), allow_pickle=True)
    if damage == "noise":
        (out / "noise.npy").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        load(out)
    assert str(out) in caught.value.message
    assert "pqk-mcu build" in caught.value.hint
