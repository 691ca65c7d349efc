"""A whole comparison of tiny networks on made-up recordings: finished, killed, resumed."""

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import recordings

from pqk import boards
from pqk.compare.run import Outcome, Teller, raise_failures, run
from pqk.compare.rows import Comparison, Row
from pqk.compare.score import Scorer
from pqk.errors import BoardError, PqkError
from pqk.pipeline import Reporter
from pqk.project import CompressionConfig, FrontEndConfig, NetworkConfig, Project, TrainingConfig

WORDS = ("yes", "no")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recordings.write(tmp_path_factory.mktemp("data"), [*WORDS, "go"])


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
        return [note.split(": ")[1] for note in self.notes if " of " in note and ": " in note]


def comparison(root: Path, seeds: int = 1) -> Comparison:
    project = Project(
        root,
        "made-up",
        WORDS,
        front_end=FrontEndConfig(hop_ms=50, bands=12),
        network=NetworkConfig("res8-tiny"),
        training=TrainingConfig(phase1_epochs=2, phase2_epochs=1),
    )
    half = replace(project, compression=CompressionConfig(sparsity=0.5))
    return Comparison((Row("whole", project, seeds), Row("half", half, seeds)), "half")


def compare(root: Path, data: Path, heard: Heard, *, clips: int = 0, seeds: int = 1, processes: int = 2) -> Outcome:
    wanted = comparison(root, seeds)
    base = wanted.rows[0].project
    scorer = Scorer(base.build_dir / "compare", boards.load("mps2-an386"), base.build, clips)
    return run(wanted, scorer, data=data, processes=processes, tell=heard.teller())


def networks(root: Path) -> dict[str, bytes]:
    return {path.parent.parent.name: path.read_bytes() for path in root.glob("build/cache/trained-*/network/*.npz")}


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Heard, Outcome]:
    root, heard = tmp_path_factory.mktemp("project"), Heard()
    return root, heard, compare(root, data, heard, seeds=2)


def test_everything_is_trained_once(made: tuple[Path, Heard, Outcome]) -> None:
    root, heard, outcome = made
    references = [f"float reference of res8-tiny, seed {seed}" for seed in (0, 1)]
    rows = [f"{name}, seed {seed}" for seed in (0, 1) for name in ("whole", "half")]
    assert sorted(heard.finished()) == sorted([*references, *rows])
    for row in rows:
        assert heard.finished().index(f"float reference of res8-tiny, {row.split(', ')[1]}") < heard.finished().index(
            row
        )
    assert heard.epochs[-1][:2] == (18, 18)
    assert len(networks(root)) == 4
    assert outcome.failures == ()
    raise_failures(outcome)


def test_the_files(made: tuple[Path, Heard, Outcome]) -> None:
    root, _, outcome = made
    folder = root / "build" / "compare"
    assert json.loads((folder / "compare.json").read_text()) == outcome.record
    assert (folder / "compare.md").read_text().startswith("| row | network |")
    assert (folder / "compare.svg").read_text().startswith("<svg")
    whole, half = outcome.record["rows"]
    assert (whole["seeds"], half["seeds"], outcome.record["epochs"]) == (2, 2, 3)
    assert half["nonzeros"] > 4 * whole["nonzeros"] > 0
    assert half["bytes"] > whole["bytes"] > 0
    assert half["instructions"] > whole["instructions"] > 0
    assert whole["common_seeds"] == 2
    for path in root.glob("build/cache/trained-*/training.json"):
        accuracy = json.loads(path.read_text())["accuracy"]["fake_quant"]["testing"]
        assert accuracy in [run["accuracy"] for row in (whole, half) for run in row["runs"]]


def test_a_second_time_nothing_is_done(made: tuple[Path, Heard, Outcome], data: Path) -> None:
    root, _, outcome = made
    again = Heard()
    assert compare(root, data, again, seeds=2).record == outcome.record
    assert (again.finished(), again.epochs) == ([], [])


def test_networks_run_on_the_emulated_board(made: tuple[Path, Heard, Outcome], data: Path) -> None:
    root, _, _ = made
    before, heard = networks(root), Heard()
    outcome = compare(root, data, heard, clips=2)
    raise_failures(outcome)
    assert networks(root) == before
    for row in outcome.record["rows"]:
        assert (row["measured"]["exact"], row["measured"]["clips"]) == (True, 2)
        assert row["measured"]["instructions"] == pytest.approx(row["instructions"], rel=0.2)
        assert row["measured"]["bytes"] == pytest.approx(row["bytes"], rel=0.2)
    assert compare(root, data, Heard(), clips=2).record == outcome.record


def test_a_killed_training_is_told_and_goes_on_from_its_checkpoint(
    made: tuple[Path, Heard, Outcome], data: Path, tmp_path: Path
) -> None:
    """Four epochs are told: three of the reference (the last by its end), then one of a network, which is killed."""
    heard = Heard(at=4, act=lambda: [process.kill() for process in multiprocessing.active_children()])
    outcome = compare(tmp_path, data, heard, processes=1)
    (failure,) = outcome.failures
    assert failure.message.startswith("whole, seed 0: its process was ended by signal 9 (SIGKILL)")
    assert [row["name"] for row in outcome.record["rows"]] == ["half"]
    assert not outcome.record["complete"]
    with pytest.raises(PqkError, match="1 not finished; whole, seed 0"):
        raise_failures(outcome)
    again = Heard()
    outcome = compare(tmp_path, data, again, processes=1)
    raise_failures(outcome)
    assert again.finished() == ["whole, seed 0"]
    assert again.epochs[0][0] > 1  # the first epoch is not trained again
    expected = networks(made[0])
    assert all(expected[name] == weights for name, weights in networks(tmp_path).items())


def test_an_interrupted_comparison_goes_on(made: tuple[Path, Heard, Outcome], data: Path, tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(tmp_path, data, Heard(at=4, act=interrupt), processes=1)
    assert multiprocessing.active_children() == []
    again = Heard()
    outcome = compare(tmp_path, data, again, processes=1)
    assert again.finished() == ["whole, seed 0", "half, seed 0"]
    first = {row["name"]: row["runs"][0] for row in made[2].record["rows"]}
    assert {row["name"]: row["runs"][0] for row in outcome.record["rows"]} == first


def test_a_real_board_is_not_measured(tmp_path: Path) -> None:
    real = next(board for board in map(boards.load, boards.names()) if not board.emulated)
    with pytest.raises(BoardError, match="is a real board"):
        Scorer(tmp_path, real, comparison(tmp_path).rows[0].project.build, clips=1)
