"""The picture of a comparison: accuracy over bytes and over instructions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pqk.report.figures import BLUE, GREY, INK, MUTED, ORANGE, corner_axes, quiet
from pqk.report.svg import draw, standalone
from pqk.report.text import THIN, percent, shortened, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]
COLOURS = (BLUE, ORANGE, "#2f7d4f", "#8b3a62", "#7a6a1f", "#4b5fc4", GREY)
MARKERS = "osD^vPX"
"""Colours and shapes go on at different paces, so that all rows differ from each other."""
WIDTH, PANEL, TOP, LINE = 860.0, 300.0, 34.0, 20.0
LEFT, GAP, FOOT = 56.0, 64.0, 52.0
COLUMNS = 3
SMALL = 11.0
NAME_EMS = 22.0


def picture(record: dict[str, Any]) -> str:
    """An SVG document: a point for every row that the generator has a plan for, bars of one standard deviation."""
    rows = [row for row in record["rows"] if row["bytes"] is not None]
    measured = bool(rows) and all(row["measured"] for row in rows)
    kind = f"emulated on {record['board']}" if measured else f"estimated for {record['board']}"
    panels = (("bytes", "bytes of the network"), ("instructions", f"instructions of an inference, {kind}"))
    legend = LINE * -(-len(rows) // COLUMNS)
    height = TOP + PANEL + FOOT + legend
    wide = (WIDTH - 2 * LEFT - GAP) / 2

    def paint(figure: "Figure") -> None:
        for index, (key, title) in enumerate(panels):
            axes = corner_axes(figure, LEFT + index * (wide + GAP), TOP, wide, PANEL)
            for number, row in enumerate(rows):
                _point(axes, row, (row["measured"] if measured else row)[key], number)
            _dress(axes, title)
        _legend(figure, [visible(row["name"]) for row in rows], TOP + PANEL + FOOT, height)

    text = "; ".join(
        f"{visible(row['name'])}: {percent(row['accuracy_mean'])}, {row['bytes']:,} bytes,"
        f" {row['instructions']:,} instructions"
        for row in rows
    )
    drawn = draw(paint, WIDTH, height, name="compare", title="Accuracy against size and cost", text=f"{text}.")
    return standalone(drawn)


def _style(number: int) -> dict[str, Any]:
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number * 3 // 2 % len(MARKERS)]}


def _point(axes: "Axes", row: Row, x: float, number: int) -> None:
    error = 100 * row["accuracy_std"] if row["seeds"] > 1 else None
    style: dict[str, Any] = {
        "linestyle": "none",
        "markersize": 7,
        "elinewidth": 1.2,
        "capsize": 2.5,
        "markeredgecolor": "#ffffff",
    }
    axes.errorbar([x], [100 * row["accuracy_mean"]], yerr=error, **style, **_style(number))


def _dress(axes: "Axes", title: str) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    quiet(axes, SMALL)
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.12)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=12))
    axes.xaxis.set_major_formatter(lambda value, _: _short(value))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}{THIN}%")
    axes.set_xlabel(title, color=MUTED, size=SMALL)
    axes.set_title("right answers, testing clips", loc="left", color=INK, size=SMALL)


def _legend(figure: "Figure", names: Sequence[str], top: float, height: float) -> None:
    axes = corner_axes(figure, 0, top, WIDTH, max(1.0, height - top))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(max(1.0, height - top), 0)
    axes.set_axis_off()
    for number, name in enumerate(names):
        x = LEFT + (number % COLUMNS) * (WIDTH - LEFT) / COLUMNS
        y = LINE * (number // COLUMNS + 0.5)
        axes.plot([x], [y], linestyle="none", markersize=7, markeredgecolor="#ffffff", **_style(number))
        axes.text(x + 10, y, shortened(name, NAME_EMS), va="center", color=INK, size=SMALL)


def _short(value: float) -> str:
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
