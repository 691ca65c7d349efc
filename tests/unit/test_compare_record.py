"""What compare.json, the table and the picture make of scores."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.comparisons import LABELS, comparison, features, score

from pqk import boards, tables
from pqk.compare import figure, table
from pqk.compare.record import record
from pqk.compare.statistics import mcnemar

CONTROL = [np.array([0, 1, 2, 0, 1, 0, 1, 1]), np.array([0, 1, 2, 0, 1, 2, 1, 0]), LABELS]
BETTER = [np.array([0, 1, 2, 0, 1, 2, 0, 0])] * 2


def made(tmp_path: Path, **scores: list[dict[str, Any] | None]) -> dict[str, Any]:
    return record(comparison(tmp_path, scores, "control"), boards.load("mps2-an386"), features(), scores)


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, Any]:
    control = [score(labels, nonzeros=80 + index) for index, labels in enumerate(CONTROL)]
    return made(tmp_path, control=control, better=[score(labels) for labels in BETTER])


def test_a_row_is_a_mean_over_seeds(whole: dict[str, Any]) -> None:
    control, better = whole["rows"]
    assert (control["seeds"], better["seeds"]) == (3, 2)
    assert [run["seed"] for run in control["runs"]] == [0, 1, 2]
    accuracies = [run["accuracy"] for run in control["runs"]]
    assert accuracies == [6 / 8, 6 / 8, 1]
    assert control["accuracy_mean"] == pytest.approx(np.mean(accuracies))
    assert control["accuracy_std"] == pytest.approx(np.std(accuracies, ddof=1))
    assert (control["nonzeros"], control["sparsity"]) == (81, pytest.approx(0.19))
    assert (whole["complete"], whole["epochs"], whole["control"]) == (True, 32, "control")
    assert whole["data"] == {
        "fingerprint": "made-up",
        "clips": {"training": 0, "validation": 0, "testing": 8, "unseen": 0},
    }


def test_rows_are_tested_against_the_control_on_common_seeds(whole: dict[str, Any]) -> None:
    control, better = whole["rows"]
    assert control["p_against_control"] is control["difference_to_control"] is None
    assert (better["common_seeds"], better["won"], better["lost"]) == (2, 3, 1)
    assert better["p_against_control"] == mcnemar(3, 1)
    assert better["difference_to_control"] == pytest.approx(2 / 16)


def test_seeds_that_are_not_finished_are_left_out(tmp_path: Path) -> None:
    found = made(tmp_path, control=[None, score(CONTROL[1])], better=[score(BETTER[0]), None], nothing=[None])
    assert not found["complete"]
    assert [row["name"] for row in found["rows"]] == ["control", "better"]
    control, better = found["rows"]
    assert [run["seed"] for run in control["runs"]] == [1]
    assert better["p_against_control"] is None  # no seed is common
    assert "not complete" in table.markdown(found)


def test_no_figure_is_invented(tmp_path: Path) -> None:
    lost = score(CONTROL[0], bytes=None, instructions=None, obstacle="no kernel supports it")
    found = made(tmp_path, control=[score(CONTROL[0])], better=[lost])
    assert (found["rows"][1]["bytes"], found["rows"][1]["instructions"]) == (None, None)
    assert "better: no kernel supports it" in table.markdown(found)
    assert "better" not in figure.picture(found)


def test_the_table(whole: dict[str, Any]) -> None:
    heads, rows = table.cells(whole)
    control, better = (dict(zip(heads, row, strict=True)) for row in rows)
    assert control["accuracy"] == "83.33 % ± 14.43"
    assert (control["against control"], control["p"]) == ("–", "–")
    assert (better["against control"], better["p"]) == ("+12.50 ± 0.00", "0.625")
    assert (better["bytes"], better["instructions"], better["nonzeros"]) == ("20,000", "1,000,000", "80")
    assert "unseen words" not in heads
    assert "exact" not in heads


def test_columns_appear_with_what_they_show(tmp_path: Path) -> None:
    ran = {"bytes": 21000, "instructions": 1010000, "clips": 5, "exact": True}
    wrong = {**ran, "exact": False}
    control = [score(CONTROL[0], measured=ran, unseen_unknown_recall=0.25), score(CONTROL[1], measured=wrong)]
    found = made(tmp_path, control=control, better=[score(BETTER[0], measured=ran, unseen_unknown_recall=0.5)])
    heads, rows = table.cells(found)
    control_row, better = (dict(zip(heads, row, strict=True)) for row in rows)
    assert (better["bytes linked"], better["emulated instructions"], better["exact"]) == ("21,000", "1,010,000", "yes")
    assert control_row["exact"] == "NO"
    assert (control_row["unseen words"], better["unseen words"]) == ("–", "50.0 %")


def test_markdown_and_terminal_have_the_same_cells(whole: dict[str, Any]) -> None:
    heads, rows = table.cells(whole)
    markdown, terminal = table.markdown(whole).splitlines(), tables.comparison(whole)
    assert markdown[0].count("|") == len(heads) + 1
    assert all(cell.replace("_", r"\_") in markdown[2 + index] for index, row in enumerate(rows) for cell in row)
    assert all(cell in terminal for row in rows for cell in row)


def test_names_cannot_break_the_table(tmp_path: Path) -> None:
    control = comparison(tmp_path, {"a|b [red]<i>*": [None]}, None)
    found = record(control, boards.load("mps2-an386"), features(), {"a|b [red]<i>*": [score(LABELS)]})
    assert r"| a\|b [red]\<i>\* |" in table.markdown(found)
    assert "a|b [red]<i>*" in tables.comparison(found)
    ET.fromstring(figure.picture(found))


def test_the_picture_shows_every_row_twice_with_its_deviation(whole: dict[str, Any]) -> None:
    picture = figure.picture(whole)
    root = ET.fromstring(picture)
    assert float(root.attrib["width"]) > 500
    texts = "".join(root.itertext())
    for name in ("control", "better", "instructions of an inference, estimated for mps2-an386", "20,000 bytes"):
        assert name in texts
    assert figure.picture(json.loads(json.dumps(whole))) == picture


def test_no_two_rows_look_alike() -> None:
    styles = [tuple(figure.style(number).values()) for number in range(49)]
    assert len(set(styles)) == 49
