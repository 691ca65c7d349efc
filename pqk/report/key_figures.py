"""The figures that a build is judged by, each with its unit: what is limited, compared and listed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pqk.report.records import Record
from pqk.report.text import MINUS

COMMAND = "pqk-mcu report"
SHARE, BYTES, MILLISECONDS = "share", "bytes", "ms"


@dataclass(frozen=True)
class Figure:
    """A measured value."""

    name: str
    """As `--fail-under` and `--fail-over` call it."""
    title: str
    """What it is, whatever it is counted in."""
    unit: str
    """SHARE (0..1), BYTES, MILLISECONDS, what the board's timer counts, or "of 913 clips"."""
    value: float
    more_is_better: bool = False

    @property
    def text(self) -> str:
        """The value with its unit."""
        return said(self.value, self.unit)


def key_figures(report: Mapping[str, Any], name: str = "report") -> list[Figure]:
    """The figures of a report.json, headline first. What was not measured is left out; costs are medians over clips.

    Raises PqkError, calling the report `name`, when a figure that every report has is missing.
    """
    record = Record(name, COMMAND, report)
    parity, cost = record.table("parity"), record.table("cost")
    flash, ram = (record.table("memory").table(part) for part in ("flash", "ram"))
    unit, cost_of_one = cost.text("kind"), cost.table("per_inference").number("median")
    clips = f"of {parity.whole('clips'):,} clips"
    figures = [Figure("accuracy", "accuracy", SHARE, record.table("accuracy").share("device"), more_is_better=True)]
    unseen = record.optional_table("unseen_unknown_recall")
    if unseen is not None:
        recall = unseen.share("fake_quant")
        figures.append(Figure("unseen_unknown_recall", "recall of unseen words", SHARE, recall, more_is_better=True))
    figures += [
        Figure("different_features", "clips with other features", clips, parity.whole("different_features")),
        Figure("different_logits", "clips with other outputs", clips, parity.whole("different_logits")),
        Figure(unit.split()[-1], "an inference", unit, cost_of_one),
    ]
    for key, figure, title, counted in (
        ("milliseconds", "milliseconds", "an inference, time", MILLISECONDS),
        ("front_end", "front_end", "a second's front end", unit),
        ("per_second_of_audio", "second_of_audio", "a second, front end and inference", unit),
    ):
        spread = cost.optional_table(key)
        if spread is not None:
            figures.append(Figure(figure, title, counted, spread.number("median")))
    return [
        *figures,
        Figure("flash", "flash", BYTES, flash.whole("total")),
        Figure("ram", "RAM", BYTES, ram.whole("total")),
        Figure("stack", "stack, deepest", BYTES, ram.whole("stack_high_water")),
    ]


def said(value: float, unit: str) -> str:
    """0.953 and SHARE -> "95.30 %"; 57568 and BYTES -> "57,568 bytes"."""
    number = bare(value, unit)
    return number if unit == SHARE else f"{number} {unit}"


def bare(value: float, unit: str) -> str:
    """Without the unit, where that stands elsewhere; a share keeps its percent sign."""
    if unit == SHARE:
        return f"{100 * value:.2f} %"
    return f"{value:,.2f}" if unit == MILLISECONDS else f"{value:,.10g}"


def said_difference(difference: float | None, unit: str) -> str:
    """With its sign and without its unit; shares in points. A dash where there is none."""
    if difference is None:
        return "–"
    if unit == SHARE:
        return f"{_signed(100 * difference, '.2f')} points"
    return _signed(difference, ",.2f" if unit == MILLISECONDS else ",.10g")


def said_percent(percent: float | None) -> str:
    """12.345 -> "+12.35 %"; a dash where there is none."""
    return "–" if percent is None else f"{_signed(percent, '.2f')} %"


def _signed(value: float, form: str) -> str:
    return f"{value:+{form}}".replace("-", MINUS) if value else "0"
