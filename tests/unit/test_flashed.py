"""pqk.flashed: which board was flashed last."""

import dataclasses
from pathlib import Path

import pytest

from pqk import flashed, project


def test_the_board_that_was_flashed_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.create(tmp_path / "lights", "lights", ["yes", "no"], "mps2-an386", None)
    opened = project.load(tmp_path / "lights")
    monkeypatch.chdir(tmp_path)
    for board, last in (
        ("microbit", "microbit"),
        (None, None),
        ("a/b.toml", str(tmp_path / "a" / "b.toml")),
        ("mps2-an386", None),
        ("microbit", "microbit"),
    ):
        flashed.remember(opened, board)
        assert flashed.last(opened) == last
    assert flashed.last(dataclasses.replace(opened, board="microbit-v1")) is None  # chosen after that


def test_the_projects_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.create(tmp_path / "lights", "lights", ["yes", "no"], "mps2-an386", None)
    opened = dataclasses.replace(project.load(tmp_path / "lights"), board="mine.toml")
    assert flashed.last(opened) is None
    monkeypatch.chdir(tmp_path / "lights")
    for board in ("mine.toml", "../lights/mine.toml", None):
        flashed.remember(opened, board)
        assert flashed.last(opened) is None
