"""One run beside another: what changed, and by how much, wherever both are counted in the same unit."""

from collections.abc import Mapping
from typing import Any

from pqk.report.history import Found
from pqk.report.key_figures import COMMAND, Figure, key_figures
from pqk.report.records import Record

Row = dict[str, Any]


def compare(report: Mapping[str, Any], found: Found) -> dict[str, Any]:
    """What report.json says under `against`: `report` beside the one that was found.

    `unit` and `unit_there` are those of the layers' costs. In every row `here` and `there` are the two values,
    `difference` is here less there, and `percent` that difference in percent of there. None stands for what a run does
    not have, and for differences of what is counted in two units.

    Raises PqkError when the other report lacks what every report has.
    """
    here, there = Record("report", COMMAND, report), Record(found.name, COMMAND, found.report)
    board = there.table("board")
    return {
        "name": found.name,
        "time": found.report.get("time"),
        "board": {"name": board.text("name"), "title": board.text("title")},
        "build": there.table("build").text("id"),
        "split": there.table("data").text("split"),
        "clips": there.table("parity").whole("clips"),
        "unit": _unit(here),
        "unit_there": _unit(there),
        "notes": _notes(here, there),
        "figures": _figures(key_figures(report), key_figures(found.report, found.name)),
        "paired": _paired(here, there),
        "per_class": _per_class(here, there),
        "layers": _layers(here, there),
    }


def measured(comparison: Mapping[str, Any]) -> dict[str, str]:
    """How the comparison was made, in words; an entry of the report's `measured`."""
    test = (
        " p: McNemar's exact test on the clips that only one of the two gets right; it takes clips for independent, "
        "and says nothing on how another seed would do."
    )
    return {
        "figure": f"Against {comparison['name']}",
        "key": "against",
        "how": "This report's figures less those of the other one, where both are counted in the same unit; "
        f"percent are of the other one's figure.{test if comparison['paired'] else ''}",
    }


def _notes(here: Record, there: Record) -> list[str]:
    """What the two runs do not have in common."""
    notes = []
    ours, theirs = (record.table("board").text("title") for record in (here, there))
    if ours != theirs:
        notes.append(f"The boards differ: {ours} here, {theirs} there.")
    ours, theirs = _unit(here), _unit(there)
    if ours != theirs:
        notes.append(f"This run counts {ours}, the other one {theirs}: no cost is subtracted from the other.")
    ours, theirs = (", ".join(_classes(record)) for record in (here, there))
    if ours != theirs:
        notes.append(f"The classes differ: {ours} here, {theirs} there.")
    if not _same_clips(here, there):
        ours, theirs = (
            f"{record.table('parity').whole('clips'):,} of {record.table('data').text('split')}"
            for record in (here, there)
        )
        notes.append(f"The clips are not the same ones ({ours} here, {theirs} there): no paired test of the accuracy.")
    return notes


def _figures(here: list[Figure], there: list[Figure]) -> list[Row]:
    ours, theirs = ({figure.title: figure for figure in figures} for figures in (here, there))
    return [_figure(title, ours.get(title), theirs.get(title)) for title in dict.fromkeys([*ours, *theirs])]


def _figure(title: str, here: Figure | None, there: Figure | None) -> Row:
    units = [figure.unit if figure else None for figure in (here, there)]
    values = [figure.value if figure else None for figure in (here, there)]
    same = units[0] == units[1]
    return {"title": title, "unit": units[0], "unit_there": units[1], **_row(*values, comparable=same)}


def _paired(here: Record, there: Record) -> dict[str, Any] | None:
    """Clips that only one of the two gets right, and the p-value of McNemar's test; None where clips differ."""
    if not _same_clips(here, there):
        return None
    from pqk.compare.statistics import mcnemar  # scipy is slow to import and needed only here

    pairs = list(zip(*(record.table("answers").text("right") for record in (here, there)), strict=True))
    won, lost = pairs.count(("1", "0")), pairs.count(("0", "1"))
    return {"won": won, "lost": lost, "p": mcnemar(won, lost)}


def _per_class(here: Record, there: Record) -> list[Row]:
    ours, theirs = _answers_by_class(here), _answers_by_class(there)
    same = here.table("parity").whole("clips") == there.table("parity").whole("clips")
    rows = []
    for label in dict.fromkeys([*ours, *theirs]):
        left, right = ours.get(label, (None, None)), theirs.get(label, (None, None))
        recall = _row(left[0], right[0], comparable=True)
        rows.append({"label": label, "recall": recall, "false_positives": _row(left[1], right[1], comparable=same)})
    return rows


def _answers_by_class(record: Record) -> dict[str, tuple[float | None, int]]:
    """By class: its recall, None where it has no clips, and how many clips of other classes were taken for it."""
    return {
        entry.text("label"): (
            entry.whole("correct") / entry.whole("clips") if entry.whole("clips") else None,
            entry.whole("false_positives"),
        )
        for entry in record.tables("per_class")
    }


def _layers(here: Record, there: Record) -> list[Row]:
    ours, theirs = ({layer.text("name"): layer for layer in record.tables("layers")} for record in (here, there))
    same = _unit(here) == _unit(there)
    rows = []
    for name in dict.fromkeys([*ours, *theirs]):
        pair = ours.get(name), theirs.get(name)
        kernels = [layer.text("kernel") if layer else None for layer in pair]
        costs = [layer.number("instructions") if layer else None for layer in pair]
        rows.append({"name": name, "kernel": kernels[0], "kernel_there": kernels[1], **_row(*costs, comparable=same)})
    return rows


def _row(here: float | None, there: float | None, *, comparable: bool) -> Row:
    difference = here - there if comparable and here is not None and there is not None else None
    percent = 100 * difference / there if difference is not None and there else None
    return {"here": here, "there": there, "difference": difference, "percent": percent}


def _unit(record: Record) -> str:
    return record.table("cost").text("kind")


def _classes(record: Record) -> list[str]:
    return record.table("project").texts("classes")


def _same_clips(here: Record, there: Record) -> bool:
    ours, theirs = (record.table("answers").text("clips") for record in (here, there))
    return ours == theirs
