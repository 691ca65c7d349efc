"""Scanning folders of recordings: splits, the two extra classes, fingerprints, and what cannot be used.

The word recordings here are no audio at all: a scan decodes nothing. Only noise files have true headers.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.seeds import fresh

from pqk.data import dataset
from pqk.data.dataset import NOISE_FOLDER, SPLITS, SYNTHETIC_NOISE, UNSEEN, DataSet, Skipped
from pqk.errors import DataError
from pqk.project import SILENCE, UNKNOWN, DataConfig

PLAIN = DataConfig(unknown=False, silence=False)
# Speakers of Speech Commands: in its validation_list.txt, and in neither of its lists.
OFFICIAL = {"validation": ("060cd039", "099d52ad", "105e72bb"), "training": ("05b2db80", "16d41d07", "2313e093")}


def fill(root: Path, words: Mapping[str, Iterable[str]]) -> None:
    for word, names in words.items():
        (root / word).mkdir(parents=True, exist_ok=True)
        for name in names:
            (root / word / name).write_bytes(f"{word}/{name}".encode(errors="surrogateescape"))


def speakers(count: int, seed: np.random.Generator) -> list[str]:
    """All of them different."""
    return [f"{value:08x}_nohash_0.wav" for value in seed.choice(2**32, count, replace=False)]


def noise(root: Path, name: str, seconds: float, rate: int = 16_000) -> None:
    (root / NOISE_FOLDER).mkdir(exist_ok=True)
    soundfile.write(root / NOISE_FOLDER / name, np.zeros(int(seconds * rate), np.int16), rate)


def scan(root: Path, words: Sequence[str], config: DataConfig = PLAIN) -> DataSet:
    return dataset.scan(root, words, config=config, cache=root.parent / "cache")


def listed(root: Path, validation: Iterable[str], testing: Iterable[str]) -> None:
    (root / "validation_list.txt").write_text("".join(f"{path}\n" for path in validation))
    (root / "testing_list.txt").write_text("".join(f"{path}\n" for path in testing))


def small(root: Path, words: Sequence[str] = ("yes", "no")) -> None:
    """Ten clips a word; the lists put one into validation and one into testing."""
    fill(root, {word: [f"{i}.wav" for i in range(10)] for word in words})
    listed(root, [f"{word}/3.wav" for word in words], [f"{word}/7.wav" for word in words])


def test_lists_decide(tmp_path: Path) -> None:
    root = tmp_path / "data"
    small(root)
    found = scan(root, ["no", "yes"])
    assert found.classes == ("no", "yes")
    assert [clip.path for clip in found.clips] == [f"{word}/{i}.wav" for word in ("no", "yes") for i in range(10)]
    assert {clip.path for clip in found.clips if clip.split == "validation"} == {"no/3.wav", "yes/3.wav"}
    assert {clip.path for clip in found.clips if clip.split == "testing"} == {"no/7.wav", "yes/7.wav"}
    assert all(found.classes[clip.label] == clip.path.split("/")[0] for clip in found.clips)
    assert found.notes == ()
    assert found.skipped == ()


def test_lists_from_elsewhere_are_understood(tmp_path: Path) -> None:
    """Windows line ends and separators, a byte order mark, ./ in front, and WAV names for files that are FLAC now."""
    root = tmp_path / "data"
    fill(root, {word: [f"{i}.flac" for i in range(5)] for word in ("yes", "no")})
    (root / "validation_list.txt").write_bytes(b"\xef\xbb\xbfyes\\1.wav\r\nno\\1.wav\r\n\r\n")
    (root / "testing_list.txt").write_text("./yes/2.wav\n  no/2.wav")
    found = scan(root, ["yes", "no"])
    assert {clip.path for clip in found.clips if clip.split == "validation"} == {"no/1.flac", "yes/1.flac"}
    assert {clip.path for clip in found.clips if clip.split == "testing"} == {"no/2.flac", "yes/2.flac"}


def test_a_list_that_is_no_text_is_named(tmp_path: Path) -> None:
    root = tmp_path / "data"
    small(root)
    (root / "testing_list.txt").write_bytes(b"\xff\xfe\x00y")
    with pytest.raises(DataError, match="testing_list"):
        scan(root, ["yes", "no"])


def test_speakers_stay_together(tmp_path: Path) -> None:
    root = tmp_path / "data"
    names = speakers(600, fresh("speakers"))
    again = [name.replace("_0.wav", "_1.wav") for name in names[::3]]
    fill(root, {"yes": names, "no": [*names[::2], *again]})
    found = scan(root, ["yes", "no"])
    splits: dict[str, set[str]] = {}
    for clip in found.clips:
        splits.setdefault(Path(clip.path).name.split("_nohash_")[0], set()).add(clip.split)
    assert len(splits) == 600
    assert all(len(of_speaker) == 1 for of_speaker in splits.values())
    share = Counter(next(iter(of_speaker)) for of_speaker in splits.values())
    assert 25 <= share["validation"] <= 100  # 60 expected, standard deviation 7.3
    assert 25 <= share["testing"] <= 100
    assert found.notes == ("no validation_list.txt and no testing_list.txt: clips are split by speaker",)


def test_speakers_get_the_official_split(tmp_path: Path) -> None:
    root = tmp_path / "data"
    official = {f"{speaker}_nohash_0.wav": split for split, who in OFFICIAL.items() for speaker in who}
    fill(root, {word: [*official, *speakers(200, fresh("company"))] for word in ("yes", "no")})
    splits = {Path(clip.path).name: clip.split for clip in scan(root, ["yes", "no"]).clips}
    assert {name: splits[name] for name in official} == official


def test_names_without_speaker_are_split_by_name(tmp_path: Path) -> None:
    root = tmp_path / "data"
    fill(root, {word: [f"take {i}.wav" for i in range(300)] for word in ("yes", "no")})
    found = scan(root, ["yes", "no"], DataConfig(unknown=False, silence=False, testing_percent=30))
    share = Counter(clip.split for clip in found.clips)
    assert 25 <= share["validation"] <= 100
    assert 120 <= share["testing"] <= 240
    assert len(found.notes) == 1
    assert "split by file name (600 file names carry no speaker" in found.notes[0]


def test_one_list_alone_leaves_the_other_split_to_the_hash(tmp_path: Path) -> None:
    root = tmp_path / "data"
    names = speakers(400, fresh("one list"))
    fill(root, {"yes": names, "no": names})
    (root / "testing_list.txt").write_text("".join(f"{word}/{name}\n" for word in ("yes", "no") for name in names[:40]))
    found = scan(root, ["yes", "no"])
    testing = {clip.path for clip in found.clips if clip.split == "testing"}
    assert testing == {f"{word}/{name}" for word in ("yes", "no") for name in names[:40]}
    assert any(clip.split == "validation" for clip in found.clips)
    assert found.notes == ("no validation_list.txt: clips are split by speaker",)


def test_the_order_in_the_folder_does_not_matter(tmp_path: Path) -> None:
    generator = fresh("order")
    names = speakers(300, generator)
    config = DataConfig(unknown_ratio=0.5)
    for root in (tmp_path / "a", tmp_path / "b"):
        root.mkdir()
        generator.shuffle(names)
        words = ["yes", "no", "up", "left"]
        generator.shuffle(words)
        fill(root, dict.fromkeys(words, names))
        for name in generator.permutation(["x.wav", "y.wav"]):
            noise(root, name, 20)
    a, b = (scan(root, ["yes", "no"], config) for root in (tmp_path / "a", tmp_path / "b"))
    assert (a.clips, a.noises, a.fingerprint) == (b.clips, b.noises, b.fingerprint)


def test_unknown_is_capped_in_every_split(tmp_path: Path) -> None:
    root = tmp_path / "data"
    small(root)
    fill(root, {word: [f"{i}.wav" for i in range(20)] for word in ("up", "left", "bed")})
    with (root / "validation_list.txt").open("a") as file:
        file.writelines(f"up/{i}.wav\n" for i in range(8))
    with (root / "testing_list.txt").open("a") as file:
        file.write("bed/5.wav\n")
    found = scan(root, ["yes", "no"], DataConfig(silence=False, unknown_ratio=2))
    unknown = [clip for clip in found.clips if found.classes[clip.label] == UNKNOWN]
    assert Counter(clip.split for clip in unknown) == {"training": 16, "validation": 2, "testing": 1}
    assert {clip.path.split("/")[0] for clip in unknown} <= {"up", "left", "bed"}
    assert len({clip.path for clip in unknown}) == len(unknown)


def left_out(root: Path, held: int) -> None:
    """`small` and the words up and bed, of which `held` clips of up are in a list each."""
    small(root)
    fill(root, {word: [f"{i}.wav" for i in range(200)] for word in ("up", "bed")})
    for name, first in (("validation_list.txt", 0), ("testing_list.txt", 100)):
        with (root / name).open("a") as file:
            file.writelines(f"up/{first + i}.wav\n" for i in range(held))


def test_left_out_words_are_a_split_of_their_own(tmp_path: Path) -> None:
    root = tmp_path / "data"
    left_out(root, 50)
    found = scan(root, ["yes", "no"], DataConfig(silence=False, unknown_ratio=1000, unseen=("up",)))
    unseen = [clip for clip in found.clips if clip.path.startswith("up/")]
    assert {clip.split for clip in unseen} == {UNSEEN}
    assert {found.classes[clip.label] for clip in unseen} == {UNKNOWN}
    assert {clip.path for clip in unseen} == {f"up/{i}.wav" for i in (*range(50), *range(100, 150))}
    assert found.notes == (
        "words left out of training: 'up'; 100 clips, of held-out speakers",
        "the validation split has no clip of '_unknown_'",
        "the testing split has no clip of '_unknown_'",
    )
    others = [clip for clip in found.clips if clip not in unseen]
    assert Counter(clip.path.split("/")[0] for clip in others) == {"yes": 10, "no": 10, "bed": 200}
    assert UNSEEN not in {clip.split for clip in others}


def test_too_few_of_held_out_speakers_and_all_are_taken(tmp_path: Path) -> None:
    root = tmp_path / "data"
    left_out(root, 49)
    found = scan(root, ["yes", "no"], DataConfig(silence=False, unseen=("up",)))
    assert sum(clip.split == UNSEEN for clip in found.clips) == 200
    assert (
        found.notes[0] == "words left out of training: 'up'; 200 clips, of all speakers: only 98 are of held-out ones"
    )


def test_what_cannot_be_left_out(tmp_path: Path) -> None:
    root = tmp_path / "data"
    left_out(root, 50)
    with pytest.raises(DataError, match="no folder 'ub'") as caught:
        scan(root, ["yes", "no"], DataConfig(unseen=("ub",)))
    assert "'up'" in caught.value.hint
    with pytest.raises(DataError, match="leaves no unknown word") as caught:
        scan(root, ["yes", "no"], DataConfig(unseen=("up", "bed")))
    assert "unseen" in caught.value.hint


def test_underscore_folders_are_not_unknown_words(tmp_path: Path) -> None:
    root = tmp_path / "data"
    small(root)
    fill(root, {"_rejected": ["1.wav"], ".git": ["2.wav"], "up": ["3.wav"]})
    found = scan(root, ["yes", "no"], DataConfig(silence=False))
    assert [clip.path for clip in found.clips if found.classes[clip.label] == UNKNOWN] == ["up/3.wav"]


def test_silence_is_as_many_as_an_average_word_and_no_second_is_in_two_splits(tmp_path: Path) -> None:
    root = tmp_path / "data"
    fill(root, {word: [f"{i}.wav" for i in range(many)] for word, many in (("yes", 300), ("no", 100), ("up", 60))})
    listed(root, [f"yes/{i}.wav" for i in range(100)], [f"yes/{i}.wav" for i in range(100, 200)])
    noise(root, "a.flac", 40)
    noise(root, "b.wav", 25.5, 44_100)
    found = scan(root, ["yes", "no"], DataConfig())
    silence = [clip for clip in found.clips if found.classes[clip.label] == SILENCE]
    assert Counter(clip.split for clip in silence) == {"training": 100, "validation": 50, "testing": 50}
    assert found.noises == (f"{NOISE_FOLDER}/a.flac", f"{NOISE_FOLDER}/b.wav")
    for path, seconds in zip(found.noises, (40, 25.5), strict=True):
        spans = {
            split: [clip.start for clip in silence if clip.path == path and clip.split == split] for split in SPLITS
        }
        assert all(spans.values())
        edges = [0, 0.8 * seconds * 16_000, 0.9 * seconds * 16_000, seconds * 16_000]
        for split, first, end in zip(SPLITS, edges, edges[1:], strict=False):
            assert first <= min(spans[split]), split
            assert max(spans[split]) + 16_000 <= end, split
    gains = [clip.gain for clip in silence]
    assert 0 <= min(gains) < 0.1
    assert 0.9 < max(gains) <= 1
    assert len(set(gains)) == len(gains)


@pytest.mark.parametrize("kind", ["none", "empty", "not audio", "too short"])
def test_without_noise_silence_is_made_and_that_is_said(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "data"
    small(root)
    if kind == "empty":
        (root / NOISE_FOLDER).mkdir()
    if kind == "not audio":
        fill(root, {NOISE_FOLDER: ["a.wav"]})
    if kind == "too short":
        noise(root, "a.wav", 1.2)
    found = scan(root, ["yes", "no"], DataConfig(unknown=False))
    silence = [clip for clip in found.clips if found.classes[clip.label] == SILENCE]
    assert Counter(clip.split for clip in silence) == {"training": 8, "validation": 1, "testing": 1}
    assert {clip.path for clip in silence} == {SYNTHETIC_NOISE}
    assert len({clip.start for clip in silence}) == 10
    assert [note for note in found.notes if "faint white noise" in note] == list(found.notes)
    assert len(found.notes) == 1
    assert bool(found.skipped) == (kind == "not audio")


def test_noise_too_short_for_one_split_is_made_there_only(tmp_path: Path) -> None:
    root = tmp_path / "data"
    small(root)
    noise(root, "a.wav", 5)  # its tenths are half a second
    found = scan(root, ["yes", "no"], DataConfig(unknown=False))
    paths = {clip.split: clip.path for clip in found.clips if found.classes[clip.label] == SILENCE}
    assert paths == {"training": found.noises[0], "validation": SYNTHETIC_NOISE, "testing": SYNTHETIC_NOISE}
    assert "for validation, testing" in found.notes[0]


def test_fingerprint_follows_the_content_not_the_place(tmp_path: Path) -> None:
    root = tmp_path / "data"
    small(root)
    noise(root, "a.wav", 15)
    words, config = ["yes", "no"], DataConfig(unknown=False)
    first = scan(root, words, config).fingerprint
    assert scan(root, words, config).fingerprint == first
    moved = root.rename(tmp_path / "moved")
    assert scan(moved, words, config).fingerprint == first

    seen = {first}
    for change in (
        lambda: (moved / "yes/0.wav").write_bytes(b"YES/0.wav"),
        lambda: noise(moved, "a.wav", 16),
        lambda: listed(moved, ["yes/3.wav", "no/3.wav"], ["yes/7.wav", "no/8.wav"]),
        lambda: (moved / "no/0.wav").rename(moved / "no/00.wav"),
        lambda: (moved / "no/1.wav").unlink(),
    ):
        change()
        seen.add(scan(moved, words, config).fingerprint)
    seen.add(scan(moved, words, DataConfig(unknown=False, silence=False)).fingerprint)
    seen.add(scan(moved, words[::-1], config).fingerprint)
    assert len(seen) == 8


def test_files_that_are_not_used_do_not_change_the_fingerprint(tmp_path: Path) -> None:
    root = tmp_path / "data"
    small(root)
    first = scan(root, ["yes", "no"]).fingerprint
    fill(root, {"up": ["1.wav"]})
    (root / "README.md").write_text("hello")
    assert scan(root, ["yes", "no"]).fingerprint == first


def test_a_second_scan_reads_no_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "data"
    small(root)
    read: list[str] = []
    content = dataset._content
    monkeypatch.setattr(dataset, "_content", lambda path: (read.append(path.name), content(path))[1])
    first = scan(root, ["yes", "no"])
    assert len(read) == 20
    assert scan(root, ["yes", "no"]) == first
    assert len(read) == 20
    os.utime(root / "yes/4.wav", ns=(1, 1))
    assert scan(root, ["yes", "no"]) == first
    assert read[20:] == ["4.wav"]


@pytest.mark.parametrize("damage", ["", "{", "[]", "7", '{"yes/0.wav": 3}', '{"yes/0.wav": [1, 2]}', "\udcff"])
def test_a_damaged_cache_only_costs_time(tmp_path: Path, damage: str) -> None:
    root = tmp_path / "data"
    small(root)
    first = scan(root, ["yes", "no"])
    (store,) = (tmp_path / "cache").iterdir()
    store.write_bytes(damage.encode(errors="surrogateescape"))
    assert scan(root, ["yes", "no"]) == first
    assert scan(root, ["yes", "no"]) == first


@pytest.mark.parametrize("word", ["don't", 'say "hi"', "größe", "日本", "two\nlines", "a\tb", "*?[x]", "-rf", "%s{}"])
def test_any_folder_name_is_a_word(tmp_path: Path, word: str) -> None:
    root = tmp_path / "data"
    names = [f"{word} {i}.wav" for i in range(60)]
    fill(root, {word: names, "other": names, "third": names})
    found = scan(root, [word, "other"], DataConfig(silence=False))
    assert found.classes == (word, "other", UNKNOWN)
    assert sum(clip.label == 0 for clip in found.clips) == 60
    assert {clip.path.rsplit("/", 1)[0] for clip in found.clips if clip.label == 0} == {word}


def test_composed_and_decomposed_accents_are_one_word(tmp_path: Path) -> None:
    root = tmp_path / "data"
    on_disk, typed = unicodedata.normalize("NFD", "größe"), unicodedata.normalize("NFC", "größe")
    assert on_disk != typed
    small(root, (on_disk, "no"))
    listed(root, [f"{typed}/3.wav", "no/3.wav"], [f"{typed}/7.wav", "no/7.wav"])
    found = scan(root, [typed, "no"])
    assert [clip.path for clip in found.clips if clip.split == "testing"] == [f"{on_disk}/7.wav", "no/7.wav"]
    assert found.classes == (typed, "no")


def test_what_is_no_recording_is_listed(tmp_path: Path) -> None:
    root = tmp_path / "data"
    small(root)
    fill(root, {"yes": ["notes.txt", "a.mp3", "._1.wav", os.fsdecode(b"\xff.wav")], "up": ["b.ogg"]})
    (root / "yes" / "takes.wav").mkdir()
    (root / "no" / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    (root / os.fsdecode(b"\xfe")).mkdir()
    found = scan(root, ["yes", "no"], PLAIN)
    assert set(found.skipped) == {
        Skipped("\\udcfe", "has a name that is not UTF-8"),
        Skipped("yes/notes.txt", "is neither WAV nor FLAC"),
        Skipped("yes/a.mp3", "is neither WAV nor FLAC"),
        Skipped("yes/._1.wav", "is a hidden file"),
        Skipped("yes/\\udcff.wav", "has a name that is not UTF-8"),
        Skipped("yes/takes.wav", "is not a file"),
        Skipped("no/gone.wav", "is not a file"),
    }
    assert len(found.clips) == 20
    assert {clip.path for clip in found.clips}.isdisjoint(skip.path for skip in found.skipped)


def test_a_file_that_vanishes_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "data"
    small(root)
    content = dataset._content

    def vanishing(path: Path) -> str:
        if path.name == "5.wav":
            raise PermissionError(13, "Permission denied")
        return content(path)

    monkeypatch.setattr(dataset, "_content", vanishing)
    found = scan(root, ["yes", "no"])
    assert found.skipped == (
        Skipped("yes/5.wav", "cannot be opened: Permission denied"),
        Skipped("no/5.wav", "cannot be opened: Permission denied"),
    )
    assert len(found.clips) == 18


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_no_folder(tmp_path: Path, kind: str) -> None:
    if kind == "file":
        (tmp_path / "data").write_text("")
    with pytest.raises(DataError) as caught:
        scan(tmp_path / "data", ["yes", "no"])
    assert str(tmp_path / "data") in caught.value.message
    assert "--data" in caught.value.hint


def test_a_word_without_folder_names_the_nearest(tmp_path: Path) -> None:
    root = tmp_path / "data"
    small(root, ("yes", "no", "left"))
    with pytest.raises(DataError) as caught:
        scan(root, ["yes", "lift"])
    assert "'lift'" in caught.value.message
    assert caught.value.hint == "did you mean 'left'?"
    with pytest.raises(DataError) as caught:
        scan(root, ["yes", "xyzzy"])
    assert caught.value.hint == "folders there: 'left', 'no', 'yes'"


def test_a_word_without_recordings(tmp_path: Path) -> None:
    root = tmp_path / "data"
    small(root)
    fill(root, {"up": ["notes.txt"]})
    with pytest.raises(DataError) as caught:
        scan(root, ["yes", "up"])
    assert str(root / "up") in caught.value.message


def test_unknown_without_other_words(tmp_path: Path) -> None:
    root = tmp_path / "data"
    small(root)
    with pytest.raises(DataError) as caught:
        scan(root, ["yes", "no"], DataConfig(silence=False))
    assert UNKNOWN in caught.value.message
    assert "unknown = false" in caught.value.hint


def test_an_empty_split_is_an_error_and_a_lacking_word_a_note(tmp_path: Path) -> None:
    root = tmp_path / "data"
    small(root)
    listed(root, ["yes/3.wav"], ["yes/7.wav", "no/7.wav"])
    assert scan(root, ["yes", "no"]).notes == ("the validation split has no clip of 'no'",)
    listed(root, [], ["yes/7.wav", "no/7.wav"])
    with pytest.raises(DataError) as caught:
        scan(root, ["yes", "no"])
    assert "validation split" in caught.value.message
    assert "validation_list.txt" in caught.value.hint
    listed(root, ["yes/3.wav"], [f"no/{i}.wav" for i in range(10)])
    with pytest.raises(DataError, match="no clip of 'no' to train with"):
        scan(root, ["yes", "no"])
