"""The pictures of the report, one function each. Colours are given here; the page's legends use the same."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from pqk.report.svg import draw
from pqk.report.text import THIN, method_name, percent, shortened, visible, width_in_ems

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

INK, MUTED, RULE, EMPTY = "#1b2733", "#5b6875", "#c9d1d8", "#eef1f4"
BLUE, ORANGE, GREY = "#1f5f99", "#c2611f", "#8a97a3"
PALE_BLUE, PALE_ORANGE = "#e3edf6", "#fbeadd"
CELL, GAP = 28, 2
LABEL_EMS = 11.0
UPPER = 232.0
LINE = 15
"""Characters in a line of a curve's name: the longer ones are of two words or three."""
WRONG_FULL = 0.25
"""Share of a row at which a wrong answer gets the full colour: errors are rarer than right answers."""


def confusion(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    """Rows = true class, columns = the device's answer, shade = share of the row, beside it each class's recall."""
    names = [shortened(visible(label), LABEL_EMS) for label in classes]
    longest = max(width_in_ems(name) for name in names) * 11
    digits = max(len(str(value)) for row in matrix for value in row)
    cell = max(CELL, 7 * digits + 8)
    # The answers are written at 45 degrees; the last one leans out over the recall column.
    left, top, recall_width = longest + 12, longest * 0.72 + 34, max(58.0, longest * 0.72 + 18 - cell / 2)
    side = cell * len(names)
    width, height = left + side + recall_width, top + side + 22

    def paint(figure: "Figure") -> None:
        axes = _canvas(figure, width, height)
        for row, name in enumerate(names):
            y = top + (row + 0.5) * cell
            axes.text(left - 7, y, name, ha="right", va="center", color=INK)
            _recall(axes, left + side + 8, y, matrix[row], row)
            for column, value in enumerate(matrix[row]):
                share = value / max(1, sum(matrix[row]))
                _cell(axes, left + column * cell, top + row * cell, cell, value, share, row == column)
        for column, name in enumerate(names):
            x = left + (column + 0.5) * cell
            axes.text(x, top - 6, name, ha="left", va="bottom", rotation=45, rotation_mode="anchor", color=INK)
        axes.text(left - 7, top - 8, "true class", ha="right", va="bottom", color=MUTED, size=10.5)
        axes.text(left + side + 8, top + side + 12, "recall", ha="left", va="center", color=MUTED, size=10.5)
        axes.text(left, 14, "answer of the device", ha="left", va="center", color=MUTED, size=10.5)

    total, right = sum(map(sum, matrix)), sum(matrix[i][i] for i in range(len(names)))
    summary = f"{right:,} of {total:,} clips on the diagonal. " + "; ".join(
        f"{visible(label)}: {row[index]} of {sum(row)} right"
        for index, (label, row) in enumerate(zip(classes, matrix, strict=True))
    )
    return draw(paint, width, height, name="confusion", title="Confusion matrix", text=summary)


def _cell(axes: "Axes", x: float, y: float, side: float, value: int, share: float, right: bool) -> None:
    strength = share if right else min(1.0, share / WRONG_FULL)
    ground = _tint(*((PALE_BLUE, BLUE) if right else (PALE_ORANGE, ORANGE)), strength) if value else EMPTY
    _box(axes, x + GAP / 2, y + GAP / 2, side - GAP, side - GAP, ground, radius=3)
    if value:
        colour = "#ffffff" if strength > 0.55 else INK
        axes.text(x + side / 2, y + side / 2 + 0.5, f"{value}", ha="center", va="center", color=colour)


def _recall(axes: "Axes", x: float, y: float, row: Sequence[int], index: int) -> None:
    text = percent(row[index] / sum(row)) if sum(row) else "no clips"
    axes.text(x, y, text, ha="left", va="center", color=MUTED)


@dataclass(frozen=True)
class _Curve:
    """A training: what it is called, its epochs, its colour."""

    name: str
    epochs: list[dict[str, Any]]
    colour: str

    @property
    def label(self) -> list[str]:
        """Lines for the curve's right end: the name, broken at hyphens, and the last accuracy."""
        return [*textwrap.wrap(self.name, LINE), percent(self.epochs[-1]["validation_accuracy"])]


@dataclass(frozen=True)
class _Panel:
    """A value of the epochs that has a plot of its own: from 0 to the last of its `ticks`, which are {value: text}."""

    key: str
    heading: str
    ticks: dict[float, str]
    show: Callable[[float], str]


PANELS = (
    _Panel(
        "sparsity",
        "share of weights pruned away",
        {0.0: f"0{THIN}%", 0.5: f"50{THIN}%", 1.0: f"100{THIN}%"},
        percent,
    ),
    _Panel("mean_bits", "mean bits of a weight", {0.0: "0", 4.0: "4", 8.0: "8"}, lambda bits: f"{bits:.1f}"),
)


def training(history: dict[str, list[dict[str, Any]]], *, wide: bool) -> str:
    """Accuracy over the epochs, float against the method, with its phases; below it what it prunes, or its bits.

    A method that has no phases, prunes nothing or trains nothing goes without.
    """
    curves = [
        _Curve(method_name(name), epochs, ORANGE if name == "float" else BLUE) for name, epochs in history.items()
    ]
    last = curves[-1].epochs
    panel = next((panel for panel in PANELS if any(entry.get(panel.key) for entry in last)), None)
    width, height = (820.0 if wide else 350.0), (420.0 if panel else 318.0)
    left, right, small = (50.0, 78.0, 12.0) if wide else (42.0, 64.0, 10.5)
    right = max(right, 11 + (small + 1) * max(width_in_ems(line) for curve in curves for line in curve.label))
    inner = width - left - right

    def paint(figure: "Figure") -> None:
        upper = corner_axes(figure, left, 30, inner, UPPER)
        plots = [(upper, "accuracy")]
        if panel:
            lower = corner_axes(figure, left, 302, inner, 62)
            lower.sharex(upper)
            upper.tick_params(labelbottom=False)
            plots.append((lower, panel.heading))
            _panel(lower, panel, last, small + 1)
        _percent_axis(upper, [value for curve in curves for value in _curve(upper, curve)])
        _end_labels(upper, curves, small + 1)
        _epoch_axis(plots[-1][0], max(len(curve.epochs) for curve in curves), small)
        if "phase" in last[0]:
            _phases([axes for axes, _ in plots], last, wide, small)
        for axes, heading in plots:
            quiet(axes, small)
            axes.text(0, 1, heading, transform=axes.transAxes + _shift(-left, 9), color=INK, size=small)

    return draw(
        paint,
        width,
        height,
        name=f"training-{'wide' if wide else 'narrow'}",
        title="Training curves",
        text=_training_text(history),
    )


def _training_text(history: dict[str, list[dict[str, Any]]]) -> str:
    parts = [
        f"{'The float network' if name == 'float' else method_name(name)} ends at "
        f"{percent(epochs[-1]['validation_accuracy'])} of validation clips right after {len(epochs)} epochs"
        for name, epochs in history.items()
    ]
    return "; ".join(parts) + "."


def _epoch_axis(axes: "Axes", epochs: int, size: float) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(1 if epochs > 1 else 0, max(2, epochs))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True))
    axes.set_xlabel("epoch", color=MUTED, size=size)


def _curve(axes: "Axes", curve: _Curve) -> list[float]:
    """Draw validation (thick) and training accuracy (thin); return all values."""
    x = range(1, len(curve.epochs) + 1)
    values = []
    for key, thickness, opacity in (("train_accuracy", 1.0, 0.45), ("validation_accuracy", 2.0, 1.0)):
        y = [100 * entry[key] for entry in curve.epochs]
        axes.plot(x, y, color=curve.colour, linewidth=thickness, alpha=opacity, solid_capstyle="round")
        values += y
    return values


def _percent_axis(axes: "Axes", values: list[float]) -> None:
    """From the lowest value (to the ten below) to 100; the first epochs may lie far below what matters."""
    low = 10 * (min(values) // 10)
    axes.set_ylim(min(low, 90), 100.5)
    axes.set_yticks([tick for tick in range(0, 101, 10 if low >= 40 else 20) if tick >= min(low, 90)])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}{THIN}%")


def _end_labels(axes: "Axes", curves: Sequence[_Curve], size: float) -> None:
    """Name and last value at each curve's right end, kept apart where the ends lie close together."""
    values = [100 * curve.epochs[-1]["validation_accuracy"] for curve in curves]
    low, high = axes.get_ylim()
    line = 1.35 * size * (high - low) / UPPER
    heights = _spread_out(values, line * sum(len(curve.label) for curve in curves) / 2, high)
    for curve, value, y in zip(curves, values, heights, strict=True):
        axes.plot([len(curve.epochs)], [value], "o", color=curve.colour, markersize=4.5, clip_on=False)
        axes.annotate(
            "\n".join(curve.label),
            (1, y),
            xycoords=("axes fraction", "data"),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            color=curve.colour,
            annotation_clip=False,
            linespacing=1.15,
            size=size,
        )


def _spread_out(heights: list[float], apart: float, high: float) -> list[float]:
    """Two heights at least `apart` from each other, none above `high`; a single one as it is."""
    if len(heights) == 2 and abs(heights[0] - heights[1]) < apart:
        middle, up = sum(heights) / 2, 1 if heights[0] >= heights[1] else -1
        heights = [middle + up * apart / 2, middle - up * apart / 2]
    over = max(0.0, max(heights) - high)
    return [height - over for height in heights]


def _phases(plots: Sequence["Axes"], epochs: list[dict[str, Any]], wide: bool, size: float) -> None:
    phases, upper = [entry["phase"] for entry in epochs], plots[0]
    first = "prune and quantise" if epochs[-1].get("sparsity") else "quantise"
    names = {1: f"phase 1: {first}", 2: "phase 2: distil"} if wide else {1: "phase 1", 2: "phase 2"}
    boundary = phases.index(phases[-1]) + 0.5
    if phases[-1] != phases[0]:
        for axes in plots:
            axes.axvline(boundary, color=MUTED, linewidth=0.8, dashes=(3, 3))
        _at_foot(upper, names[phases[-1]], boundary, "left", size)
    # At the boundary, not at the start, where the curves come up from below.
    _at_foot(upper, names[phases[0]], boundary if phases[-1] != phases[0] else len(epochs), "right", size)


def _at_foot(axes: "Axes", words: str, x: float, side: str, size: float) -> None:
    offset = (7 if side == "left" else -7, 8)
    axes.annotate(
        words,
        (x, 0),
        xycoords=("data", "axes fraction"),
        xytext=offset,
        textcoords="offset points",
        ha=side,
        va="bottom",
        color=MUTED,
        size=size,
    )


def _panel(axes: "Axes", panel: _Panel, epochs: list[dict[str, Any]], size: float) -> None:
    x, y = range(1, len(epochs) + 1), [entry[panel.key] for entry in epochs]
    axes.fill_between(x, y, color=BLUE, alpha=0.16, linewidth=0)
    axes.plot(x, y, color=BLUE, linewidth=1.4)
    axes.set_ylim(0, max(panel.ticks))
    axes.set_yticks(list(panel.ticks), list(panel.ticks.values()))
    axes.annotate(
        panel.show(y[-1]),
        (1, y[-1]),
        xycoords=("axes fraction", "data"),
        xytext=(9, 0),
        textcoords="offset points",
        va="center",
        color=BLUE,
        annotation_clip=False,
        size=size,
    )


CURVES = (BLUE, ORANGE, GREY)
"""Of the conditions, in their order."""
_FEW = (0, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def trade_off(conditions: Sequence[dict[str, Any]], *, wide: bool) -> str:
    """False rejects over false accepts per hour, a curve for each condition; dots where validation's thresholds lie.

    The axis below is even up to one an hour and logarithmic from there, so that none at all has a place on it.
    """
    width, height = (820.0, 380.0) if wide else (350.0, 340.0)
    left, right, small = (50.0, 92.0, 12.0) if wide else (42.0, 58.0, 10.5)
    most = max(1.0, *(point["per_hour"] for condition in conditions for point in condition["curve"]))

    def paint(figure: "Figure") -> None:
        axes = corner_axes(figure, left, 30, width - left - right, height - 84)
        axes.set_xscale("symlog", linthresh=1, linscale=0.6)
        axes.set_xlim(-0.04, most)
        axes.set_ylim(0, 100)
        ends = [_trade_off_curve(axes, one, colour) for one, colour in zip(conditions, CURVES, strict=False)]
        quiet(axes, small)
        ticks = [tick for tick in _FEW if tick <= most and (wide or tick in (0, 1, 10, 100, 1000))]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("false accepts per hour", color=MUTED, size=small)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}{THIN}%")
        axes.text(0, 1, "false rejects", transform=axes.transAxes + _shift(-left, 9), color=INK, size=small)
        _apart(axes, [(end, visible(one["name"]), colour) for end, one, colour in ends], 16 / (height - 84), small + 1)

    text = "; ".join(
        f"{visible(condition['name'])}: "
        + ", ".join(
            f"{percent(point['testing']['false_rejects'])} rejected at {point['testing']['per_hour']:.2f} per hour"
            for point in condition["operating"]
        )
        for condition in conditions
    )
    variant = f"trade-off-{'wide' if wide else 'narrow'}"
    return draw(paint, width, height, name=variant, title="False rejects against false accepts", text=f"{text}.")


def _trade_off_curve(axes: "Axes", condition: dict[str, Any], colour: str) -> tuple[float, dict[str, Any], str]:
    """Draw a condition; return where its curve ends on the right.

    The curve is the best that any threshold does with at most so many false accepts: below some threshold detections
    get in each other's way, which nobody would choose.
    """
    points = sorted((point["per_hour"], 100 * point["false_rejects"]) for point in condition["curve"])
    x, y = [point[0] for point in points], list(accumulate((point[1] for point in points), min))
    x, y = [*x, axes.get_xlim()[1]], [*y, y[-1]]
    axes.plot(x, y, color=colour, linewidth=2, drawstyle="steps-post", solid_capstyle="round")
    chosen = [point["testing"] for point in condition["operating"]]
    axes.plot(
        [point["per_hour"] for point in chosen],
        [100 * point["false_rejects"] for point in chosen],
        "o",
        color=colour,
        markersize=7,
        markeredgecolor="#ffffff",
        clip_on=False,
        zorder=3,
    )
    return y[-1], condition, colour


def _apart(axes: "Axes", labels: Sequence[tuple[float, str, str]], least: float, size: float) -> None:
    """Names at the right ends of curves, at least `least` of the axes' height from each other."""
    place = -1.0
    for value, name, colour in sorted(labels):
        place = max(value / 100, place + least)
        axes.annotate(
            name,
            (1, place),
            xycoords="axes fraction",
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
            size=size,
        )


@dataclass(frozen=True)
class Part:
    """A part of a memory: `size` in bytes, drawn in `colour`."""

    name: str
    size: int
    colour: str


def memory(name: str, parts: Sequence[Part], board: int, *, wide: bool) -> str:
    """The whole board's memory with what the firmware takes, and that share magnified and cut into its parts.

    `board` and the parts' sizes are in bytes. Shares too small to see get a few pixels all the same.
    """
    width, height = (820.0 if wide else 350.0), 92.0
    used = sum(part.size for part in parts)

    def paint(figure: "Figure") -> None:
        axes = _canvas(figure, width, height)
        share = min(width, max(4.0, width * used / board))
        _box(axes, 0, 0, width, 16, EMPTY, radius=4)
        _box(axes, 0, 0, share, 16, INK, radius=min(4, share / 2))
        axes.fill([0, share, width, 0], [19, 19, 47, 47], color=EMPTY, linewidth=0)
        x = 0.0
        for part, span in zip(parts, visible_widths([part.size for part in parts], width, 4.0), strict=True):
            if span:
                _box(axes, x, 50, span - (GAP if span > 6 else 1), 40, part.colour, radius=min(4, span / 3))
            x += span

    listed = ", ".join(f"{part.name} {part.size:,} bytes" for part in parts)
    text = f"{used:,} of {board:,} bytes ({percent(used / board)}): {listed}."
    variant = f"{name.lower()}-{'wide' if wide else 'narrow'}"
    return draw(paint, width, height, name=variant, title=f"{name} of the board", text=text)


def visible_widths(sizes: Sequence[int], width: float, least: float) -> list[float]:
    """Widths in proportion to `sizes` that add up to `width`, but `least` for what would be narrower, 0 for nothing."""
    total = sum(sizes)
    if not total:
        return [0.0 for _ in sizes]
    small = [0 < size * width < least * total for size in sizes]
    rest = sum(size for size, is_small in zip(sizes, small, strict=True) if not is_small)
    room = width - least * sum(small)
    return [least if is_small else size * room / rest for size, is_small in zip(sizes, small, strict=True)]


def _canvas(figure: "Figure", width: float, height: float) -> "Axes":
    """Axes over the whole figure in pixels, y downwards, without any frame."""
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    return axes


def corner_axes(figure: "Figure", x: float, y: float, width: float, height: float) -> "Axes":
    """Axes whose top left corner lies at (x, y) pixels, y downwards."""
    whole, tall = 72 * figure.get_size_inches()
    return figure.add_axes((x / whole, 1 - (y + height) / tall, width / whole, height / tall))


def _box(axes: "Axes", x: float, y: float, width: float, height: float, colour: str, *, radius: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    style = f"round,pad=0,rounding_size={radius}"
    axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=style, facecolor=colour, linewidth=0))


def _shift(x: float, y: float) -> "Transform":
    from matplotlib.transforms import Affine2D

    return Affine2D().translate(x, y)


def quiet(axes: "Axes", size: float) -> None:
    """Only a foot line, pale rules across and muted numbers, as in every plot of the report."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.grid(axis="y", color=RULE, linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelcolor=MUTED, labelsize=size, pad=6)


def _tint(pale: str, full: str, strength: float) -> str:
    """The colour between `pale` (strength 0) and `full` (strength 1)."""
    pairs = [(int(pale[i : i + 2], 16), int(full[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(low + (high - low) * strength):02x}" for low, high in pairs)
