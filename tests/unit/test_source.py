"""Where recordings are looked for, and in which order."""

from pathlib import Path

import pytest

from pqk.data.source import FULL_FOLDER, MINI_FOLDER, is_there, locate
from pqk.errors import DataError
from pqk.project import DataConfig, Project


@pytest.fixture(autouse=True)
def _no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PQK_DATA", raising=False)
    monkeypatch.setenv("PQK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def project(root: Path, source: str | None = None) -> Project:
    return Project(root=root, name="p", words=("yes", "no"), data=DataConfig(source=source))


def folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def test_the_nearest_to_the_user_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders are added from the last resort to the first; each new one takes over."""
    asked = project(tmp_path / "p")
    assert not is_there(asked)
    for name in (MINI_FOLDER, FULL_FOLDER):
        added = folder(tmp_path / "cache" / name)
        assert locate(asked) == added
    monkeypatch.setenv("PQK_DATA", str(folder(tmp_path / "environment")))
    assert locate(asked) == tmp_path / "environment"
    folder(tmp_path / "p" / "recordings")
    asked = project(tmp_path / "p", "recordings")
    assert locate(asked) == tmp_path / "p" / "recordings"
    assert locate(asked, folder(tmp_path / "given")) == tmp_path / "given"
    assert is_there(asked)


def test_relative_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In pqk.toml from the project, elsewhere from the working folder; ~ is the home folder."""
    folder(tmp_path / "p")
    here = folder(tmp_path / "here")
    assert locate(project(tmp_path / "p"), Path("here")) == here
    assert locate(project(tmp_path / "p", "../here")) == here
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate(project(tmp_path / "p"), Path("~/here")) == here
    assert locate(project(tmp_path / "p", "~/here")) == here


@pytest.mark.parametrize("origin", ["--data", "pqk.toml", "PQK_DATA"])
def test_a_wrong_name_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    folder(tmp_path / "cache" / FULL_FOLDER)
    if origin == "PQK_DATA":
        monkeypatch.setenv("PQK_DATA", str(tmp_path / "gone"))
    asked = project(tmp_path, "gone" if origin == "pqk.toml" else None)
    explicit = Path("gone") if origin == "--data" else None
    for call in (locate, is_there):
        with pytest.raises(DataError) as caught:
            call(asked, explicit)
        assert str(tmp_path / "gone") in caught.value.message
        assert origin in caught.value.message


def test_an_empty_variable_is_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQK_DATA", "")
    assert not is_there(project(tmp_path))


def test_the_cache_has_a_usual_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PQK_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = folder(tmp_path / "home" / ".cache" / "pqk-mcu" / MINI_FOLDER)
    assert locate(project(tmp_path)) == root


def test_nothing_found_says_where_it_looked_and_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        locate(project(tmp_path))
    error = caught.value
    for text in ("--data", "pqk.toml", "PQK_DATA", str(tmp_path / "cache" / FULL_FOLDER), MINI_FOLDER):
        assert text in error.message
    assert "pqk-mcu download mini" in error.hint
    assert "pqk-mcu download full" in error.hint


def test_a_user_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(DataError, match="no place: Could not") as caught:
        locate(project(tmp_path))
    assert "PQK_CACHE" in caught.value.hint
