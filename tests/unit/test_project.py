"""pqk.toml: what is written can be read, and what is wrong is named."""

from pathlib import Path

import pytest
from pqk_codegen import decision

from pqk import project
from pqk.errors import ProjectError

HEAD = '[project]\nwords = ["yes", "no"]\n'


def write(root: Path, text: str) -> Path:
    (root / project.FILE_NAME).write_text(text, encoding="utf-8")
    return root


def test_a_new_project_has_the_defaults(tmp_path: Path) -> None:
    project.create(tmp_path / "lights", "lights", ["yes", "no"], "mps2-an386")
    loaded = project.load(tmp_path / "lights")
    assert loaded == project.Project(root=(tmp_path / "lights").resolve(), name="lights", words=("yes", "no"))
    assert loaded.classes == ("yes", "no", "_unknown_", "_silence_")


def test_every_setting_is_in_the_file(tmp_path: Path) -> None:
    text = project.create(tmp_path, "lights", ["yes", "no"], "mps2-an386").read_text()
    for config in (project.DataConfig, project.FrontEndConfig, project.NetworkConfig):
        assert all(f"{key} = " in text for key in config.__dataclass_fields__)
    for config in (project.CompressionConfig, project.TrainingConfig, project.StreamConfig, project.BuildConfig):
        assert all(f"{key} = " in text for key in config.__dataclass_fields__)


@pytest.mark.parametrize("word", ['say "hi"', "größe", "two\nlines", "back\tslash"])
def test_strange_words_survive(word: str, tmp_path: Path) -> None:
    project.create(tmp_path, 'a "project"', ["yes", word], "mps2-an386", source='/data/with "quotes"')
    loaded = project.load(tmp_path)
    assert (loaded.words, loaded.name, loaded.data.source) == (("yes", word), 'a "project"', '/data/with "quotes"')


def test_an_existing_project_is_not_overwritten(tmp_path: Path) -> None:
    write(tmp_path, HEAD)
    with pytest.raises(ProjectError, match="exists already"):
        project.create(tmp_path, "x", ["yes", "no"], "mps2-an386")
    assert (tmp_path / project.FILE_NAME).read_text() == HEAD


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["yes"], "1 word"),
        ([], "0 word"),
        (["yes", "no", "yes"], "word given twice: yes"),
        (["yes", ""], "cannot be the name of a folder"),
        (["yes", "a/b"], "cannot be the name of a folder"),
        (["yes", "_unknown_"], "cannot be the name of a folder"),
    ],
)
def test_unusable_words(words: list[str], message: str) -> None:
    with pytest.raises(ProjectError, match=message):
        project.check_words(words)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("words =", "not valid TOML"),
        ("[project]\nwords = 3\n", "must be a list of words"),
        ('[project]\nwords = ["yes", 3]\n', "must be a list of words"),
        (HEAD + "[trainig]\n", "unknown key 'trainig' in the file"),
        (HEAD + "[training]\nepoch = 3\n", r"unknown key 'epoch' in \[training\]"),
        (HEAD + "[training]\nphase1_epochs = 3.5\n", "is not of type int"),
        (HEAD + "[training]\nphase1_epochs = true\n", "is not of type int"),
        (HEAD + "[training]\nphase1_epochs = 0\n", "must be at least 1"),
        (HEAD + '[data]\nunseen = "cat"\n', "data.unseen must be a list of words"),
        (HEAD + "[data]\nunseen = [3]\n", "data.unseen must be a list of words"),
        (HEAD + '[data]\nunseen = ["cat", "cat"]\n', "word given twice: cat"),
        (HEAD + '[data]\nunseen = ["a/b"]\n', "cannot be the name of a folder"),
        (HEAD + '[data]\nunseen = ["_background_noise_"]\n', "cannot be the name of a folder"),
        (HEAD + '[data]\nunseen = ["cat", "no"]\n', r"data\.unseen = \['cat', 'no'\]: no is in project\.words"),
        (HEAD + '[data]\nunknown = false\nunseen = ["cat"]\n', "needs unknown = true"),
        (HEAD + "[training]\nspeed_percent = 51\n", "must lie in 0..50"),
        (HEAD + "[training]\npitch_percent = -1\n", "must lie in 0..50"),
        (HEAD + "[training]\nunknown_spliced = 1.1\n", r"unknown_spliced = 1\.1: must lie in 0\.\.1"),
        (
            HEAD + "[training]\nunknown_reversed = 0.5\nunknown_mixed = 0.7\n",
            r"unknown_mixed = 1\.2: must be at most 1",
        ),
        (HEAD + "[compression]\nsparsity = 1.5\n", "must lie in 0..0.99"),
        (HEAD + '[compression]\nsparsity = "high"\n', "is not of type float"),
        (HEAD + "[compression]\nweight_bits = 9\n", "must lie in 2..8"),
        (HEAD + "[compression]\nlane_budget = true\n", r"compression\.lane_budget = true is not of type int"),
        (HEAD + "[compression]\nlane_budget = 32\n", "must be 0, 15 or 16"),
        (HEAD + "[compression]\nbudget_bytes = -1\n", r"compression\.budget_bytes = -1: must not be negative"),
        (
            HEAD + "[compression]\nbudget_instructions = 9\nbudget_nonzeros = 5\n",
            r"compression\.budget_instructions = 9: there is compression\.budget_nonzeros already",
        ),
        (HEAD + '[front_end]\nkind = "wavelet"\n', "must be one of log-mel, mfcc"),
        (HEAD + "[front_end]\nlow_hz = 5000\nhigh_hz = 300\n", "low_hz"),
        (HEAD + "[front_end]\nwindow_ms = 65\n", "10..64"),
        (HEAD + "[network]\nwidth = 257\n", "0..256"),
        (HEAD + "[front_end]\ncoefficients = 10\n", "for kind mfcc only"),
        (HEAD + '[front_end]\nkind = "mfcc"\ncoefficients = 41\n', "0..40, the bands"),
        (
            HEAD + "[stream]\nhop_ms = 25\n",
            "stream.hop_ms = 25: must be a multiple of front_end.hop_ms = 10, such as 20",
        ),
        (HEAD + "[front_end]\nhop_ms = 15\n", "hop_ms = 100: must be a multiple of front_end.hop_ms = 15, such as 105"),
        (HEAD + "[stream]\nhop_ms = 0\n", "must lie in 1..1000"),
        (HEAD + "[stream]\nhop_ms = 10\nsmoothing_ms = 330\n", "must lie in 0..320, 32 inferences"),
        (HEAD + "[stream]\ntemperature = 0\n", "must lie in 0.1..100"),
        (HEAD + "[stream]\nthreshold = 1.2\n", "must lie in 0..1"),
        (HEAD + "[stream]\nrefractory_ms = -1\n", "must lie in 0..60000"),
        (HEAD + "[project.x]\n", "unknown key 'x'"),
        ("project = 3\n", r"\[project\] must be a table"),
        ("data = 3\n" + HEAD, r"\[data\] must be a table"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=message) as caught:
        project.load(write(tmp_path, text))
    assert str(tmp_path / project.FILE_NAME) in caught.value.message
    assert caught.value.hint


def test_a_near_key_is_offered(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as caught:
        project.load(write(tmp_path, HEAD + "[training]\nlearning_rat = 0.1\n"))
    assert caught.value.hint == "did you mean learning_rate?"


def test_words_left_out_are_read(tmp_path: Path) -> None:
    assert project.load(write(tmp_path, HEAD + '[data]\nunseen = ["cat", "bed"]\n')).data.unseen == ("cat", "bed")


def test_no_project(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"no pqk\.toml in"):
        project.load(tmp_path)


def test_a_whole_number_is_a_number(tmp_path: Path) -> None:
    assert project.load(write(tmp_path, HEAD + "[data]\nunknown_ratio = 2\n")).data.unknown_ratio == 2.0


def test_a_hop_fits_the_front_end_of_its_project(tmp_path: Path) -> None:
    text = HEAD + "[front_end]\nhop_ms = 20\n[stream]\nhop_ms = 40\nsmoothing_ms = 400\n"
    loaded = project.load(write(tmp_path, text))
    assert (loaded.stream.hop_ms, loaded.front_end.hop_ms) == (40, 20)


def test_the_device_smooths_as_much_as_a_project_may_ask_for() -> None:
    assert decision.MOST_SMOOTHING == project.MOST_SMOOTHING
