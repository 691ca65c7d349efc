"""The whole benchmark: rows side by side in processes, each kept in bench.json as soon as it is finished."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pqk import boards, pipeline, project
from pqk.bench import record
from pqk.bench.cases import Case, Trained
from pqk.bench.measure import Row, measure_case
from pqk.errors import FitError, PqkError
from pqk.workers import Job, Tell
from pqk.workers import run as run_jobs

Measure = Callable[[Case, Path, int, Row | None], Row]


@dataclass
class Outcome:
    """What a run has made."""

    path: Path
    """bench.json."""
    rows: list[Row] = field(default_factory=list)
    too_large: list[str] = field(default_factory=list)
    """Cases that do not fit their board, and why."""
    failures: list[PqkError] = field(default_factory=list)


def trained_network(root: Path) -> Trained | None:
    """The trained network of the project in `root`, as built for its own board or any other; None without a build."""
    if not (root / project.FILE_NAME).is_file():
        return None
    opened = project.load(root)
    built = sorted(opened.build_dir.glob(f"*/{pipeline.RECORD}"), key=lambda path: path.parent.name != opened.board)
    return Trained(opened.name, built[0].parent / "network") if built else None


def run(
    cases: Sequence[Case],
    folder: Path,
    *,
    inputs: int,
    workers: int,
    report: Callable[[int, int, str], None],
    measure: Measure = measure_case,
) -> Outcome:
    """Measure every case that `folder` has no up-to-date row of; rows of other cases there are kept.

    Args:
        cases: what to measure.
        folder: where bench.json and the firmware of every row go.
        inputs: random inputs for each.
        workers: processes.
        report: called with the number of finished cases, of all, and the name of the last one.
        measure: see `pqk.bench.measure.measure_case`.

    A case that does not fit its board, or fails, does not keep the others from being measured.
    """
    rows = record.load(folder)
    outcome = Outcome(record.save(folder, rows.values()))
    works = [
        (case, partial(_work, measure, case, folder / "rows" / case.name, inputs, _earlier(rows, case)))
        for case in cases
    ]
    with closing(_results(works, workers)) as results:
        for done, (case, result) in enumerate(results, 1):
            if isinstance(result, FitError):
                outcome.too_large.append(f"{case.name}: {result.message}")
            elif isinstance(result, PqkError):
                outcome.failures.append(result)
            else:
                rows[record.identity(result)] = result
                record.save(folder, rows.values())
                outcome.rows.append(result)
            report(done, len(works), case.name)
    outcome.rows.sort(key=record.order)
    return outcome


def raise_failures(outcome: Outcome) -> None:
    """Raise PqkError if a row failed or was not exact."""
    inexact = [row for row in outcome.rows if not row["exact"]]
    if inexact:
        named = ", ".join(
            f"{row['network']} {row['sparsity']} {row['weight_bits']} bits {row['core']}" for row in inexact
        )
        raise PqkError(f"logits differ from the integer reference: {named}", "this is a bug in a kernel")
    if outcome.failures:
        first = outcome.failures[0]
        raise type(first)(f"{len(outcome.failures)} rows failed, the first because: {first.message}", first.hint)


def _earlier(rows: dict[record.Identity, Row], case: Case) -> Row | None:
    return rows.get((case.network, case.sparsity, case.bits, boards.load(case.board).name))


def _work(measure: Measure, case: Case, folder: Path, inputs: int, earlier: Row | None, tell: Tell) -> Row:
    del tell  # a row takes seconds
    return measure(case, folder, inputs, earlier)


def _results(
    works: Sequence[tuple[Case, Callable[[Tell], Row]]], workers: int
) -> Generator[tuple[Case, Row | PqkError]]:
    """As they come; errors are values, so that the other rows go on. One worker is this process."""
    if workers == 1:
        for case, work in works:
            try:
                result: Row | PqkError = work(lambda _: None)
            except PqkError as error:
                result = error
            yield case, result
        return
    jobs = {Job(case.name, work): case for case, work in works}
    with closing(run_jobs(list(jobs), workers)) as heard:
        yield from ((jobs[news.job], news.value) for news in heard if news.ended)
