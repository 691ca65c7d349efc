"""A comparison (see `pqk.report.against`) in sentences and tables: the same ones for the terminal and for the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pqk.report.key_figures import SHARE, bare, said_difference, said_percent
from pqk.report.text import visible

NONE = "–"


@dataclass(frozen=True)
class Sheet:
    """A table of text. The first `left` columns hold names, the others figures."""

    title: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    left: int = 1


def headline(comparison: Mapping[str, Any]) -> str:
    """Which run it is that this one stands beside."""
    when = f", {minute(comparison['time'])}" if comparison["time"] else ""
    return (
        f"{visible(comparison['name'])}: build {comparison['build']} on {comparison['board']['title']}, "
        f"{comparison['clips']:,} clips of the {comparison['split']} split{when}"
    )


def minute(time: str) -> str:
    """A moment without its seconds and zone: "2026-11-23T02:40:12+00:00" -> "2026-11-23 02:40"."""
    return time[:16].replace("T", " ")


def remarks(comparison: Mapping[str, Any]) -> list[str]:
    """What the runs do not have in common, and how sure the difference in accuracy is."""
    lines = [visible(note) for note in comparison["notes"]]
    paired = comparison["paired"]
    if paired:
        p = "p < 0.001" if paired["p"] < 0.001 else f"p = {paired['p']:.3f}"
        lines.append(
            f"Of the same clips {paired['won']:,} are right here only and {paired['lost']:,} there only: "
            f"{p} (McNemar, exact)."
        )
    return lines


def sheets(comparison: Mapping[str, Any]) -> list[Sheet]:
    """Key figures, classes and layers, in that order."""
    unit, unit_there = comparison["unit"], comparison["unit_there"]
    there = "there" if unit == unit_there else f"{unit_there}, there"
    return [
        Sheet("figures", ("figure", "in", "here", "there", "difference", "in percent"), _figures(comparison), left=2),
        Sheet(
            "classes",
            ("class", "recall here", "there", "difference", "wrongly taken for it here", "there", "difference"),
            _classes(comparison),
        ),
        Sheet(
            "layers",
            ("layer", "kernel", f"{unit}, here", there, "difference", "in percent"),
            _layers(comparison),
            left=2,
        ),
    ]


def _figures(comparison: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for row in comparison["figures"]:
        units = [unit if unit != SHARE else "" for unit in (row["unit"], row["unit_there"])]
        cells = _bare(row["here"], row["unit"]), _bare(row["there"], row["unit_there"])
        changes = said_difference(row["difference"], row["unit"]), said_percent(row["percent"])
        rows.append((row["title"], _both(*units), *cells, *changes))
    return rows


def _classes(comparison: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (visible(row["label"]), *_values(row["recall"], SHARE), *_values(row["false_positives"], "clips"))
        for row in comparison["per_class"]
    ]


def _layers(comparison: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            visible(row["name"]),
            _both(row["kernel"], row["kernel_there"]),
            *_values(row, comparison["unit"]),
            said_percent(row["percent"]),
        )
        for row in comparison["layers"]
    ]


def _both(here: str | None, there: str | None) -> str:
    """What a row is in: once where both runs say the same."""
    ours, theirs = (NONE if name is None else visible(name) for name in (here, there))
    return ours if here == there else f"{ours}, there {theirs}"


def _values(row: Mapping[str, Any], unit: str) -> tuple[str, str, str]:
    return _bare(row["here"], unit), _bare(row["there"], unit), said_difference(row["difference"], unit)


def _bare(value: float | None, unit: str) -> str:
    return NONE if value is None else bare(value, unit)
