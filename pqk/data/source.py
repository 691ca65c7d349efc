"""Where the recordings of a project are."""

import os
from pathlib import Path

from pqk.errors import DataError
from pqk.project import FILE_NAME, Project

FULL_FOLDER = "speech_commands_v0.02"
MINI_FOLDER = "mini_speech_commands"


def cache_directory() -> Path:
    """Where downloads go: PQK_CACHE, else ~/.cache/pqk-mcu. Raises DataError where this user has no home."""
    try:
        return Path(os.environ.get("PQK_CACHE") or "~/.cache/pqk-mcu").expanduser()
    except RuntimeError as error:
        raise DataError(f"downloads have no place: {error}", "export PQK_CACHE=/a/folder/for/downloads") from error


def locate(project: Project, explicit: Path | None = None) -> Path:
    """The folder named by `explicit` (--data), pqk.toml or PQK_DATA, else what was downloaded.

    Raises DataError when there is nothing, saying where it looked; and when what is named is not a folder, because
    another folder in its place would be a surprise.
    """
    found = _find(project, explicit)
    if found is None:
        looked = ["--data (not given)", f"source in {FILE_NAME} (not set)", "PQK_DATA (not set)"]
        looked += [f"{root} (not there)" for root in _downloads()]
        raise DataError(
            f"no recordings found; looked at {', '.join(looked)}",
            "pqk-mcu download mini (182 MB, 8 words) or pqk-mcu download full (2.3 GB, 35 words)",
        )
    return found


def is_there(project: Project, explicit: Path | None = None) -> bool:
    """Whether `locate` finds something; raises DataError like it when what is named is not a folder."""
    return _find(project, explicit) is not None


def _find(project: Project, explicit: Path | None) -> Path | None:
    named = (
        (explicit, "--data"),
        (project.data.source and project.root / Path(project.data.source).expanduser(), FILE_NAME),
        (os.environ.get("PQK_DATA"), "PQK_DATA"),
    )
    for name, origin in named:
        if name:
            root = Path(name).expanduser().resolve()
            if not root.is_dir():
                raise DataError(f"no folder of recordings at {root} ({origin})", f"correct {origin}, or leave it out")
            return root
    return next((root for root in _downloads() if root.is_dir()), None)


def _downloads() -> list[Path]:
    return [cache_directory() / FULL_FOLDER, cache_directory() / MINI_FOLDER]
