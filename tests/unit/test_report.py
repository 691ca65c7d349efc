"""report.json: the keys other tools read, where their values come from, and what is refused."""

import copy
import json
import random
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.reports import BOARD, FACTS, records
from support.seeds import fresh

from pqk.errors import PqkError
from pqk.report import assemble, write

Number = (int, float)
SPREAD = {"min": Number, "median": Number, "max": Number}
ISSUE_KEYS: dict[str, Any] = {
    "schema": int,
    "project": {"name": str, "classes": [str]},
    "board": {"name": str, "cpu": str, "emulated": bool},
    "build": {"id": str, "compiler": str, "tool": str},
    "model": {
        "arch": str,
        "parameters": int,
        "nonzero": int,
        "sparsity": float,
        "weight_bits": int,
        "macs": int,
        "nonzero_macs": int,
    },
    "data": {"source": str, "split": str, "clips": int},
    "accuracy": {"float": float, "fake_quant": float, "integer": float, "device": float},
    "parity": {"clips": int, "different_features": int, "different_logits": int},
    "answers": {"clips": str, "right": str},
    "cost": {"kind": str, **dict.fromkeys(("per_inference", "front_end", "network", "per_second_of_audio"), SPREAD)},
    "memory": {
        "flash": {"total": int, "weights": int, "code": int},
        "ram": {"total": int, "arena": int, "stack_high_water": int},
    },
    "layers": [
        {"name": str, "op": str, "kernel": str, "macs": int, "nonzeros": int, "flash": int, "instructions": Number}
        | {"in_plain_c": bool, "modelled_cycles": int}
    ],
    "kernels": {
        "total": Number,
        "plain_total": int,
        "plain_measured": bool,
        "gain": float,
        "modelled_cycles": int,
    },
}


@pytest.fixture
def inputs() -> dict[str, Any]:
    return records(int(fresh("records").integers(2**32)))


def _check(value: Any, wanted: Any, where: str) -> None:
    if isinstance(wanted, dict):
        for key, inner in wanted.items():
            assert key in value, f"{where}.{key} is missing"
            _check(value[key], inner, f"{where}.{key}")
    elif isinstance(wanted, list):
        assert value, f"{where} is empty"
        for entry in value:
            _check(entry, wanted[0], where)
    else:
        assert isinstance(value, wanted), f"{where} is {value!r}"
        assert wanted is bool or not isinstance(value, bool), f"{where} is {value!r}"


def test_written_json_has_the_keys_of_the_schema(inputs: dict[str, Any], tmp_path: Path) -> None:
    json_path, html_path = write(assemble(**inputs), tmp_path / "made")
    assert (json_path, html_path) == (tmp_path / "made" / "report.json", tmp_path / "made" / "report.html")
    assert html_path.is_file()
    report = json.loads(json_path.read_text(encoding="utf-8"))
    _check(report, ISSUE_KEYS, "report")
    assert report["schema"] == 1
    assert report["cost"]["kind"] == "emulated instructions"


def test_values_are_the_recorded_ones(inputs: dict[str, Any]) -> None:
    report = assemble(**inputs)
    evaluation, build = inputs["evaluation"], inputs["build"]
    assert report["model"] == build["model"]
    assert report["model"]["parameters"] > report["model"]["weights"] > report["model"]["nonzero"]
    assert report["memory"]["flash"] == build["memory"]["flash"]
    assert report["memory"]["ram"]["stack_high_water"] == evaluation["stack_high_water"]
    assert report["link"] == {key: evaluation[key] for key in ("dropped_frames", "resets", "reconnections")}
    assert report["memory"]["board"] == {"flash": BOARD.flash, "ram": BOARD.ram}
    assert report["cost"]["per_inference"]["median"] == statistics.median(evaluation["per_inference"])
    assert report["cost"]["network"] == report["cost"]["per_inference"]
    assert report["cost"]["front_end"]["max"] == max(evaluation["front_end"])
    sums = [a + b for a, b in zip(evaluation["front_end"], evaluation["per_inference"], strict=True)]
    assert report["cost"]["per_second_of_audio"]["median"] == statistics.median(sums)
    assert [layer["instructions"] for layer in report["layers"]] == evaluation["layers"]
    assert [layer["flash"] for layer in report["layers"]] == [layer["flash"] for layer in build["layers"]]
    seconds = sum(entry["seconds"] for entry in inputs["training"]["history"]["pqk"])
    assert report["training"]["seconds"]["pqk"] == pytest.approx(seconds)
    assert len(report["measured"]) >= 10
    assert all(set(entry) == {"figure", "key", "how"} and all(entry.values()) for entry in report["measured"])


def test_words_left_out_of_training_are_reported_where_there_are_any(inputs: dict[str, Any]) -> None:
    assert "unseen_unknown_recall" not in assemble(**inputs)
    recall = {"float": 0.71, "fake_quant": 0.6825}
    inputs["training"]["unseen_unknown_recall"] = recall
    report = assemble(**inputs)
    assert report["unseen_unknown_recall"] == recall
    assert "unseen_unknown_recall" in [entry["key"] for entry in report["measured"]]
    inputs["training"]["unseen_unknown_recall"] = {"float": 0.71}
    with pytest.raises(PqkError, match="'fake_quant' is missing"):
        assemble(**inputs)


def test_every_layer_stands_beside_plain_c(inputs: dict[str, Any]) -> None:
    report = assemble(**inputs)
    for layer, recorded in zip(report["layers"], inputs["build"]["layers"], strict=True):
        assert layer["plain"] == recorded.get("plain")
        assert layer["lanes"] == recorded.get("lanes")
        assert layer["modelled_cycles"] == recorded["estimate"]["cycles"]
        if layer["op"] == "convert":
            assert (layer["gain"], layer["in_plain_c"]) == (None, False)
        else:
            assert layer["gain"] == recorded["plain"]["cost"] / layer["instructions"]
            assert layer["in_plain_c"] == (layer["kernel"] == layer["plain"]["kernel"])
    assert {layer["op"] for layer in report["layers"]} >= {"convert", "conv2d", "add"}


def test_the_total_of_the_measurement_has_conversions_and_that_of_plain_c_has_none(inputs: dict[str, Any]) -> None:
    report = assemble(**inputs)
    costs, layers = inputs["evaluation"]["layers"], inputs["build"]["layers"]
    conversions = [cost for cost, layer in zip(costs, layers, strict=True) if layer["op"] == "convert"]
    assert sum(conversions) > 0
    plain = sum(layer["plain"]["cost"] for layer in layers if layer["op"] != "convert")
    assert report["kernels"] == {
        "total": sum(costs),
        "plain_total": plain,
        "plain_measured": False,
        "gain": plain / sum(costs),
        "modelled_cycles": sum(layer["estimate"]["cycles"] for layer in layers),
    }


def measure_plain(inputs: dict[str, Any], *, only: int | None = None) -> None:
    """Mark plain C as measured, in all layers or so many of them."""
    for layer in [layer for layer in inputs["build"]["layers"] if "plain" in layer][:only]:
        layer["plain"]["measured"] = True


def test_plain_c_is_called_measured_only_where_every_layer_was(inputs: dict[str, Any]) -> None:
    measure_plain(inputs, only=3)
    assert assemble(**inputs)["kernels"]["plain_measured"] is False
    measure_plain(inputs)
    assert assemble(**inputs)["kernels"]["plain_measured"] is True


def test_it_is_said_how_plain_c_is_known(inputs: dict[str, Any]) -> None:
    def how(figure: str) -> str:
        return next(entry["how"] for entry in assemble(**inputs)["measured"] if entry["figure"] == figure)

    assert "estimate" in how("Plain C")
    measure_plain(inputs, only=3)
    assert how("Plain C").startswith("3 of 12 operations: ")
    measure_plain(inputs)
    assert "estimate" not in how("Plain C")
    assert "tune on this device" in how("Plain C")
    assert "not a measurement" in how("Modelled cycles")


def test_cores_without_a_model_get_no_cycles(inputs: dict[str, Any]) -> None:
    inputs["board"] = replace(BOARD, cpu="cortex-m7", modelled=False)
    report = assemble(**inputs)
    assert {layer["modelled_cycles"] for layer in report["layers"]} == {None}
    assert report["kernels"]["modelled_cycles"] is None
    assert "Modelled cycles" not in [entry["figure"] for entry in report["measured"]]


def test_a_timer_s_cycles_are_not_compared_with_estimated_instructions(inputs: dict[str, Any]) -> None:
    inputs["board"] = replace(BOARD, per_second=2e6, name="nucleo", title="Nucleo L4R5ZI")
    inputs["evaluation"]["unit"] = "cycles"
    measure_plain(inputs, only=3)
    report = assemble(**inputs)
    assert [layer["gain"] is not None for layer in report["layers"] if layer["plain"]] == [True] * 3 + [False] * 9
    assert (report["kernels"]["gain"], report["kernels"]["plain_total"]) == (None, None)
    measure_plain(inputs)
    assert assemble(**inputs)["kernels"]["gain"] > 1


def test_accuracy_parity_and_confusion_follow_from_the_answers(inputs: dict[str, Any]) -> None:
    evaluation = inputs["evaluation"]
    reference = evaluation["reference_predictions"]
    changed = random.Random(7).sample(range(len(reference)), 5)
    for index in changed:
        evaluation["predictions"][index] = (reference[index] + 1) % 10
    report = assemble(**inputs)
    labels, answers, clips = evaluation["labels"], evaluation["predictions"], evaluation["clips"]
    assert report["accuracy"]["device"] == sum(a == b for a, b in zip(labels, answers, strict=True)) / clips
    assert report["accuracy"]["integer"] == sum(a == b for a, b in zip(labels, reference, strict=True)) / clips
    assert report["accuracy"]["float"] == inputs["training"]["accuracy"]["float"]["testing"]
    assert report["parity"]["different_predictions"] == 5
    assert report["parity"]["fake_quant_different_predictions"] == 0
    matrix = report["confusion"]
    assert sum(map(sum, matrix)) == clips
    assert sum(matrix[i][i] for i in range(10)) / clips == report["accuracy"]["device"]
    assert matrix[3][5] == sum((a, b) == (3, 5) for a, b in zip(labels, answers, strict=True))
    assert [entry["clips"] for entry in report["per_class"]] == [labels.count(index) for index in range(10)]
    wrong = [answer for label, answer in zip(labels, answers, strict=True) if label != answer]
    assert [entry["false_positives"] for entry in report["per_class"]] == [wrong.count(index) for index in range(10)]
    assert report["per_class"][4]["recall"] == matrix[4][4] / labels.count(4)
    for key, (low, high) in report["confidence"].items():
        assert low < report["accuracy"][key] < high


def test_answers_are_kept_clip_by_clip(inputs: dict[str, Any]) -> None:
    evaluation = inputs["evaluation"]
    kept = assemble(**inputs)["answers"]
    pairs = zip(evaluation["labels"], evaluation["predictions"], strict=True)
    assert [mark == "1" for mark in kept["right"]] == [a == b for a, b in pairs]
    evaluation["names"][3] = "go/\udcff.wav"
    other = assemble(**inputs)["answers"]
    assert (other["clips"] != kept["clips"], other["right"]) == (True, kept["right"])


def test_a_limited_evaluation_keeps_both_clip_counts_apart(inputs: dict[str, Any]) -> None:
    inputs["data"]["clips"] = 4000
    report = assemble(**inputs)
    assert (report["data"]["clips"], report["parity"]["clips"]) == (4000, 913)
    assert report["parity"]["fake_quant_different_predictions"] is None
    widths = {key: high - low for key, (low, high) in report["confidence"].items()}
    assert widths["float"] < widths["device"]


@pytest.mark.parametrize(
    ("record", "command"), [("training", "build"), ("build", "build"), ("evaluation", "eval"), ("data", "build")]
)
def test_a_missing_record_names_the_command(inputs: dict[str, Any], record: str, command: str) -> None:
    with pytest.raises(PqkError) as caught:
        assemble(**inputs | {record: {}})
    assert record in caught.value.message
    assert caught.value.hint == f"first run: pqk-mcu {command}"


@pytest.mark.parametrize("method", FACTS)
def test_trainings_are_named_after_the_method(method: str) -> None:
    inputs = records(int(fresh("records").integers(2**32)), method=method)
    report, recorded = assemble(**inputs), inputs["training"]["history"]
    names = ["float"] if method == "float" else ["float", method]
    assert report["training"]["method"] == method
    assert report["training"]["epochs"] == dict.fromkeys(names, 30)
    assert list(report["history"]) == list(report["training"]["seconds"]) == names
    for name in names:
        assert report["history"][name] == recorded[name], "nothing is left out, nothing is made up"
        assert report["training"]["seconds"][name] == sum(entry["seconds"] for entry in recorded[name])


def test_float_is_said_to_be_as_well_trained_only_where_the_method_trains_at_all() -> None:
    def how(method: str) -> str:
        entries = assemble(**records(3, method=method))["measured"]
        return next(entry["how"] for entry in entries if entry["key"] == "accuracy.float")

    assert "trained for as many epochs" in how("diffq")
    assert "trained for as many epochs" not in how("float")
    assert "before it was quantised" in how("float")


@pytest.mark.parametrize(
    ("method", "epoch", "key", "wrong", "culprit"),
    [
        ("pqk", 4, "phase", 3, "phase 3"),
        ("pqk", 4, "phase", None, "'phase' is None"),
        ("prune-quantize-distil", 4, "sparsity", 1.5, "'sparsity' is 1.5"),
        ("diffq", 4, "mean_bits", "many", "'mean_bits' is 'many'"),
        ("diffq", 4, "mean_bits", None, "'mean_bits' is None"),
    ],
)
def test_wrong_facts_of_an_epoch_are_refused(method: str, epoch: int, key: str, wrong: object, culprit: str) -> None:
    inputs = records(3, method=method)
    inputs["training"]["history"][method][epoch][key] = wrong
    with pytest.raises(PqkError, match=culprit) as caught:
        assemble(**inputs)
    assert f"{method}[{epoch}]" in caught.value.message


@pytest.mark.parametrize("method", [method for method in FACTS if method != "float"])
def test_a_history_without_the_method_s_training_is_refused(method: str) -> None:
    inputs = records(3, method=method)
    inputs["training"]["history"][method] = []
    with pytest.raises(PqkError, match="no epochs"):
        assemble(**inputs)
    del inputs["training"]["history"][method]
    with pytest.raises(PqkError, match=f"'{method}' is missing"):
        assemble(**inputs)


REQUIRED = [
    ("training", "accuracy", "float", "testing"),
    ("training", "accuracy", "fake_quant"),
    ("training", "history", "float", 3, "validation_accuracy"),
    ("training", "history", "pqk", 0, "sparsity"),
    ("training", "history", "pqk", 29, "seconds"),
    ("training", "labels_fake_quant_testing"),
    ("training", "method"),
    ("build", "id"),
    ("build", "compiler"),
    ("build", "model", "nonzero_macs"),
    ("build", "layers", 2, "kernel"),
    ("build", "layers", 2, "in_plain_c"),
    ("build", "layers", 0, "estimate"),
    ("build", "layers", 2, "estimate", "cycles"),
    ("build", "layers", 4, "plain"),
    ("build", "layers", 4, "plain", "cost"),
    ("build", "layers", 4, "plain", "measured"),
    ("build", "layers", 2, "lanes", "used"),
    ("build", "layers", 2, "lanes", "beyond"),
    ("build", "memory", "flash", "code"),
    ("build", "memory", "ram", "stack"),
    ("evaluation", "build_id"),
    ("evaluation", "names"),
    ("evaluation", "predictions"),
    ("evaluation", "sent"),
    ("evaluation", "different_features"),
    ("evaluation", "different_logits"),
    ("evaluation", "front_end"),
    ("evaluation", "per_inference"),
    ("evaluation", "layers"),
    ("evaluation", "stack_high_water"),
    ("evaluation", "dropped_frames"),
    ("evaluation", "resets"),
    ("evaluation", "reconnections"),
    ("evaluation", "unit"),
    ("data", "source"),
    ("data", "skipped"),
]


@pytest.mark.parametrize("path", REQUIRED, ids=lambda path: ".".join(map(str, path)))
@pytest.mark.parametrize("wrong", ["missing", "null", "nan"])
def test_nothing_is_invented_for_a_hole_in_a_record(
    inputs: dict[str, Any], path: tuple[str | int, ...], wrong: str
) -> None:
    damaged = copy.deepcopy(inputs)
    place: Any = damaged
    for step in path[:-1]:
        place = place[step]
    if wrong == "missing":
        del place[path[-1]]
    else:
        place[path[-1]] = None if wrong == "null" else float("nan")
    with pytest.raises(PqkError) as caught:
        assemble(**damaged)
    assert str(path[-1]) in caught.value.message
    assert caught.value.hint.startswith(("make it anew: pqk-mcu ", "first run: pqk-mcu "))


@pytest.mark.parametrize(
    ("changes", "culprit"),
    [
        ({"build_id": "0000000000000000"}, "build 0000000000000000"),
        ({"split": "validation"}, "'validation'"),
        ({"unit": "cycles"}, "'cycles'"),
        ({"clips": 0}, "no clip"),
        ({"clips": 912}, "912"),
        ({"layers": [1, 2]}, "2 layers"),
        ({"names": ["one.wav"]}, "names"),
        ({"predictions": [10] * 913}, "class 10"),
        ({"per_inference": [5]}, "per_inference"),
        ({"front_end": [5]}, "front_end"),
        ({"labels": [True] * 913}, "labels"),
    ],
)
def test_records_that_contradict_each_other_are_refused(
    inputs: dict[str, Any], changes: dict[str, Any], culprit: str
) -> None:
    inputs["evaluation"] |= changes
    with pytest.raises(PqkError, match=culprit) as caught:
        assemble(**inputs)
    assert "pqk-mcu eval" in caught.value.hint


def test_parts_larger_than_the_whole_are_refused(inputs: dict[str, Any]) -> None:
    inputs["build"]["memory"]["ram"]["total"] = 100
    with pytest.raises(PqkError, match="larger than their total"):
        assemble(**inputs)


def test_a_physical_board_is_not_called_emulated(inputs: dict[str, Any]) -> None:
    inputs["board"] = replace(BOARD, per_second=2e6, name="nucleo", title="Nucleo L4R5ZI")
    inputs["evaluation"]["unit"] = "cycles"
    report = assemble(**inputs)
    assert report["board"]["emulated"] is False
    assert "emulat" not in json.dumps([report["cost"], report["measured"]])


def test_a_physical_board_gives_milliseconds(inputs: dict[str, Any]) -> None:
    """And an emulated one none."""
    assert "milliseconds" not in json.dumps(assemble(**inputs))
    inputs["board"] = replace(BOARD, per_second=2e6)
    inputs["evaluation"]["unit"] = "cycles"
    cost = assemble(**inputs)["cost"]
    for key in ("min", "median", "max"):
        assert cost["milliseconds"][key] == pytest.approx(cost["per_inference"][key] / 2000)


def test_file_names_that_are_not_utf8_can_be_written(inputs: dict[str, Any], tmp_path: Path) -> None:
    inputs["data"]["skipped"] = [{"path": "go/\udcff.wav", "reason": "not audio"}]
    json_path, html_path = write(assemble(**inputs), tmp_path)
    assert json.loads(json_path.read_text(encoding="utf-8"))["data"]["skipped"][0]["path"] == "go/\\udcff.wav"
    assert "\\udcff.wav" in html_path.read_text(encoding="utf-8")


def test_a_failure_leaves_the_old_report(inputs: dict[str, Any], tmp_path: Path) -> None:
    report = assemble(**inputs)
    write(report, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    del report["build"]["tool"]
    with pytest.raises(Exception, match="tool"):
        write(report, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
