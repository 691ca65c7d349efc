"""Which board of a project has been flashed last: the one that `eval` and others look for."""

import json
from pathlib import Path

from pqk.files import atomic_write_text
from pqk.project import Project

FILE = "flashed.json"


def remember(project: Project, board: str) -> None:
    """Keep that `board`, a name or a path, runs the project's firmware."""
    text = json.dumps({"board": board, "instead_of": project.board}, indent=1)
    atomic_write_text(_path(project), text + "\n")


def last(project: Project) -> str | None:
    """What `remember` was told; None where nothing was flashed since the project has its board."""
    path = _path(project)
    if not path.is_file():
        return None
    record = json.loads(path.read_text())
    return str(record["board"]) if record["instead_of"] == project.board else None


def _path(project: Project) -> Path:
    return project.build_dir / FILE
