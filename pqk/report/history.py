"""Every report that was made stays, in <project>/history/<number>-<board>-<build id>.json, beside pqk.toml.

Such a file is report.json, without what it was compared with, and with the `time` at which it was made. It is
written once and never changed; it does not lie in build/, so that a project can be cleaned and its history kept.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pqk.errors import PqkError
from pqk.files import atomic_write_text, exclusive
from pqk.report.document import SCHEMA

FOLDER = "history"
_HINT = "pqk-mcu report writes report.json; a damaged file of a history can be removed"
_NAME = re.compile(r"(\d+)-.+\.json")


@dataclass(frozen=True)
class Entry:
    """A report that was kept."""

    number: int
    report: dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A report to compare with, and what it is called."""

    name: str
    report: dict[str, Any]


def keep(report: Mapping[str, Any], root: Path, now: datetime) -> Entry:
    """Put `report` (see `assemble`) into the history of the project in `root`.

    Returns its entry; that of an earlier report where that says the same, for it is the same measurement.

    Raises PqkError when an earlier report of the same build cannot be read.
    """
    measurement = json.loads(json.dumps(report))
    with exclusive(root / FOLDER / ".number", wait=True):  # no two get the same
        return _kept_already(measurement, root) or _add(measurement, root, now)


def _kept_already(measurement: dict[str, Any], root: Path) -> Entry | None:
    for number, path in _files(root):
        if path.stem.endswith(f"-{_stem(measurement)}"):
            kept = read(path)
            if {key: value for key, value in kept.items() if key != "time"} == measurement:
                return Entry(number, kept)
    return None


def _add(measurement: dict[str, Any], root: Path, now: datetime) -> Entry:
    entry = {"time": now.isoformat(timespec="seconds"), **measurement}
    number = max((number for number, _ in _files(root)), default=0) + 1
    content = json.dumps(entry, indent=1, ensure_ascii=False) + "\n"
    atomic_write_text(root / FOLDER / f"{number:04}-{_stem(measurement)}.json", content)
    return Entry(number, entry)


def _stem(report: Mapping[str, Any]) -> str:
    return f"{report['board']['name']}-{report['build']['id']}"


def entries(root: Path) -> list[Entry]:
    """The history of the project in `root`, oldest first. Raises PqkError when a file of it cannot be read."""
    return [Entry(number, read(path)) for number, path in _files(root)]


def find(what: str, root: Path) -> Found:
    """The report that `what` means: a number of the history, a build id in it (its newest report), or a path.

    Raises PqkError: it is none of these, or the file cannot be read.
    """
    kept = entries(root)
    numbered = [entry for entry in kept if what.isdecimal() and entry.number == int(what)]
    chosen = numbered or [entry for entry in kept if entry.report["build"]["id"] == what]
    if chosen:
        return Found(f"number {chosen[-1].number}", chosen[-1].report)
    if not Path(what).is_file():
        raise PqkError(
            f"{what!r} is no number of the history, no build id in it and no file",
            "pqk-mcu history lists what there is",
        )
    return Found(what, read(Path(what)))


def read(path: Path) -> dict[str, Any]:
    """A report.json, or a file of a history. Raises PqkError when it is none that this version knows."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PqkError(f"{path} cannot be read: {error}", _HINT) from error
    if not isinstance(report, dict) or report.get("schema") != SCHEMA or "answers" not in report:
        raise PqkError(f"{path} is no report of this version", _HINT)
    return report


def _files(root: Path) -> list[tuple[int, Path]]:
    """Numbers and paths, in order."""
    named = ((_NAME.fullmatch(path.name), path) for path in (root / FOLDER).glob("*.json"))
    return sorted((int(match[1]), path) for match, path in named if match)
