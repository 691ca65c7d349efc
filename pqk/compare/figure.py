"""The picture of a comparison: accuracy over bytes and over instructions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pqk.compare.table import costs, measured
from pqk.report.figures import BLUE, GREY, INK, MUTED, ORANGE, corner_axes, quiet
from pqk.report.svg import draw, standalone
from pqk.report.text import THIN, percent, shortened, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]
COLOURS = (BLUE, ORANGE, "#2f7d4f", "#8b3a62", "#7a6a1f", "#4b5fc4", GREY)
MARKERS = "osD^vPX"
"""The shapes are shifted by one whenever the colours begin again: no two of 49 rows look alike."""
WIDTH, PANEL, TOP, LINE = 860.0, 300.0, 34.0, 20.0
LEFT, GAP, FOOT = 56.0, 64.0, 52.0
COLUMNS = 3
SMALL = 11.0
NAME_EMS = 22.0


def picture(record: dict[str, Any]) -> str:
    """An SVG document: a point for every row that the generator has a plan for, bars of one standard deviation."""
    rows = [row for row in record["rows"] if row["bytes"] is not None]
    ran = measured(record)
    kind = f"emulated on {record['board']}" if ran else f"estimated for {record['board']}"
    panels = (("bytes", "bytes of the network"), ("instructions", f"instructions of an inference, {kind}"))
    legend = LINE * -(-len(rows) // COLUMNS)
    height = TOP + PANEL + FOOT + legend
    wide = (WIDTH - 2 * LEFT - GAP) / 2

    def paint(figure: "Figure") -> None:
        for index, (key, title) in enumerate(panels):
            axes = corner_axes(figure, LEFT + index * (wide + GAP), TOP, wide, PANEL)
            for number, row in enumerate(rows):
                _point(axes, row, costs(row, ran)[key], number)
            _dress(axes, title)
        _legend(figure, [visible(row["name"]) for row in rows], TOP + PANEL + FOOT, height)

    text = "; ".join(
        f"{visible(row['name'])}: {percent(row['accuracy_mean'])}, {costs(row, ran)['bytes']:,} bytes,"
        f" {costs(row, ran)['instructions']:,} instructions"
        for row in rows
    )
    drawn = draw(paint, WIDTH, height, name="compare", title="Accuracy against size and cost", text=f"{text}.")
    return standalone(drawn)


def style(number: int) -> dict[str, Any]:
    """Colour and shape of the row with that number."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[(number + number // len(COLOURS)) % len(MARKERS)],
    }


def _point(axes: "Axes", row: Row, x: float, number: int) -> None:
    error = 100 * row["accuracy_std"] if row["seeds"] > 1 else None
    common: dict[str, Any] = {
        "linestyle": "none",
        "markersize": 8,
        "elinewidth": 1.2,
        "capsize": 2.5,
        "markeredgecolor": "#ffffff",
    }
    axes.errorbar([x], [100 * row["accuracy_mean"]], yerr=error, **common, **style(number))


def _dress(axes: "Axes", title: str) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    quiet(axes, SMALL)
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.12)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=12))
    axes.xaxis.set_major_formatter(lambda value, _: _short(value))
    axes.xaxis.set_minor_locator(NullLocator())
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
        axes.plot(
            [x], [y], linestyle="none", markersize=8, markeredgecolor="#ffffff", markeredgewidth=0.5, **style(number)
        )
        axes.text(x + 10, y, shortened(name, NAME_EMS), va="center", color=INK, size=SMALL)


def _short(value: float) -> str:
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
