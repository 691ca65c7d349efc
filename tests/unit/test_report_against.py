"""One run beside another: every difference follows from the two, and what cannot be subtracted is not."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from support.reports import BOARD, records
from support.seeds import fresh

from pqk import tables
from pqk.compare.statistics import mcnemar
from pqk.errors import PqkError
from pqk.report import assemble, beside, write
from pqk.report.against import compare
from pqk.report.history import Found

CYCLES = 2e6
"""In a second, of a made-up physical board."""


@pytest.fixture
def pair() -> tuple[dict[str, Any], dict[str, Any]]:
    """What two reports are assembled from: other networks, the same clips."""
    seeds = fresh("records").integers(2**32, size=2)
    here, there = (records(int(seed)) for seed in seeds)
    for layer, factor in zip(here["evaluation"]["layers"], range(1, 14), strict=True):
        there["evaluation"]["layers"][factor - 1] = layer + 7 * factor - 40
    there["evaluation"]["stack_high_water"] = 350
    return here, there


def compared(here: dict[str, Any], there: dict[str, Any]) -> dict[str, Any]:
    return compare(assemble(**here), Found("number 7", assemble(**there)))


def rows(comparison: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["title"]: row for row in comparison["figures"]}


def physical(inputs: dict[str, Any]) -> None:
    """Make the run one of a board that counts cycles."""
    inputs["board"] = replace(BOARD, name="nucleo", title="Nucleo", per_second=CYCLES)
    inputs["evaluation"]["unit"] = "cycles"


def test_every_key_figure_is_subtracted(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    here, there = (assemble(**inputs) for inputs in pair)
    places: dict[str, tuple[Callable[[dict[str, Any]], float], str]] = {
        "accuracy": (lambda report: report["accuracy"]["device"], "share"),
        "clips with other features": (lambda report: report["parity"]["different_features"], "of 913 clips"),
        "clips with other outputs": (lambda report: report["parity"]["different_logits"], "of 913 clips"),
        "an inference": (lambda report: report["cost"]["network"]["median"], "emulated instructions"),
        "a second's front end": (lambda report: report["cost"]["front_end"]["median"], "emulated instructions"),
        "a second, front end and inference": (
            lambda report: report["cost"]["per_second_of_audio"]["median"],
            "emulated instructions",
        ),
        "flash": (lambda report: report["memory"]["flash"]["total"], "bytes"),
        "RAM": (lambda report: report["memory"]["ram"]["total"], "bytes"),
        "stack, deepest": (lambda report: report["memory"]["ram"]["stack_high_water"], "bytes"),
    }
    found = rows(compared(*pair))
    assert list(found) == list(places)
    for title, (value, unit) in places.items():
        row = found[title]
        assert (row["unit"], row["unit_there"]) == (unit, unit)
        assert (row["here"], row["there"]) == (value(here), value(there))
        assert row["difference"] == value(here) - value(there)
        expected = 100 * row["difference"] / value(there) if value(there) else None
        assert row["percent"] == (None if expected is None else pytest.approx(expected))
    assert found["stack, deepest"]["difference"] == 62


def test_accuracy_is_tested_on_the_pairs_of_answers(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    right = [
        [a == b for a, b in zip(inputs["evaluation"]["labels"], inputs["evaluation"]["predictions"], strict=True)]
        for inputs in pair
    ]
    won = sum(ours and not theirs for ours, theirs in zip(*right, strict=True))
    lost = sum(theirs and not ours for ours, theirs in zip(*right, strict=True))
    comparison = compared(*pair)
    assert comparison["paired"] == {"won": won, "lost": lost, "p": mcnemar(won, lost)}
    assert rows(comparison)["accuracy"]["difference"] == pytest.approx((won - lost) / 913)
    assert comparison["notes"] == []


@pytest.mark.parametrize("what", ["name", "label", "count"])
def test_other_clips_get_no_test_and_are_named(pair: tuple[dict[str, Any], dict[str, Any]], what: str) -> None:
    here, there = pair
    if what == "count":
        there = records(5, clips=800)
    else:
        evaluation = there["evaluation"]
        evaluation["labels"][4] = (evaluation["labels"][4] + (what == "label")) % 10
        evaluation["names"][4] += "2" * (what == "name")
    comparison = compared(here, there)
    assert comparison["paired"] is None
    clips = 800 if what == "count" else 913
    note = f"The clips are not the same ones (913 of testing here, {clips} of testing there): no paired test"
    assert [text.startswith(note) for text in comparison["notes"]] == [True]
    different = rows(comparison)["clips with other outputs"]
    assert different["difference"] == (None if what == "count" else 0), "so many of 913 less so many of 800 is nothing"
    false = [row["false_positives"]["difference"] for row in comparison["per_class"]]
    assert all((value is None) == (what == "count") for value in false)


def test_classes_have_recall_and_clips_wrongly_taken_for_them(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    for row in compared(*pair)["per_class"]:
        index = pair[0]["project"].classes.index(row["label"])
        for place, inputs in zip(("here", "there"), pair, strict=True):
            answers = list(zip(inputs["evaluation"]["labels"], inputs["evaluation"]["predictions"], strict=True))
            own = [answer for label, answer in answers if label == index]
            assert row["recall"][place] == own.count(index) / len(own)
            assert row["false_positives"][place] == sum(a == index != label for label, a in answers)
        for figure in (row["recall"], row["false_positives"]):
            assert figure["difference"] == figure["here"] - figure["there"]


def test_layers_are_compared_by_name(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    here, there = pair
    there["build"]["layers"][2]["name"] = "conv1a"
    there["build"]["layers"][3]["kernel"] = "conv2d_sparse4"
    found = {row["name"]: row for row in compared(here, there)["layers"]}
    costs = here["evaluation"]["layers"], there["evaluation"]["layers"]
    assert list(found) == [layer["name"] for layer in here["build"]["layers"]] + ["conv1a"]
    assert [found["conv1"][key] for key in ("here", "there", "difference", "percent")] == [costs[0][2], *[None] * 3]
    assert [found["conv1a"][key] for key in ("here", "there", "kernel")] == [None, costs[1][2], None]
    assert found["conv0"]["difference"] == costs[0][1] - costs[1][1] == 26
    assert found["conv0"]["percent"] == pytest.approx(100 * 26 / costs[1][1])
    assert (found["conv2"]["kernel"], found["conv2"]["kernel_there"]) == ("conv2d_lanes", "conv2d_sparse4")


def test_other_units_are_not_subtracted(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """An emulated board against a physical one."""
    physical(pair[1])
    comparison = compared(*pair)
    assert comparison["notes"] == [
        "The boards differ: Arm MPS2+ AN386 here, Nucleo there.",
        "This run counts emulated instructions, the other one cycles: no cost is subtracted from the other.",
    ]
    found = rows(comparison)
    for title in ("an inference", "a second's front end", "a second, front end and inference"):
        assert (found[title]["unit"], found[title]["unit_there"]) == ("emulated instructions", "cycles")
        assert found[title]["here"] > 0 < found[title]["there"]
        assert (found[title]["difference"], found[title]["percent"]) == (None, None)
    time = found["an inference, time"]
    assert (time["here"], time["unit"], time["unit_there"], time["difference"]) == (None, None, "ms", None)
    assert {row["difference"] for row in comparison["layers"]} == {None}
    assert found["flash"]["difference"] is not None
    assert comparison["paired"] is not None
    printed = tables.against(comparison)
    assert " emulated instructions, there cycles " in printed
    assert "emulated instructions, here" in printed
    assert "cycles, there" in printed


def test_physical_boards_are_compared_in_milliseconds(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    for inputs in pair:
        physical(inputs)
    time = rows(compared(*pair))["an inference, time"]
    cycles = rows(compared(*pair))["an inference"]
    assert (time["unit"], cycles["unit"]) == ("ms", "cycles")
    assert time["difference"] == pytest.approx(1000 * cycles["difference"] / CYCLES)


def test_other_emulated_boards_count_the_same_unit(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    pair[1]["board"] = replace(BOARD, name="microbit", title="micro:bit")
    comparison = compared(*pair)
    assert comparison["notes"] == ["The boards differ: Arm MPS2+ AN386 here, micro:bit there."]
    assert rows(comparison)["an inference"]["difference"] is not None


def test_other_classes_are_named() -> None:
    comparison = compared(records(1), records(2, words=("down", "go", "left", "cat", "right", "stop", "up", "yes")))
    assert comparison["notes"][0].startswith("The classes differ: down, go, left, no, right")
    found = {row["label"]: row for row in comparison["per_class"]}
    assert (found["no"]["recall"]["there"], found["cat"]["recall"]["here"]) == (None, None)
    assert (found["no"]["recall"]["difference"], found["no"]["false_positives"]["difference"]) == (None, None)


@pytest.mark.parametrize(
    "path", [("cost", "kind"), ("cost", "per_inference"), ("board", "title"), ("answers", "right"), ("memory", "ram")]
)
def test_a_hole_in_the_other_report_is_named(path: tuple[str, str]) -> None:
    other = copy.deepcopy(assemble(**records(2)))
    del other[path[0]][path[1]]
    with pytest.raises(PqkError, match=f"number 7: {path[0]}: '{path[1]}' is missing"):
        compare(assemble(**records(1)), Found("number 7", other))


def test_terminal_json_and_page_have_the_comparison(
    pair: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path
) -> None:
    here, there = (assemble(**inputs) for inputs in pair)
    report = beside(here, Found("number <7>", {"time": "2026-03-01T12:00:05+01:00", **there}))
    json_path, html_path = write(report, tmp_path)
    comparison = json.loads(json_path.read_text(encoding="utf-8"))["against"]
    page, printed = unescape(html_path.read_text(encoding="utf-8")), tables.against(comparison)
    assert "number &lt;7&gt;: build" in html_path.read_text(encoding="utf-8")
    share = f"{100 * comparison['figures'][0]['difference']:+.2f} points".replace("-", "−").replace("+0.00", "0")
    cost = f"{here['layers'][1]['instructions']:,}"
    paired = comparison["paired"]
    for text in (page, printed):
        assert "number <7>: build 5f0c2a9be81d4437 on Arm MPS2+ AN386, 913 clips" in text
        assert ", 2026-03-01 12:00" in text
        assert f"{paired['won']} are right here only and {paired['lost']} there only: p " in text
        assert share in text
        assert cost in text
        assert "+62" in text
    assert max(map(len, printed.splitlines()[3:])) <= 110
    assert [entry["figure"] for entry in report["measured"]].count("Against number <7>") == 1
    write(here, tmp_path)
    assert "Against another run" not in html_path.read_text(encoding="utf-8")
    assert "against" not in json.loads(json_path.read_text(encoding="utf-8"))
