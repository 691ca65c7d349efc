"""The benchmark round its rows: which are measured, kept and told. tests/device/test_bench_rows.py measures some."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pqk_codegen import store
from pqk_codegen.plan import plan
from support.benchmark import BROKEN, INEXACT, TOO_LARGE, measured, row
from support.networks import random_network

from pqk import boards, firmware, pipeline, project, tables
from pqk.bench import cases as case_files
from pqk.bench import measure, record, run
from pqk.bench.cases import BITS, BOARDS, SPARSITIES, Case, Selection, Trained, cases
from pqk.bench.networks import NETWORKS
from pqk.build import Compiled
from pqk.errors import BoardError, DataError, LinkError, PqkError, ProjectError

BOARD = "mps2-an386"
M4 = Selection(cores=("cortex-m4",))


def case(sparsity: float, network: str = "res8-narrow") -> Case:
    return Case(network, sparsity, 4, BOARD)


def started(folder: Path, chosen: list[Case], workers: int = 1, **changes: Any) -> run.Outcome:
    arguments: dict[str, Any] = {"inputs": 3, "workers": workers, "report": lambda *_: None, "measure": measured}
    return run.run(chosen, folder, **{**arguments, **changes})


# ---- which rows ----


def test_everything_is_measured_where_nothing_narrows_it_down() -> None:
    chosen = cases(Selection())
    known = case_files.core_boards([boards.load(name) for name in boards.names()])
    assert len(chosen) == len(set(chosen)) == len(known) * len(NETWORKS) * len(SPARSITIES) * len(BITS)
    assert {one.board for one in chosen} == set(known.values())
    assert len({one.name for one in chosen}) == len(chosen)


def test_options_narrow_down() -> None:
    chosen = cases(Selection(("ds-cnn", "res8"), (0.8,), (8, 4), ("cortex-m4",)))
    assert [(one.network, one.sparsity, one.bits, one.board) for one in chosen] == [
        ("ds-cnn", 0.8, 8, BOARD),
        ("ds-cnn", 0.8, 4, BOARD),
        ("res8", 0.8, 8, BOARD),
        ("res8", 0.8, 4, BOARD),
    ]
    assert cases(Selection(("ds-cnn", "res8"), (0.8,), (8, 4), boards=(BOARD,))) == chosen
    assert cases(Selection(("ds-cnn", "res8"), (0.8,), (8, 4), ("cortex-m4",), (BOARD,))) == chosen
    assert cases(Selection(("ds-cnn", "res8", "res8"), (0.8, 0.8), (8, 4), ("cortex-m4",))) == chosen  # said twice


@pytest.mark.parametrize(
    ("selection", "kind", "message", "hint"),
    [
        (Selection(networks=("res9",)), ProjectError, "res9", "res8-narrow, res8, ds-cnn"),
        (Selection(cores=("cortex-m99",)), BoardError, "cortex-m99", "cortex-m4"),
        (Selection(boards=("mps2-an368",)), BoardError, "mps2-an368", BOARD),
    ],
)
def test_what_is_not_known_is_refused(selection: Selection, kind: type[PqkError], message: str, hint: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        cases(selection)
    assert hint in caught.value.hint


def test_a_real_board_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = dataclasses.replace(boards.load(BOARD), emulated=False)
    monkeypatch.setattr(boards, "load", lambda _: real)
    with pytest.raises(BoardError, match="is a real board"):
        cases(Selection(boards=(BOARD,)))


def test_one_emulated_board_stands_for_a_core() -> None:
    known = boards.load(BOARD)
    of = lambda name, cpu, **more: dataclasses.replace(known, name=name, cpu=cpu, **more)  # noqa: E731
    known_boards = [
        of("another", "cortex-m4"),
        known,
        of("microbit", "cortex-m0"),
        of("board-b", "cortex-m23"),
        of("board-a", "cortex-m23"),
        of("real", "cortex-m7", emulated=False),
    ]
    for order in (known_boards, known_boards[::-1]):
        assert case_files.core_boards(order) == {
            "cortex-m0": "microbit",  # mps2-an385-armv6m is not among them
            "cortex-m23": "board-a",
            "cortex-m4": BOARD,
        }


def test_the_boards_that_stand_for_cores_have_them() -> None:
    there = {core: boards.load(name).cpu for core, name in BOARDS.items() if name in boards.names()}
    assert "cortex-m4" in there
    assert all(core == cpu for core, cpu in there.items())


# ---- a project's network ----


def project_with_network(root: Path, board: str | None = BOARD) -> tuple[Path, float]:
    """A project, the folder of its trained network unless `board` is None, and the network's share of zeros."""
    project.create(root, "lights", ["yes", "no"], BOARD, None)
    network = random_network(np.random.default_rng(8))
    if board:
        store.save(network, root / "build" / board / "network")
        (root / "build" / board / pipeline.RECORD).write_text("{}")
    return root / "build" / str(board) / "network", 1 - network.nonzeros / network.weights


def test_a_project_adds_its_network(tmp_path: Path) -> None:
    folder, sparsity = project_with_network(tmp_path)
    trained = run.trained_network(tmp_path)
    assert trained == Trained("lights", folder)
    added = cases(dataclasses.replace(M4, sparsities=(0.5,), bits=(8,)), trained)[-1]
    assert (added.network, added.board, added.trained) == ("lights", BOARD, folder)
    assert added.sparsity == pytest.approx(sparsity, abs=1e-4)
    assert added.bits == added.load().weight_bits
    assert cases(dataclasses.replace(M4, networks=("lights",)), trained) == [added]


def test_a_build_for_another_board_will_do(tmp_path: Path) -> None:
    folder, _ = project_with_network(tmp_path, "another")
    assert run.trained_network(tmp_path) == Trained("lights", folder)


def test_a_project_without_a_build_adds_nothing(tmp_path: Path) -> None:
    assert run.trained_network(tmp_path) is None
    project_with_network(tmp_path, None)
    assert run.trained_network(tmp_path) is None


# ---- running and going on ----


def test_rows_are_kept_as_they_are_finished(tmp_path: Path) -> None:
    seen: list[int] = []

    def watching(one: Case, *rest: Any) -> dict[str, Any]:
        seen.append(len(json.loads((tmp_path / record.FILE).read_text())["rows"]))
        return measured(one, *rest)

    outcome = started(tmp_path, [case(0.5), case(0.9), case(0.8)], measure=watching)
    assert seen == [0, 1, 2]
    assert outcome.path == tmp_path / record.FILE
    assert outcome.rows == json.loads(outcome.path.read_text())["rows"]
    assert [one["sparsity"] for one in outcome.rows] == [0.5, 0.8, 0.9]
    assert json.loads(outcome.path.read_text())["schema"] == 1


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    chosen = [case(0.5), case(0.8), case(0.9)]

    def interrupted(one: Case, *_: Any) -> dict[str, Any]:
        if one.sparsity == 0.9:
            raise KeyboardInterrupt
        return row(one, 5)

    with pytest.raises(KeyboardInterrupt):
        started(tmp_path, chosen, measure=interrupted)
    # The stand-in adds one to what it is told of an earlier row.
    assert [one["instructions"] for one in started(tmp_path, chosen).rows] == [6, 6, 1000]


def test_rows_of_other_cases_are_kept(tmp_path: Path) -> None:
    started(tmp_path, [case(0.5), case(0.5, "res8")])
    outcome = started(tmp_path, [case(0.9)])
    assert [one["sparsity"] for one in outcome.rows] == [0.9]
    kept = json.loads(outcome.path.read_text())["rows"]
    assert [(one["network"], one["sparsity"]) for one in kept] == [
        ("res8", 0.5),
        ("res8-narrow", 0.5),
        ("res8-narrow", 0.9),
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_row_that_fails_does_not_stop_the_others(workers: int, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    chosen = [case(BROKEN), case(0.5), case(TOO_LARGE), case(0.9)]
    outcome = started(tmp_path, chosen, workers, report=lambda *args: told.append(args))
    assert [one["sparsity"] for one in outcome.rows] == [0.5, 0.9]
    assert outcome.too_large == [f"{case(TOO_LARGE).name}: flash: needs more"]
    assert {path.parent.name for path in tmp_path.glob("rows/*/done")} == {case(0.5).name, case(0.9).name}
    assert [done for done, _, _ in told] == [1, 2, 3, 4]
    assert {name for _, _, name in told} == {one.name for one in chosen}
    with pytest.raises(LinkError, match="1 rows failed, the first because: the device is gone") as caught:
        run.raise_failures(outcome)
    assert caught.value.hint == "flash it"


def test_what_does_not_fit_is_no_failure(tmp_path: Path) -> None:
    run.raise_failures(started(tmp_path, [case(TOO_LARGE), case(0.5)]))


def test_a_row_that_is_not_exact_is_told_and_kept(tmp_path: Path) -> None:
    outcome = started(tmp_path, [case(INEXACT), case(0.5)])
    with pytest.raises(PqkError, match=r"differ from the integer reference: res8-narrow 0\.13 4 bits cortex-m4"):
        run.raise_failures(outcome)
    assert [one["exact"] for one in record.load(tmp_path).values()] == [False, True]


# ---- a row ----


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiled:
    """What compiling is made to give: nothing is compiled."""
    chosen = plan(case(0.9).load(), "cortex-m4")
    symbols = {"pqk_w_conv1_stream": 400, "pqk_w_conv1": 44, "run_conv1": 20}
    (tmp_path / "firmware.map").write_text(MAP)
    made = Compiled(chosen, "an id", tmp_path, {"symbols": symbols}, fresh=True, chunk=None, notes=())
    monkeypatch.setattr(measure, "compile_network", lambda *_: made)
    return made


def test_a_row_has_what_plan_and_firmware_say(compiled: Compiled, tmp_path: Path) -> None:
    layers = [{"instructions": 10 * index} for index in range(len(compiled.plan.layers))]
    earlier = {"build_id": "an id", "inputs": 2, "instructions": 777, "exact": True, "layers": layers}
    made = measure.measure_case(case(0.9), tmp_path, 2, earlier)
    assert set(made) == set(row(case(0.9)))
    assert (made["instructions"], made["exact"], made["inputs"], made["build_id"]) == (777, True, 2, "an id")
    assert (made["core"], made["board"], made["sparsity"], made["weight_bits"]) == ("cortex-m4", BOARD, 0.9, 4)
    assert (made["flash"], made["ram"]) == (0x14 + 0x100 + 0x4, compiled.plan.arena)
    conv1 = next(layer for layer in made["layers"] if layer["name"] == "conv1")
    assert conv1["flash"] == 444
    assert (conv1["weights"], conv1["nonzeros"]) == (3249, 325)
    json.dumps(made)


@pytest.mark.parametrize("change", [{"build_id": "another"}, {"inputs": 3}])
def test_a_row_of_other_firmware_or_inputs_is_measured_again(
    change: dict[str, Any], compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ran(Exception):
        pass

    def running(*_: object) -> None:
        raise Ran

    monkeypatch.setattr(measure, "run_clips", running)
    layers = [{"instructions": 1}] * len(compiled.plan.layers)
    earlier = {"build_id": "an id", "inputs": 2, "instructions": 777, "exact": True, "layers": layers}
    measure.measure_case(case(0.9), tmp_path, 2, earlier)
    for other in ({**earlier, **change}, None):
        with pytest.raises(Ran):
            measure.measure_case(case(0.9), tmp_path, 2, other)


MAP = """Archive member included
 .text.unused   0x00000000     0x4000 generated-network.o

Linker script and memory map

LOAD generated-network.o
.text           0x00000000     0x2000
 *(.text .text.*)
 .text          0x00000000       0x20 firmware-main.o
 .text.run_fc   0x00000fa8       0x14 generated-network.o
                0x00000fa8                run_fc
 .rodata.pqk_w_conv1_entries
                0x00001394      0x100 generated-network.o
 *fill*         0x00001494        0x2
 .data.table    0x20000000        0x4 generated-sum_planes.o
 .bss.pqk_arena
                0x20000010     0x5000 generated-network.o
 .debug_info    0x00000000      0x999 generated-network.o
 .text.x        0x00003000       0x10 generatedother.o
"""


def test_flash_counts_what_is_linked_from_a_folder() -> None:
    assert firmware.flash_of(MAP, "generated") == 0x14 + 0x100 + 0x4
    assert firmware.flash_of(MAP, "firmware") == 0x20


# ---- the file and the table ----


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    for text in ("{", '{"schema": 1}', '{"schema": 1, "rows": [{}]}', "[]"):
        (tmp_path / record.FILE).write_text(text)
        with pytest.raises(DataError, match=r"bench\.json is damaged"):
            record.load(tmp_path)


def test_a_file_of_another_schema_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / record.FILE).write_text('{"schema": 0, "rows": [1]}')
    assert record.load(tmp_path) == {}


def test_the_table() -> None:
    modelled = {**row(case(0.95), 1234567), "modelled_cycles": 2345678}
    lines = tables.bench([modelled, row(case(INEXACT))]).splitlines()
    assert len(lines) == 3
    for text in ("cortex-m4", BOARD, "res8-narrow", "95 %", "1,234,567", "2,345,678", "6,000", "20,040", "yes"):
        assert text in lines[1]
    assert lines[2].split()[-1] == "NO"
    assert " - " in lines[2]
