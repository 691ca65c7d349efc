"""What the command line shows: notes and progress bars by rich, plain lines where there is no terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pqk.pipeline import Reporter

if TYPE_CHECKING:
    from pqk.compare.run import Teller
    from pqk.train.loop import Progress as TrainingProgress

CONSOLE = Console(stderr=True, highlight=False)


class Bars:
    """Progress bars by name, made when first heard of. Without a terminal, a line for each epoch or row instead."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, int] = {}
        self._told: dict[str, int] = {}

    def update(self, name: str, done: int, total: int, detail: str = "") -> None:
        """Set bar `name` to `done` of `total`."""
        task = self._tasks.get(name)
        if task is None:
            task = self._tasks[name] = self._progress.add_task(name, total=total, detail="")
        self._progress.update(task, completed=done, total=total, detail=detail)  # type: ignore[arg-type]

    def training(self, progress: "TrainingProgress") -> None:
        """Show where a training stands."""
        done = progress.epoch * progress.steps + progress.step
        accuracy = progress.metrics.get("validation_accuracy")
        detail = f"epoch {progress.epoch + 1} of {progress.epochs}"
        detail += f", validation {100 * accuracy:.1f} %" if accuracy is not None else ""
        self.update(f"training {progress.stage}", done, progress.epochs * progress.steps, detail)
        if not CONSOLE.is_terminal and self._told.get(progress.stage) != progress.epoch:
            self._told[progress.stage] = progress.epoch
            CONSOLE.print(f"training {progress.stage}: {detail}")

    def row(self, done: int, total: int, name: str) -> None:
        """Show that another row of the benchmark is finished."""
        self.update("rows", done, total, name)
        if not CONSOLE.is_terminal:
            CONSOLE.print(f"{done} of {total}: {name}", markup=False)


@contextmanager
def bars() -> Iterator[Bars]:
    """Bars that stay on the screen while the block runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
    )
    with Progress(*columns, console=CONSOLE, disable=not CONSOLE.is_terminal) as progress:
        yield Bars(progress)


@contextmanager
def comparing() -> Iterator["Teller"]:
    """A `Teller` that draws one bar for the epochs of all trainings, and a line for each that has ended."""
    from pqk.compare.run import Teller

    with bars() as shown:
        yield Teller(_reporter(shown), lambda done, total, name: shown.update("epochs", done, total, name))


@contextmanager
def reporter() -> Iterator[Reporter]:
    """A `Reporter` that draws bars."""
    with bars() as shown:
        yield _reporter(shown)


def _reporter(shown: Bars) -> Reporter:
    return Reporter(
        note=lambda text: CONSOLE.print(text, markup=False),
        extracting=lambda done, total: shown.update("front end", done, total),
        training=shown.training,
    )
