"""A user's own recording and its label file: what is read, and what is refused with which words."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from pqk.errors import DataError
from pqk.sources.file import AudioFile
from pqk.stream.labels import Recording, read_labels
from pqk.stream.words import Word

CLASSES = ("yes", "no", "_unknown_", "_silence_")
SECOND = 16_000


def labels(folder: Path, text: str) -> Path:
    path = folder / "labels.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_labels_as_audacity_writes_them(tmp_path: Path) -> None:
    text = (
        "\ufeff2.000000\t2.500000\tno\n\\\t100.0\t200.0\n\n1.000000\t1.250000\tyes\r\n"
        "3.0\t3.5\t_unknown_\n3.5\t3.5\t_silence_\n"
    )
    found = read_labels(labels(tmp_path, text), CLASSES, 4 * SECOND)
    assert found == (Word(0, 16000, 20000), Word(1, 32000, 40000))


def test_no_labels_are_no_words(tmp_path: Path) -> None:
    assert read_labels(labels(tmp_path, "\n"), CLASSES, SECOND) == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1.0\t1.2", "line 2: '1.0\\\\t1.2' is not a label"),
        ("1.0 1.2 yes", "line 2: '1.0 1.2 yes' is not a label"),
        ("one\ttwo\tyes", "is not a label"),
        ("1,0\t1,2\tyes", "is not a label"),
        ("nan\t1.2\tyes", "is not a label"),
        ("1.0\t1.2\t ", "is not a label"),
        ("1.0\t1.2\tyes\tmore", "is not a label"),
        ("1.0\t1.2\tYes", r"line 2: 'Yes' is not a word of this project \(yes, no\)"),
        ("1.2\t1.0\tyes", "line 2: 'yes' from 1.2 to 1 s: it ends before it starts"),
        ("-1\t1.0\tyes", "lasts from 0 to 4.00 s"),
        ("3\t4.5\tyes", "lasts from 0 to 4.00 s"),
    ],
)
def test_a_wrong_line_is_named(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_labels(labels(tmp_path, f"0.1\t0.2\tno\n{line}\n"), CLASSES, 4 * SECOND)
    assert caught.value.hint


def test_label_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened: No such file"):
        read_labels(tmp_path / "none.txt", CLASSES, SECOND)
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a text in UTF-8"):
        read_labels(tmp_path / "labels.txt", CLASSES, SECOND)


def write(path: Path, samples: np.ndarray, rate: int = SECOND) -> Path:
    soundfile.write(path, samples, rate)
    return path


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_any_part_of_a_file_can_be_read(suffix: str, tmp_path: Path) -> None:
    pcm = np.arange(-500, 500, dtype=np.int16)
    with AudioFile(write(tmp_path / f"a{suffix}", pcm)) as file:
        assert file.samples == 1000
        assert np.array_equal(file.read(0, 1000), pcm)
        assert np.array_equal(file.read(-3, 2), [0, 0, 0, -500, -499])
        assert np.array_equal(file.read(998, 1002), [498, 499, 0, 0])
        assert np.array_equal(file.read(2000, 2002), [0, 0])
        assert np.array_equal(np.concatenate(list(file.blocks())), pcm)


def test_audio_that_is_refused(tmp_path: Path) -> None:
    tone = np.zeros(100, np.int16)
    cases = [
        (
            write(tmp_path / "a.wav", tone, 44_100),
            "a sample rate of 44100 Hz; the front end takes mono .* 16000",
            "sox",
        ),
        (write(tmp_path / "b.flac", np.stack([tone, tone], 1)), "has 2 channels", "ffmpeg -i .* -ar 16000 -ac 1"),
        (write(tmp_path / "c.wav", np.stack([tone, tone], 1), 8000), "8000 Hz and 2 channels", "-r 16000 -c 1"),
        (write(tmp_path / "d.wav", tone[:0]), "holds no samples", "not empty"),
        (tmp_path / "none.wav", "there is no file|cannot be opened", "WAV or FLAC"),
        (tmp_path, "not readable|cannot be opened", "WAV or FLAC"),
        (labels(tmp_path, "1\t2\tyes\n"), "not readable as audio", "WAV or FLAC"),
    ]
    (tmp_path / "e.wav").touch()
    cases.append((tmp_path / "e.wav", "is empty", "not empty"))
    for path, message, hint in cases:
        with pytest.raises(DataError, match=message) as caught:
            AudioFile(path)
        assert str(path) in caught.value.message
        import re

        assert re.search(hint, caught.value.hint)


def test_a_recording_has_words(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.zeros(2 * SECOND, np.int16))
    with Recording(path, labels(tmp_path, "0.5\t1.0\tyes\n"), CLASSES) as stream:
        assert stream.words == (Word(0, 8000, 16000),)
    with pytest.raises(DataError, match="line 1"):
        Recording(path, labels(tmp_path, "0.5\n"), CLASSES)
