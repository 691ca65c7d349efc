"""What is done with a build: evaluate it on its device, and report. Needs no trainer."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pqk_codegen import interpreter

from pqk import build, evaluate, features, pipeline, report, runners, tune
from pqk.boards import Board
from pqk.errors import DataError
from pqk.frontend import Pcm
from pqk.links import is_url
from pqk.project import Project
from pqk.report import history
from pqk.report.checks import Check, Limits, check


def run_evaluation(
    project: Project,
    board: Board,
    *,
    split: str,
    limit: int | None,
    port: str | None,
    progress: Callable[[int, int], None],
    send_features: bool = False,
    data: Path | None = None,
) -> dict[str, Any]:
    """Send the clips of `split` (or `limit` of them, evenly spread) through the device and keep the record.

    What goes over the line is the recordings in `data` (or where the project says), or the features that the host has
    made of them when the firmware was built. Returns the record, which is also in build/<board>/evaluation.json.

    Raises:
        ProjectError: nothing was built.
        DataError: the split has no clips, or recordings have changed since the build.
        BusyError: another process evaluates the same build on the same device.
        LinkError: the device does not answer, or with another build.
    """
    built = pipeline.load_build(project, board.name)
    extracted = features.load(pipeline.features_directory(project, built))
    inputs, labels, names = extracted.subset(split)
    if not len(names):
        raise DataError(f"the {split} split has no clips", "pqk-mcu eval --split validation")
    chosen = evaluate.spread(len(names), limit)
    clips = evaluate.Clips(
        split=split,
        names=[names[index] for index in chosen],
        inputs=inputs[chosen],
        labels=labels[chosen],
        logits=interpreter.logits(pipeline.load_network(built), inputs[chosen]).astype(np.int32),
        audio=None if send_features else _audio(project, data, extracted, extracted.indices(split)[chosen]),
    )
    evaluation = evaluate.evaluate(
        lambda: runners.connect(board, built.directory, expected_build=built.record["id"], port=port),
        clips,
        evaluate.Unit(board.timer.unit, board.timer.units_per_tick),
        built.directory / _journal(split, port),
        progress,
        revive=lambda: runners.reset(board, built.directory, port=port),
    )
    evaluation.save(_evaluation_path(built.directory))
    return evaluation.record()


def _journal(split: str, port: str | None) -> str:
    """Name of the journal. A device elsewhere has its own, so that several can be evaluated at the same time."""
    remote = re.sub(r"[^A-Za-z0-9]+", "-", f"-{port}") if port and is_url(port) else ""
    return f"journal-{split}{remote}.jsonl"


def _audio(
    project: Project, data: Path | None, extracted: features.Features, clips: NDArray[np.int64]
) -> Callable[[int], Pcm]:
    """Reads the i-th of the clips at the positions given, as the features of the build were made from it."""
    dataset = pipeline.scan_data(project, data)
    if dataset.fingerprint != extracted.fingerprint:
        raise DataError(f"the recordings in {dataset.root} are not those of the last build", "pqk-mcu build")
    return lambda index: features.read_clip_pcm(dataset, extracted.clips[clips[index]])


def run_tuning(
    project: Project, board: Board, *, port: str | None, progress: Callable[[int, int], None]
) -> dict[str, Any]:
    """Measure every kernel that can run a layer of the last build; see `pqk.tune.tune`.

    Raises:
        ProjectError: nothing was built.
    """
    built = pipeline.load_build(project, board.name)
    return tune.tune(
        pipeline.load_network(built),
        board,
        build.objective(project.build, board, {}),
        built.directory,
        key=pipeline.tuning_key(pipeline.network_directory(built), board),
        port=port,
        progress=progress,
    )


@dataclass(frozen=True)
class Reported:
    """What `write_report` leaves behind."""

    page: Path
    document: dict[str, Any]
    """What report.json says."""
    kept: history.Entry
    checks: list[Check]
    """Parity and the limits, none of them where no limits were given."""


def write_report(
    project: Project,
    board: Board,
    output: Path | None,
    now: datetime,
    *,
    against: str | None = None,
    limits: Limits | None = None,
) -> Reported:
    """Write report.json and report.html into `output` (build/<board> if None), and keep the report in the history.

    Args:
        project: in whose folder the history lies.
        board: that was measured.
        output: a folder; made if missing.
        now: when the report is made.
        against: what to compare with: a number of the history, a build id in it, or the path of a report.json.
        limits: what to check; see `pqk.report.checks`. A limit that is not kept is no error here.

    Raises:
        PqkError: something was not measured yet (the hint is the command that does), or `against` is not there.
        ProjectError: a limit cannot be checked.
    """
    measurement = _assemble(project, board)
    other = None if against is None else history.find(against, project.root)
    checks = [] if limits is None else check(measurement, limits, other)
    document = measurement if other is None else report.beside(measurement, other)
    _, page = report.write(document, output or pipeline.board_directory(project, board.name))
    return Reported(page, document, history.keep(measurement, project.root, now), checks)


def _assemble(project: Project, board: Board) -> dict[str, Any]:
    built = pipeline.load_build(project, board.name)
    evaluation = _read(_evaluation_path(built.directory))
    data = _read(built.directory / "data.json")
    split = evaluation.get("split", "testing")
    facts = report.BoardFacts(
        name=board.name,
        title=board.title,
        cpu=board.cpu,
        status=board.status,
        flash=board.memory.flash.size,
        ram=board.memory.ram.size,
        modelled=board.modelled,
        per_second=None if board.emulated else board.timer.hz * board.timer.units_per_tick,
    )
    return report.assemble(
        project,
        facts,
        training=_read(built.directory / "training.json"),
        build=built.record,
        evaluation=evaluation,
        data={**data, "split": split, "clips": data["clips"][split]},
        stream=_read(built.directory / "stream.json"),
    )


def _evaluation_path(directory: Path) -> Path:
    return directory / "evaluation.json"


def _read(path: Path) -> dict[str, Any]:
    """A record; empty where it was not made yet, which the report turns into the command to run."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
