"""pqk.flashed: which board was flashed last."""

import dataclasses
from pathlib import Path

from pqk import flashed, project


def test_the_board_that_was_flashed_last(tmp_path: Path) -> None:
    project.create(tmp_path / "lights", "lights", ["yes", "no"], "mps2-an386", None)
    opened = project.load(tmp_path / "lights")
    assert flashed.last(opened) is None
    for board in ("microbit", "/a/b.toml", "mps2-an386"):
        flashed.remember(opened, board)
        assert flashed.last(opened) == board
    assert flashed.last(dataclasses.replace(opened, board="microbit")) is None  # chosen after that
