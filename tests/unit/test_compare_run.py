"""A whole comparison of tiny networks on made-up recordings: finished, killed, resumed."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import recordings
from support.command import PROGRAM, pqk_mcu

from pqk import boards, project
from pqk.compare.rows import of_file
from pqk.compare.run import Outcome, Teller, raise_failures, run
from pqk.compare.score import Scorer
from pqk.errors import BoardError, PqkError
from pqk.pipeline import Reporter
from pqk.project import BuildConfig


class Heard:
    """A teller that remembers, and may do something after a number of epochs."""

    def __init__(self, at: int = 0, act: Any = None) -> None:
        self.notes: list[str] = []
        self.epochs: list[tuple[int, int, str]] = []
        self.at, self.act = at, act

    def teller(self) -> Teller:
        reporter = Reporter(self.notes.append, lambda *_: None, lambda _: None)
        return Teller(reporter, self.on_epoch)

    def on_epoch(self, done: int, total: int, name: str) -> None:
        self.epochs.append((done, total, name))
        if len(self.epochs) == self.at:
            self.act()

    def finished(self) -> list[str]:
        """Names of the jobs that ended, in order."""
        return [note.split(": ")[1] for note in self.notes if re.match(r"\d+ of \d+: ", note)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recordings.write(tmp_path_factory.mktemp("data"), ["yes", "no", "go", "stop"])


def write_project(root: Path) -> Path:
    """A project whose networks train in a second."""
    root.mkdir(exist_ok=True)
    (root / "pqk.toml").write_text(
        """\
[project]
name = "made-up"
words = ["yes", "no"]
[data]
unseen = ["stop"]
[front_end]
hop_ms = 50
bands = 12
[network]
arch = "res8-tiny"
[training]
phase1_epochs = 2
phase2_epochs = 1
"""
    )
    (root / "compare.toml").write_text(
        """\
[compare]
seeds = 1
control = "half"
[[row]]
name = "whole"
seeds = 2
[[row]]
name = "half"
compression.sparsity = 0.5
"""
    )
    return root


def compare(root: Path, data: Path, heard: Heard, *, clips: int = 0, processes: int = 2) -> Outcome:
    opened = project.load(root)
    scorer = Scorer(opened.build_dir / "compare", boards.load(opened.board), opened.build, clips)
    wanted = of_file(opened, root / "compare.toml")
    return run(wanted, scorer, data=data, processes=processes, tell=heard.teller())


def networks(root: Path) -> dict[str, bytes]:
    return {path.parent.parent.name: path.read_bytes() for path in root.glob("build/cache/trained-*/network/*.npz")}


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Heard, Outcome]:
    root, heard = write_project(tmp_path_factory.mktemp("project")), Heard()
    return root, heard, compare(root, data, heard)


@pytest.fixture
def begun(made: tuple[Path, Heard, Outcome], tmp_path: Path) -> Path:
    """The same project with float references, but without networks or their beginnings."""
    root = write_project(tmp_path / "begun")
    ignore = shutil.ignore_patterns("trained-*", "phase1-*")
    shutil.copytree(made[0] / "build" / "cache", root / "build" / "cache", ignore=ignore)
    return root


def test_everything_is_trained_once(made: tuple[Path, Heard, Outcome]) -> None:
    root, heard, outcome = made
    references = [f"float reference of res8-tiny, seed {seed}" for seed in (0, 1)]
    rows = ["whole, seed 0", "half, seed 0", "whole, seed 1"]
    assert sorted(heard.finished()) == sorted([*references, *rows])
    for row in rows:
        reference = f"float reference of res8-tiny, {row.split(', ')[1]}"
        assert heard.finished().index(reference) < heard.finished().index(row)
    assert heard.epochs[-1][:2] == (15, 15)
    assert len(networks(root)) == 3
    assert outcome.failures == ()
    raise_failures(outcome)


def test_the_files(made: tuple[Path, Heard, Outcome]) -> None:
    root, _, outcome = made
    folder = root / "build" / "compare"
    assert json.loads((folder / "compare.json").read_text()) == json.loads(json.dumps(outcome.record))
    assert (folder / "compare.md").read_text().startswith("| row | network |")
    assert (folder / "compare.svg").read_text().startswith("<svg")
    whole, half = outcome.record["rows"]
    assert (whole["seeds"], half["seeds"], outcome.record["epochs"]) == (2, 1, 3)
    assert half["nonzeros"] > 4 * whole["nonzeros"] > 0
    assert half["bytes"] > whole["bytes"] > 0
    assert half["instructions"] > whole["instructions"] > 0
    assert whole["common_seeds"] == 1
    assert outcome.record["data"]["clips"]["unseen"] == 40
    runs = [run for row in (whole, half) for run in row["runs"]]
    trained = [json.loads(path.read_text()) for path in root.glob("build/cache/trained-*/training.json")]
    for key, of_training in (
        ("accuracy", lambda record: record["accuracy"]["fake_quant"]["testing"]),
        ("validation", lambda record: record["accuracy"]["fake_quant"]["validation"]),
        ("float_accuracy", lambda record: record["accuracy"]["float"]["testing"]),
        ("unseen_unknown_recall", lambda record: record["unseen_unknown_recall"]["fake_quant"]),
    ):
        assert sorted(run[key] for run in runs) == sorted(map(of_training, trained))


def test_of_trainings_with_one_beginning_the_first_goes_alone(data: Path, tmp_path: Path) -> None:
    root, heard = write_project(tmp_path), Heard()
    rows = [f'[[row]]\nname = "{name}"\ncompression.method = "{name}"\n' for name in ("pqk-phase1", "speq", "pqk")]
    (root / "compare.toml").write_text("[compare]\nseeds = 1\n" + "".join(rows))
    compare(root, data, heard)
    assert heard.finished()[:2] == ["float reference of res8-tiny, seed 0", "pqk-phase1, seed 0"]
    assert len(list(root.glob("build/cache/phase1-*.npz"))) == 1
    told = {name: [done for done, _, one in heard.epochs if one == f"{name}, seed 0"] for name in ("speq", "pqk")}
    assert [len(epochs) for epochs in told.values()] == [2, 2]  # the beginning of the third epoch, and the end


def test_a_second_time_nothing_is_done(made: tuple[Path, Heard, Outcome], data: Path) -> None:
    root, _, outcome = made
    again = Heard()
    assert compare(root, data, again).record == outcome.record
    assert (again.finished(), again.epochs) == ([], [])


def test_networks_run_on_the_emulated_board(made: tuple[Path, Heard, Outcome], data: Path) -> None:
    root, _, _ = made
    before = networks(root)
    outcome = compare(root, data, Heard(), clips=2)
    raise_failures(outcome)
    assert networks(root) == before
    for row in outcome.record["rows"]:
        assert (row["measured"]["exact"], row["measured"]["clips"]) == (True, 2 * row["seeds"])
        assert row["measured"]["instructions"] == pytest.approx(row["instructions"], rel=0.2)
        assert row["measured"]["bytes"] == pytest.approx(row["bytes"], rel=0.2)
    again = Heard()
    assert compare(root, data, again, clips=2).record == outcome.record
    assert again.finished() == []


def test_a_killed_training_is_told_and_goes_on_from_its_checkpoint(
    made: tuple[Path, Heard, Outcome], begun: Path, data: Path
) -> None:
    heard = Heard(at=2, act=lambda: [process.kill() for process in multiprocessing.active_children()])
    outcome = compare(begun, data, heard, processes=1)
    (failure,) = outcome.failures
    assert failure.message.startswith("whole, seed 0: its process was ended by signal 9 (SIGKILL)")
    assert [(row["name"], row["seeds"]) for row in outcome.record["rows"]] == [("whole", 1), ("half", 1)]
    assert not outcome.record["complete"]
    with pytest.raises(PqkError, match="1 not finished; whole, seed 0"):
        raise_failures(outcome)
    again = Heard()
    outcome = compare(begun, data, again, processes=1)
    assert again.finished() == ["whole, seed 0"]
    assert again.epochs == [(2, 3, "whole, seed 0"), (3, 3, "whole, seed 0")]  # from the second epoch's end
    assert outcome.record["rows"] == made[2].record["rows"]
    assert networks(begun) == networks(made[0])


def test_an_interrupted_command_goes_on(made: tuple[Path, Heard, Outcome], begun: Path, data: Path) -> None:
    """Ctrl-C reaches the command and its workers, and the same command ends as if nothing had been."""
    command = [PROGRAM, "compare", "--workers", "1", "--data", str(data)]
    process = subprocess.Popen(command, cwd=begun, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 300
    while not list((begun / "build" / "cache").glob("*checkpoint*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=120)  # ends when no worker holds the pipe any more
    assert process.returncode == 130
    assert "interrupted" in error
    assert "Traceback" not in error
    assert not json.loads((begun / "build" / "compare" / "compare.json").read_text())["complete"]
    outcome = pqk_mcu("compare", "--data", str(data), "--json", "copy/compare.json", cwd=begun)
    assert outcome.code == 0, outcome.err
    record = json.loads((begun / "copy" / "compare.json").read_text())
    assert record["rows"] == made[2].record["rows"]
    assert "whole" in outcome.out
    assert networks(begun) == networks(made[0])


def test_errors_of_the_command(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project")
    for arguments, code, message, hint in (
        (["--methods", "pqk,pqc"], 2, "compression.method = 'pqc' is not known", "pqk"),
        (["--methods", "pqk", "--rows", "compare.toml"], 2, "--rows or --methods, not both", ""),
        (["--rows", "nowhere.toml"], 2, "nowhere.toml: cannot be read", "--methods"),
        (["--data", "nowhere"], 3, "no folder of recordings at", "--data"),
    ):
        outcome = pqk_mcu("compare", *arguments, cwd=root)
        assert (outcome.code, "Traceback" in outcome.err) == (code, False), outcome.err
        assert message in outcome.err
        assert hint in outcome.err
        assert not (root / "build" / "compare").exists()


def test_a_real_board_is_not_measured(tmp_path: Path) -> None:
    real = replace(boards.load("mps2-an386"), emulated=False)
    with pytest.raises(BoardError, match="is a real board"):
        Scorer(tmp_path, real, BuildConfig(), clips=1)
