"""Which rows a comparison has: read and checked before anything is trained.

A file of rows is TOML:

    [compare]
    seeds = 3                  # of every row that names no number of its own
    control = "pqk-phase1"     # the row that the others are tested against; may be left out

    [training]                 # for all rows, instead of what pqk.toml says
    phase1_epochs = 22

    [[row]]
    name = "pqk"
    seeds = 5
    network.arch = "res8-narrow"
    compression.method = "pqk"
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pqk import pipeline
from pqk.errors import ProjectError
from pqk.project import Project, check_keys, overridden

FILE = "compare.toml"
CONTROL = "pqk-phase1"
"""What the others are tested against where no file says so."""
SEEDS = 3
MOST_SEEDS = 1000


@dataclass(frozen=True)
class Row:
    """One setting, trained with several seeds."""

    name: str
    project: Project
    """With the row's settings."""
    seeds: int
    """How many: that of the project, and those after it."""

    def runs(self) -> Iterator[Project]:
        """The project with each of the seeds."""
        training = self.project.training
        for seed in range(training.seed, training.seed + self.seeds):
            yield replace(self.project, training=replace(training, seed=seed))


@dataclass(frozen=True)
class Comparison:
    """Rows with one budget of epochs, and the name of the one that is the control."""

    rows: tuple[Row, ...]
    control: str | None


def of_methods(project: Project, methods: Sequence[str], seeds: int | None = None) -> Comparison:
    """A row for each method, at the project's own settings; without those that a method has no use for.

    The control is `CONTROL`, where it is one of them.
    Raises ProjectError: a method is unknown, named twice, or cannot be trained with the project's settings.
    """
    entries = [{"name": method, "compression": {"method": method, **pipeline.unused(method)}} for method in methods]
    rows = [_row(project, entry, SEEDS if seeds is None else seeds, "method") for entry in entries]
    return _comparison(rows, CONTROL if CONTROL in methods else None)


def of_file(project: Project, path: Path, seeds: int | None = None) -> Comparison:
    """The rows in the file at `path`; `seeds`, if given, goes for all of them, whatever the file says.

    Raises ProjectError: there is no such file, or it asks for what cannot be done; the message names the row.
    """
    with _named(str(path)):
        table = _read(path)
        check_keys("the file", table, ["compare", "training", "row"])
        head = table.get("compare", {})
        if not isinstance(head, dict):
            raise ProjectError("[compare] must be a table", "write [compare] on a line of its own")
        check_keys("[compare]", head, ["seeds", "control"])
        base = overridden(project, {"training": table.get("training", {})})
        entries = table.get("row", [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ProjectError("row must be a list of tables", "write [[row]] above every row")
        common = _seeds(head.get("seeds", SEEDS)) if seeds is None else seeds
        if seeds is not None:
            entries = [{**entry, "seeds": seeds} for entry in entries]
        rows = [_row(base, entry, common, "row") for entry in entries]
        return _comparison(rows, head.get("control"))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "write rows into it, or: pqk-mcu compare --methods pqk,pqk-phase1"
        raise ProjectError(f"cannot be read: {error.strerror}", hint) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"not valid TOML: {error}") from error


def _row(base: Project, entry: Mapping[str, Any], seeds: int, kind: str) -> Row:
    name = entry.get("name")
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise ProjectError(f"a {kind} has no name", 'write name = "..." below [[row]]')
    with _named(f"{kind} {name!r}"):
        if "training" in entry:
            raise ProjectError(
                "a row cannot have [training] of its own: all get the same budget",
                "write [training] once, above the rows",
            )
        check_keys("the row", entry, ["name", "seeds", "network", "compression"])
        project = overridden(base, {key: entry[key] for key in ("network", "compression") if key in entry})
        pipeline.check_training(project)
        return Row(name, project, _seeds(entry.get("seeds", seeds)))


def _seeds(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MOST_SEEDS:
        raise ProjectError(f"seeds = {value!r} must be a whole number in 1..{MOST_SEEDS}")
    return value


def _comparison(rows: Sequence[Row], control: object) -> Comparison:
    names = [row.name for row in rows]
    if not rows:
        raise ProjectError("there are no rows to compare", "write a [[row]], or name --methods")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ProjectError(f"named twice: {', '.join(doubled)}", "give every row a name of its own")
    if control is not None and control not in names:
        raise ProjectError(f"control = {control!r} is none of the rows", f"rows: {', '.join(names)}; or leave it out")
    return Comparison(tuple(rows), None if control is None else str(control))


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Errors inside begin with what they are about."""
    try:
        yield
    except ProjectError as error:
        raise ProjectError(f"{what}: {error.message}", error.hint) from error
