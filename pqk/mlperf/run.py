"""What the public runner measures, measured by our own client: accuracy, and inferences in a time."""

import math
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from pqk import runners
from pqk.boards import Board
from pqk.errors import LinkError, ProjectError
from pqk.links import Link, open_link
from pqk.mlperf.client import INFER_S, Client
from pqk.mlperf.export import Clips
from pqk.pipeline import Build

WINDOWS = 5
"""Of which the median counts (MLPerf Tiny's rules, as the runner checks them)."""
WINDOW_S = 10.0
"""A window takes so long at least, and FEWEST inferences."""
FEWEST = 10
_SPARE = 1.1
_MICRO = 1e6


@dataclass(frozen=True)
class Accuracy:
    """Of clips, in each of which the class with the largest result counts."""

    clips: int
    right: int
    different: int
    """Clips in which it is not the integer reference's."""


@dataclass(frozen=True)
class Performance:
    """Microseconds of an inference in each window, on the device's clock."""

    count: int
    """Inferences in a window."""
    windows: tuple[float, ...]


@contextmanager
def started(board: Board, built: Build, port: str | None) -> Iterator[tuple[Link, str]]:
    """A link to the device that runs a build with the protocol, started if it must be, and the name of its port.

    Raises:
        ProjectError: the build is without it.
        LinkError, ToolError, BoardError: see `pqk.runners.connect`.
    """
    if not built.record.get("mlperf"):
        raise ProjectError(
            f"the firmware in {built.directory} does not speak the protocol of MLPerf Tiny",
            "write mlperf = true under [build] in pqk.toml, then: pqk-mcu build, pqk-mcu flash",
        )
    with runners.started(board, built.directory, port=port) as where:
        with runners.connect(board, built.directory, expected_build=built.record["id"], port=where):
            pass  # our own protocol, on the same line, tells which build this is
        link = open_link(where, board.uart.baud)
        try:
            yield link, where
        finally:
            link.close()


def accuracy(client: Client, clips: Clips, progress: Callable[[int, int], None]) -> Accuracy:
    """Send every clip as the runner does in its accuracy mode; `progress` is called with clips done and all."""
    decisions = []
    for clip in clips.inputs:
        client.load(clip.tobytes())
        decisions.append(int(np.argmax(client.infer(1).results)))
        progress(len(decisions), len(clips.inputs))
    answers = np.array(decisions)
    return Accuracy(len(answers), int((answers == clips.labels).sum()), int((answers != clips.decisions).sum()))


def performance(
    client: Client, data: bytes, progress: Callable[[int, int], None], seconds: float = WINDOW_S
) -> Performance:
    """Time inferences of an input as the runner does in its performance mode, in windows of at least `seconds`.

    Raises:
        LinkError: the device's clock stands still, or FEWEST inferences take longer than the protocol waits.
    """
    client.load(data)
    first = client.infer(1).microseconds
    if not first:
        raise LinkError("the device's clock stands still: nothing can be measured", "pqk-mcu boards names others")
    if FEWEST * first > INFER_S * _MICRO:
        raise LinkError(
            f"an inference takes {first / _MICRO:.1f} s: {FEWEST} are more than {INFER_S:g} s", "a smaller network"
        )
    count = max(FEWEST, math.ceil(_SPARE * seconds * _MICRO / first))
    windows = []
    for number in range(WINDOWS):
        windows.append(client.infer(count, warmups=FEWEST).microseconds / count)
        progress(number + 1, WINDOWS)
    return Performance(count, tuple(windows))


def caveats(board: Board, built: Build) -> list[str]:
    """What must be said with any result."""
    model = built.record["model"]
    lines = [
        f"open division: {model['arch']} with {100 * model['sparsity']:.1f} % of its weights zero, trained here;"
        " the closed division is for the reference network"
    ]
    if board.emulated:
        lines.append(
            f"m-lap-us counts {board.timer.unit}, {_instructions(board):g} to each of its microseconds: it is no time,"
            " and throughput made of it means nothing"
        )
    return lines


def accuracy_line(result: Accuracy) -> str:
    """For the user."""
    return (
        f"{result.right} of {result.clips} testing clips right ({100 * result.right / result.clips:.2f} %);"
        f" {result.different} answers differ from the integer reference's"
    )


def performance_line(result: Performance, board: Board) -> str:
    """For the user: inferences per second on a board, emulated instructions on an emulator."""
    median = statistics.median(result.windows)
    where = f"median of {len(result.windows)} windows of {result.count:,} inferences"
    if board.emulated:
        return f"{median * _instructions(board):,.0f} {board.timer.unit} per inference ({where})"
    return f"{_MICRO / median:,.3f} inferences per second ({where})"


def _instructions(board: Board) -> float:
    """What an emulated board counts in one of its microseconds."""
    return board.timer.hz * board.timer.units_per_tick / _MICRO
