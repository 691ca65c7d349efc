"""The rows of compare.json as a table: the same cells for the terminal and for Markdown."""

from collections.abc import Callable
from typing import Any

NONE = "–"
MINUS = "−"
Row = dict[str, Any]
LEFT = 2
"""Columns of text; those after them hold numbers."""


def cells(record: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Heads of columns, and the rows below them. Columns that nothing is known for are left out."""
    rows, ran = record["rows"], measured(record)
    columns: list[tuple[str, Callable[[Row], str], bool]] = [
        ("row", lambda row: row["name"], True),
        ("network", _network, True),
        ("zeros", lambda row: _percent(row["sparsity"]), True),
        ("bits", lambda row: str(row["weight_bits"]), True),
        ("seeds", lambda row: str(row["seeds"]), True),
        ("accuracy", _accuracy, True),
        ("validation", lambda row: _percent(row["validation_mean"]), True),
        ("float", lambda row: _percent(row["float_accuracy_mean"]), True),
        ("_unknown_", lambda row: _percent(row["unknown_recall"]), _any(rows, "unknown_recall")),
        ("unseen words", lambda row: _percent(row["unseen_unknown_recall"]), _any(rows, "unseen_unknown_recall")),
        (f"against {record['control']}", _difference, bool(record["control"])),
        ("p", _p, bool(record["control"])),
        ("nonzeros", lambda row: f"{row['nonzeros']:,}", True),
        (f"bytes{' linked' if ran else ''}", lambda row: _count(costs(row, ran)["bytes"]), True),
        (f"{'emulated ' if ran else ''}instructions", lambda row: _count(costs(row, ran)["instructions"]), True),
        ("exact", _exact, ran),
    ]
    shown = [(head, cell) for head, cell, wanted in columns if wanted]
    return [head for head, _ in shown], [[cell(row) for _, cell in shown] for row in rows]


def measured(record: dict[str, Any]) -> bool:
    """Whether every network that the generator has a plan for was built and run."""
    planned = [row for row in record["rows"] if row["bytes"] is not None]
    return bool(planned) and all(row["measured"] for row in planned)


def costs(row: Row, ran: bool) -> Row:
    """Where a row's bytes and instructions stand: as measured if `ran`, else as planned."""
    return row["measured"] or row if ran else row


def notes(record: dict[str, Any]) -> list[str]:
    """What the columns are, and what is missing."""
    clips = record["data"]["clips"]
    lines = [
        f"accuracy: of the integer network on {clips['testing']:,} testing clips, mean and standard deviation over"
        f" seeds; validation: the mean on {clips['validation']:,} validation clips, by which settings are to be chosen;"
        f" {record['epochs']} epochs for every row; float: of the same network without compression",
    ]
    if measured(record):
        lines.append(
            "bytes: tables, kernels and code of the network in the linked firmware; instructions: of an inference,"
            f" emulated on {record['board']}; exact: every logit there is the integer reference's"
        )
    else:
        lines.append(
            "bytes: tables, kernels and code of the network, as planned; instructions: of an inference, estimated by"
            f" the generator's cost model for {record['board']}"
        )
    if record["control"]:
        lines.append(
            f"p: McNemar's exact test against {record['control']} on the pairs (seed, clip), which takes them for"
            " independent; ±: standard error of the mean difference over seeds"
        )
    lines += [f"{row['name']}: {row['obstacle']}" for row in record["rows"] if row["obstacle"]]
    return lines if record["complete"] else [*lines, "not complete: some trainings are not finished"]


def markdown(record: dict[str, Any]) -> str:
    """The table and its notes."""
    heads, rows = cells(record)
    rule = ["---" if index < LEFT else "---:" for index in range(len(heads))]
    lines = [f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in [heads, rule, *rows]]
    return "\n".join([*lines, "", *(f"- {_escaped(note)}" for note in notes(record))]) + "\n"


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "\\|*_`<" else character for character in text)


def _any(rows: list[Row], key: str) -> bool:
    return any(row[key] is not None for row in rows)


def _network(row: Row) -> str:
    return f"{row['network']}, {row['width']} channels" if row["settings"]["network"]["width"] else str(row["network"])


def _accuracy(row: Row) -> str:
    mean = _percent(row["accuracy_mean"], digits=2)
    return f"{mean} ± {100 * row['accuracy_std']:.2f}" if row["seeds"] > 1 else mean


def _difference(row: Row) -> str:
    if row["difference_to_control"] is None:
        return NONE
    points = f"{100 * row['difference_to_control']:+.2f}".replace("-", MINUS)
    error = row["difference_error"]
    return points if error is None else f"{points} ± {100 * error:.2f}"


def _p(row: Row) -> str:
    p = row["p_against_control"]
    return NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _exact(row: Row) -> str:
    return NONE if row["measured"] is None else "yes" if row["measured"]["exact"] else "NO"


def _percent(share: float | None, digits: int = 1) -> str:
    return NONE if share is None else f"{100 * share:.{digits}f} %"


def _count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"
