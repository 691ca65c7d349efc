"""Which board of a project has been flashed last: the one that `eval` and others look for."""

import json
from pathlib import Path

from pqk.boards import from_anywhere
from pqk.files import atomic_write_text
from pqk.project import Project

FILE = "flashed.json"


def remember(project: Project, board: str | None) -> None:
    """Keep that `board` runs the project's firmware: a name, a path from here, or None for the project's own."""
    name = from_anywhere(board) if board else None
    other = None if name == from_anywhere(project.board, project.root) else name
    text = json.dumps({"board": other, "instead_of": project.board}, indent=1)
    atomic_write_text(_path(project), text + "\n")


def last(project: Project) -> str | None:
    """The board that was flashed last; None where it is the project's own, or that was chosen later."""
    path = _path(project)
    record = json.loads(path.read_text()) if path.is_file() else {"board": None, "instead_of": None}
    return record["board"] if record["instead_of"] == project.board else None


def _path(project: Project) -> Path:
    return project.build_dir / FILE
