"""The pictures of the report, one function each. Colours are given here; the page's legends use the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from pqk.report.svg import draw
from pqk.report.text import THIN, percent, shortened, visible, width_in_ems

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


def training(history: dict[str, list[dict[str, Any]]], *, wide: bool) -> str:
    """Accuracy over the epochs, float against PQK with its phases, and below it the sparsity."""
    width, height = (820.0, 420.0) if wide else (350.0, 420.0)
    left, right, small = (50.0, 78.0, 12.0) if wide else (42.0, 64.0, 10.5)
    inner = width - left - right

    def paint(figure: "Figure") -> None:
        upper, lower = corner_axes(figure, left, 30, inner, UPPER), corner_axes(figure, left, 302, inner, 62)
        lower.sharex(upper)
        ends = [_curve(upper, history["float"], ORANGE), _curve(upper, history["pqk"], BLUE)]
        _percent_axis(upper, [*ends[0], *ends[1]])
        _end_labels(upper, [("float", history["float"], ORANGE), ("PQK", history["pqk"], BLUE)], small + 1)
        _phases(upper, lower, history["pqk"], wide, small)
        _sparsity(lower, history["pqk"], small + 1)
        for axes, heading in ((upper, "accuracy"), (lower, "share of weights that are zero")):
            quiet(axes, small)
            axes.text(0, 1, heading, transform=axes.transAxes + _shift(-left, 9), color=INK, size=small)
        upper.tick_params(labelbottom=False)
        lower.set_xlabel("epoch", color=MUTED, size=small)

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
        f"{name} ends at {percent(history[key][-1]['validation_accuracy'])} of validation clips right "
        f"after {len(history[key])} epochs"
        for key, name in (("float", "The float network"), ("pqk", "PQK"))
    ]
    return "; ".join(parts) + "."


def _curve(axes: "Axes", epochs: list[dict[str, Any]], colour: str) -> list[float]:
    """Draw validation (thick) and training accuracy (thin); return all values."""
    x = range(1, len(epochs) + 1)
    values = []
    for key, thickness, opacity in (("train_accuracy", 1.0, 0.45), ("validation_accuracy", 2.0, 1.0)):
        y = [100 * entry[key] for entry in epochs]
        axes.plot(x, y, color=colour, linewidth=thickness, alpha=opacity, solid_capstyle="round")
        values += y
    return values


def _percent_axis(axes: "Axes", values: list[float]) -> None:
    """From the lowest value (to the ten below) to 100; the first epochs may lie far below what matters."""
    low = 10 * (min(values) // 10)
    axes.set_ylim(min(low, 90), 100.5)
    axes.set_yticks([tick for tick in range(0, 101, 10 if low >= 40 else 20) if tick >= min(low, 90)])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}{THIN}%")


def _end_labels(axes: "Axes", curves: list[tuple[str, list[dict[str, Any]], str]], size: float) -> None:
    """Name and last value at each curve's right end, kept apart where the ends lie close together."""
    ends = [(100 * epochs[-1]["validation_accuracy"], len(epochs), name, colour) for name, epochs, colour in curves]
    low, high = axes.get_ylim()
    apart = 2.7 * size * (high - low) / UPPER  # two lines of text
    heights = [value for value, *_ in ends]
    if abs(heights[0] - heights[1]) < apart:
        middle, up = sum(heights) / 2, 1 if heights[0] >= heights[1] else -1
        heights = [middle + up * apart / 2, middle - up * apart / 2]
    for (value, epoch, name, colour), y in zip(ends, heights, strict=True):
        axes.plot([epoch], [value], "o", color=colour, markersize=4.5, clip_on=False)
        axes.annotate(
            f"{name}\n{percent(value / 100)}",
            (1, y),
            xycoords=("axes fraction", "data"),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
            linespacing=1.15,
            size=size,
        )


def _phases(upper: "Axes", lower: "Axes", epochs: list[dict[str, Any]], wide: bool, size: float) -> None:
    phases = [entry["phase"] for entry in epochs]
    upper.set_xlim(1 if len(epochs) > 1 else 0, max(2, len(epochs)))
    names = {1: "phase 1: prune and quantise", 2: "phase 2: distil"} if wide else {1: "phase 1", 2: "phase 2"}
    boundary = phases.index(phases[-1]) + 0.5
    if phases[-1] != phases[0]:
        for axes in (upper, lower):
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


def _sparsity(axes: "Axes", epochs: list[dict[str, Any]], size: float) -> None:
    from matplotlib.ticker import MaxNLocator

    x, y = range(1, len(epochs) + 1), [100 * entry["sparsity"] for entry in epochs]
    axes.fill_between(x, y, color=BLUE, alpha=0.16, linewidth=0)
    axes.plot(x, y, color=BLUE, linewidth=1.4)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 50, 100])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}{THIN}%")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True))
    axes.annotate(
        percent(epochs[-1]["sparsity"]),
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
