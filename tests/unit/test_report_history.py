"""The history of a project: every measurement once, in a file of its own that nothing changes."""

import copy
import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from support.reports import records
from support.seeds import fresh

from pqk import tables
from pqk.errors import PqkError
from pqk.report import assemble
from pqk.report.history import entries, find, keep

NOON = datetime(2026, 3, 1, 12, 0, 5, tzinfo=timezone(timedelta(hours=1)))


def made(seed: int | None = None) -> dict[str, Any]:
    return assemble(**records(int(fresh("records").integers(2**32)) if seed is None else seed))


def of_build(report: dict[str, Any], build: str, board: str = "mps2-an386") -> dict[str, Any]:
    """`report` as if it was of another build."""
    other = copy.deepcopy(report)
    other["build"]["id"], other["board"]["name"] = build, board
    return other


def test_a_report_is_kept_as_it_is_with_its_time(tmp_path: Path) -> None:
    report = made()
    entry = keep(report, tmp_path, NOON)
    kept = json.loads((tmp_path / "history" / "0001-mps2-an386-5f0c2a9be81d4437.json").read_text(encoding="utf-8"))
    assert kept == entry.report == {"time": "2026-03-01T12:00:05+01:00", **json.loads(json.dumps(report))}


def test_the_same_measurement_is_kept_once(tmp_path: Path) -> None:
    report = made(1)
    keep(report, tmp_path, NOON)
    keep(made(2), tmp_path, NOON)
    before = {path: path.read_bytes() for path in (tmp_path / "history").iterdir()}
    again = keep(report, tmp_path, NOON + timedelta(days=1))
    assert (again.number, again.report["time"]) == (1, "2026-03-01T12:00:05+01:00")
    assert {path: path.read_bytes() for path in (tmp_path / "history").iterdir()} == before


def test_measurements_are_numbered_and_none_is_overwritten(tmp_path: Path) -> None:
    report, ids = made(), [f"{random.Random(index).getrandbits(64):016x}" for index in range(12)]
    for index, build in enumerate(ids):
        board = ("mps2-an386", "microbit")[index % 2]
        assert keep(of_build(report, build, board), tmp_path, NOON).number == index + 1
    assert [entry.number for entry in entries(tmp_path)] == list(range(1, 13))
    assert [entry.report["build"]["id"] for entry in entries(tmp_path)] == ids
    (tmp_path / "history" / f"0003-mps2-an386-{ids[2]}.json").unlink()
    assert keep(of_build(report, ids[2]), tmp_path, NOON).number == 13, "no number is given twice"


def test_reports_made_at_once_are_all_kept(tmp_path: Path) -> None:
    reports = [of_build(made(seed), f"{seed:016x}") for seed in range(8)]
    with ThreadPoolExecutor(len(reports)) as pool:
        kept = list(pool.map(lambda report: keep(report, tmp_path, NOON), reports))
    assert sorted(entry.number for entry in kept) == list(range(1, 9))
    assert [entry.report for entry in entries(tmp_path)] == [
        entry.report for entry in sorted(kept, key=lambda entry: entry.number)
    ]


def test_a_report_is_found_by_number_build_and_path(tmp_path: Path) -> None:
    first, second = made(1), made(2)
    third = of_build(first, "77aa")
    for report in (first, second, third):
        keep(report, tmp_path, NOON)
    assert find("1", tmp_path).report["accuracy"] == first["accuracy"]
    assert find("1", tmp_path).name == find("0001", tmp_path).name == "number 1"
    assert find("5f0c2a9be81d4437", tmp_path).name == "number 2", "the newest of a build"
    assert find("77aa", tmp_path).name == "number 3"
    path = tmp_path / "elsewhere.json"
    path.write_text(json.dumps(second))
    assert find(str(path), tmp_path).report == json.loads(path.read_text())
    for what in ("4", "-1", "5f0c", str(tmp_path), "nowhere.json"):
        with pytest.raises(PqkError, match="no file") as caught:
            find(what, tmp_path)
        assert "pqk-mcu history" in caught.value.hint


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 1}', '{"schema": 2, "answers": {}}', "\udcff"])
def test_what_is_no_report_is_named(tmp_path: Path, content: str) -> None:
    keep(made(), tmp_path, NOON)
    path = tmp_path / "history" / "0002-mps2-an386-5f0c2a9be81d4437.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    for act in (lambda: entries(tmp_path), lambda: find(str(path), tmp_path), lambda: keep(made(), tmp_path, NOON)):
        with pytest.raises(PqkError, match="0002-mps2-an386-5f0c2a9be81d4437"):
            act()


def test_the_list_has_what_was_measured(tmp_path: Path) -> None:
    assert tables.history([]) == "no report was kept yet; first: pqk-mcu report"
    report = made()
    keep(report, tmp_path, NOON)
    physical = of_build(report, "77aa", "nucleo-f446re")
    physical["cost"] |= {"kind": "cycles", "milliseconds": {"min": 5.0, "median": 5.126, "max": 6.0}}
    keep(physical, tmp_path, NOON)
    first, second = [" ".join(line.split()) for line in tables.history(entries(tmp_path)).splitlines()[1:]]
    share, memory = f"{100 * report['accuracy']['device']:.2f} %", report["memory"]
    sizes = f"{memory['flash']['total']:,} {memory['ram']['total']:,} pqk"
    cost = f"{report['cost']['per_inference']['median']:,} emulated instructions"
    assert first == f"1 2026-03-01 12:00 mps2-an386 5f0c2a9be81d4437 testing 913 {share} {cost} {sizes}"
    assert second == f"2 2026-03-01 12:00 nucleo-f446re 77aa testing 913 {share} 5.13 ms {sizes}"
