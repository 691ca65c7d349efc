"""The whole comparison: trainings side by side, each kept in the project's cache, the table written after every one."""

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pqk import features, pipeline, workers
from pqk.compare import figure, table
from pqk.compare.record import Record, record
from pqk.compare.rows import Comparison, Row
from pqk.compare.score import Score, Scorer
from pqk.errors import PqkError, ProjectError
from pqk.features import Features
from pqk.files import atomic_write_text
from pqk.pipeline import Reporter
from pqk.project import Project
from pqk.workers import Job, Tell

if TYPE_CHECKING:
    from pqk.train.run import Progress


FILE = "compare.json"
TABLE = "compare.md"
PICTURE = "compare.svg"


@dataclass(frozen=True)
class Teller:
    """How a comparison tells what it does; the command line draws it."""

    reporter: Reporter
    """Of what is done before any training; its notes are, besides, a line for every job that has ended."""
    epochs: Callable[[int, int, str], None]
    """Epochs done, of all that are to do, and the last job that told about itself."""


@dataclass(frozen=True)
class Outcome:
    """What a comparison has made."""

    record: Record
    failures: tuple[PqkError, ...]
    """Of trainings; the record lacks those."""


@dataclass(frozen=True)
class _Run:
    """A row with one seed."""

    row: Row
    index: int
    project: Project
    stages: pipeline.Stages

    @property
    def name(self) -> str:
        return f"{self.row.name}, seed {self.project.training.seed}"


@dataclass(frozen=True)
class _How:
    """What all processes are told."""

    features: Path
    scorer: Scorer
    device: str


def run(
    comparison: Comparison, scorer: Scorer, *, data: Path | None, processes: int, tell: Teller, device: str = "auto"
) -> Outcome:
    """Train and score what is not in the cache, `processes` trainings at a time; compare.json is written meanwhile.

    Args:
        comparison: the rows.
        scorer: how networks are scored; its folder gets compare.json, compare.md and compare.svg.
        data: folder of recordings, instead of the project's.
        processes: how many at a time.
        tell: told about every epoch and every end.
        device: where to train, as in `pqk.train.device`; several processes may share a GPU.

    A training that fails, or whose process dies, does not keep the others from being finished.

    Raises:
        DataError: there are no recordings, or they cannot be used.
    """
    base = comparison.rows[0].project
    inputs = pipeline.extracted(base, pipeline.scan_data(base, data), tell.reporter)
    runs = [
        _Run(row, index, project, pipeline.stages(project, inputs))
        for row in comparison.rows
        for index, project in enumerate(row.runs())
    ]
    runs.sort(key=lambda one: one.index)  # the first seed of every row comes first
    scores = {one.stages.trained: scorer.kept(one.stages.trained) for one in runs if one.stages.trained.is_dir()}
    how = _How(pipeline.features_folder(base, inputs.fingerprint), scorer, device)
    jobs, of_job = _jobs(runs, scores, how)
    tracker = _Tracker(tell, len(jobs), comparison.rows[0].project.training.epochs)
    failures = []
    written = _write(comparison, inputs, runs, scores, scorer)
    with closing(workers.run(jobs, processes)) as heard:  # an interruption ends the processes at once
        for news in heard:
            tracker.follow(news)
            if news.ended and isinstance(news.value, PqkError):
                failures.append(type(news.value)(f"{news.job.name}: {news.value.message}", news.value.hint))
            elif news.ended and news.job in of_job:
                scores[of_job[news.job]] = news.value
                written = _write(comparison, inputs, runs, scores, scorer)
    if written["rows"]:
        atomic_write_text(scorer.folder / PICTURE, figure.picture(written))
    return Outcome(written, tuple(failures))


def write_record(path: Path, made: Record) -> None:
    """Write what compare.json says to `path`."""
    atomic_write_text(path, json.dumps(made, indent=1, ensure_ascii=False) + "\n")


def raise_failures(outcome: Outcome) -> None:
    """Raise PqkError if a training failed, or a network did not run exactly."""
    if outcome.failures:
        first = outcome.failures[0]
        raise type(first)(f"{len(outcome.failures)} not finished; {first.message}", first.hint)
    inexact = [row["name"] for row in outcome.record["rows"] if row["measured"] and not row["measured"]["exact"]]
    if inexact:
        raise PqkError(f"logits differ from the integer reference: {', '.join(inexact)}", "this is a bug in a kernel")


def _jobs(runs: list[_Run], scores: Mapping[Path, Score | None], how: _How) -> tuple[list[Job], dict[Job, Path]]:
    """What is to be done, float references first, and which network each job trains and scores.

    Of trainings with a common beginning the first goes alone; the others go on from there.
    """
    references: dict[Path, Job] = {}
    trainings: dict[Path, Job] = {}
    beginnings: dict[Path, Job] = {}
    for one in runs:
        stages = one.stages
        if scores.get(stages.trained) or stages.trained in trainings:
            continue
        if not (stages.trained.is_dir() or stages.reference.is_dir() or stages.reference in references):
            name = f"float reference of {one.row.project.network.arch}, seed {one.project.training.seed}"
            references[stages.reference] = Job(name, partial(_train_reference, one.project, how))
        work = partial(_train_and_score, one.project, stages.trained, how)
        before = references.get(stages.reference)
        shares = pipeline.shares_phase1(one.project.compression.method) and not stages.beginning.is_file()
        job = Job(one.name, work, beginnings.get(stages.beginning, before) if shares else before)
        trainings[stages.trained] = job
        if shares:
            beginnings.setdefault(stages.beginning, job)
    return [*references.values(), *trainings.values()], {job: path for path, job in trainings.items()}


def _write(
    comparison: Comparison,
    inputs: Features,
    runs: list[_Run],
    scores: Mapping[Path, Score | None],
    scorer: Scorer,
) -> Record:
    found = {row.name: [scores.get(one.stages.trained) for one in runs if one.row is row] for row in comparison.rows}
    made = record(comparison, scorer.board, inputs, found)
    write_record(scorer.folder / FILE, made)
    atomic_write_text(scorer.folder / TABLE, table.markdown(made))
    return made


def _train_reference(project: Project, how: _How, tell: Tell) -> None:
    pipeline.reference(project, features.load(how.features), _reporter(tell), how.device)


def _train_and_score(project: Project, expected: Path, how: _How, tell: Tell) -> Score:
    inputs = features.load(how.features)
    trained = pipeline.trained(project, inputs, _reporter(tell), how.device)
    if trained != expected:
        raise ProjectError("the trainer's source has changed since the comparison began", "the same command again")
    return how.scorer.score(trained, inputs)


def _reporter(tell: Tell) -> Reporter:
    """Tells the parent how many epochs are done, whenever there is another one."""
    told = 0

    def training(progress: "Progress") -> None:
        nonlocal told
        if progress.epoch > told:
            told = progress.epoch
            tell(told)

    return Reporter(note=lambda _: None, extracting=lambda *_: None, training=training)


@dataclass
class _Tracker:
    """Counts epochs and jobs for the teller."""

    tell: Teller
    jobs: int
    epochs: int
    done: dict[Job, int] = field(default_factory=dict)
    ended: int = 0

    def follow(self, news: workers.News) -> None:
        """Tell what the news are."""
        name = news.job.name
        self.done[news.job] = self.epochs if news.ended else news.value
        self.tell.epochs(sum(self.done.values()), self.jobs * self.epochs, name)
        if news.ended:
            self.ended += 1
            self.tell.reporter.note(f"{self.ended} of {self.jobs}: {name}: {_result(news.value)}")


def _result(value: Score | PqkError | None) -> str:
    if isinstance(value, PqkError):
        return f"not finished: {value.message}"
    if value is None:
        return "trained"
    return f"{100 * value['accuracy']:.2f} % (validation {100 * value['validation']:.2f} %)"
