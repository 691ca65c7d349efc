"""The report as data: what earlier stages measured, put together and checked against each other."""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pqk.files import digest
from pqk.project import Project
from pqk.report import counts, kernels, streaming
from pqk.report.measured import measured
from pqk.report.records import Record

SCHEMA = 1
EMULATED_UNIT = "emulated instructions"
REFERENCE = "float"
"""The uncompressed network's training in the history, and the method that adds no training to it."""


@dataclass(frozen=True)
class BoardFacts:
    """What the report says about a board. `flash` and `ram` are its sizes in bytes.

    `modelled` tells whether modelled cycles say something about its core. `per_second` is how much a physical board's
    timer counts in a second, in the unit of the evaluation; None for an emulated board, which has no seconds.
    """

    name: str
    title: str
    cpu: str
    status: str
    flash: int
    ram: int
    modelled: bool
    per_second: float | None

    @property
    def emulated(self) -> bool:
        """Whether the board exists in an emulator only."""
        return self.per_second is None


@dataclass(frozen=True)
class _Answers:
    """One class index per clip: the truth, the device's answer and the integer reference's."""

    labels: list[int]
    device: list[int]
    reference: list[int]


def assemble(
    project: Project,
    board: BoardFacts,
    training: Mapping[str, Any],
    build: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    data: Mapping[str, Any],
    stream: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of report.json from the records of training, build, evaluation and data.

    `data` is {"source": text, "split": text, "clips": usable clips in that split of the data set (`eval --limit`
    sends fewer), "skipped": [{"path": text, "reason": text}], "notes": [text]}. Bytes, shares in 0..1 and
    the unit of the board's timer throughout; `seconds` of training are the host's. `stream` is what `eval --stream`
    left, if it was run.

    Raises PqkError naming the command to run when a record is missing, incomplete or of another build.
    """
    trained = Record("training record", "pqk-mcu build", training)
    built = Record("build record", "pqk-mcu build", build)
    evaluated = Record("evaluation record", "pqk-mcu eval", evaluation)
    recorded = Record("data record", "pqk-mcu build", data)
    _check_same_build(built, evaluated, recorded)
    answers = _answers(evaluated, len(project.classes))
    accuracy = _accuracy(trained, recorded, answers)
    matrix = counts.confusion_matrix(answers.labels, answers.device, len(project.classes))
    layers = _layers(built, evaluated, board)
    report = {
        "schema": SCHEMA,
        "project": {"name": project.name, "classes": list(project.classes)},
        "board": {key: getattr(board, key) for key in ("name", "title", "cpu", "emulated", "status")},
        "build": {key: built.text(key) for key in ("id", "compiler", "tool")},
        "model": _model(built.table("model")),
        "data": _data(recorded),
        "accuracy": accuracy,
        "confidence": _confidence(accuracy, recorded.whole("clips"), len(answers.labels)),
        "parity": _parity(trained, evaluated, recorded, answers),
        "cost": _cost(evaluated, board),
        "link": {key: evaluated.whole(key) for key in ("dropped_frames", "resets", "reconnections")},
        "memory": _memory(built.table("memory"), evaluated, board),
        "layers": layers,
        "kernels": kernels.summary(layers),
        "answers": _kept_answers(project.classes, evaluated, answers),
        "confusion": matrix,
        "per_class": _per_class(project.classes, matrix),
        "history": _history(trained),
        "training": _training(trained),
    }
    unseen = trained.optional_table("unseen_unknown_recall")
    if unseen is not None:
        report["unseen_unknown_recall"] = {key: unseen.share(key) for key in ("float", "fake_quant")}
    heard = streaming.section(stream or {}, built.text("id"))
    if heard is not None:
        report["stream"] = heard
    return {**report, "measured": measured(report)}


def _check_same_build(built: Record, evaluated: Record, recorded: Record) -> None:
    build_id, evaluated_id = built.text("id"), evaluated.text("build_id")
    if build_id != evaluated_id:
        raise evaluated.fail(f"it is of build {evaluated_id}, and the newest build is {build_id}")
    split, wanted = evaluated.text("split"), recorded.text("split")
    if split != wanted:
        raise evaluated.fail(f"it is of the split {split!r}, and the report is to show {wanted!r}")


def _answers(evaluated: Record, classes: int) -> _Answers:
    clips = evaluated.whole("clips")
    if clips == 0:
        raise evaluated.fail("no clip has been through the device")
    columns = {}
    for key in ("labels", "predictions", "reference_predictions"):
        columns[key] = evaluated.wholes(key)
        if len(columns[key]) != clips:
            raise evaluated.fail(f"{key!r} has {len(columns[key])} entries for {clips} clips")
        if max(columns[key]) >= classes:
            raise evaluated.fail(f"{key!r} names class {max(columns[key])}, and the project has {classes} classes")
    return _Answers(columns["labels"], columns["predictions"], columns["reference_predictions"])


def _kept_answers(classes: tuple[str, ...], evaluated: Record, answers: _Answers) -> dict[str, str]:
    """What a paired test against another run needs, see `pqk.report.against`.

    `clips` is a digest of the clips' names and true classes, `right` one character for each clip: 1 where the device's
    answer was right.
    """
    names = evaluated.texts("names")
    if len(names) != len(answers.labels):
        raise evaluated.fail(f"'names' has {len(names)} entries for {len(answers.labels)} clips")
    parts = [part for name, label in zip(names, answers.labels, strict=True) for part in (name, classes[label])]
    right = zip(answers.labels, answers.device, strict=True)
    return {"clips": digest(map(_encodable, parts)), "right": "".join("01"[a == b] for a, b in right)}


def _accuracy(trained: Record, recorded: Record, answers: _Answers) -> dict[str, float]:
    split, known = recorded.text("split"), trained.table("accuracy")
    return {
        "float": known.table("float").share(split),
        "fake_quant": known.table("fake_quant").share(split),
        "integer": counts.share_equal(answers.reference, answers.labels),
        "device": counts.share_equal(answers.device, answers.labels),
    }


def _confidence(accuracy: dict[str, float], in_split: int, on_device: int) -> dict[str, list[float]]:
    trials = {"float": in_split, "fake_quant": in_split, "integer": on_device, "device": on_device}
    return {key: list(counts.wilson_interval(value, trials[key])) for key, value in accuracy.items()}


def _parity(trained: Record, evaluated: Record, recorded: Record, answers: _Answers) -> dict[str, int | None]:
    return {
        "clips": len(answers.labels),
        "different_features": evaluated.whole("different_features"),
        "different_logits": evaluated.whole("different_logits"),
        "different_predictions": counts.count_different(answers.device, answers.reference),
        "fake_quant_different_predictions": _fake_quant_difference(trained, recorded, answers),
    }


def _fake_quant_difference(trained: Record, recorded: Record, answers: _Answers) -> int | None:
    """Clips that PyTorch's fake-quantised network and the integer reference label differently.

    None where nobody has compared: the trainer keeps its labels of the whole testing split only.
    """
    if recorded.text("split") != "testing" or len(answers.labels) != recorded.whole("clips"):
        return None
    labels = trained.wholes("labels_fake_quant_testing")
    if len(labels) != len(answers.labels):
        raise trained.fail(f"it has labels of {len(labels)} testing clips; the device saw {len(answers.labels)}")
    return counts.count_different(labels, answers.reference)


def _model(model: Record) -> dict[str, Any]:
    whole = ("parameters", "weights", "nonzero", "weight_bits", "macs", "nonzero_macs")
    return {"arch": model.text("arch"), "sparsity": model.share("sparsity"), **{key: model.whole(key) for key in whole}}


def _data(recorded: Record) -> dict[str, Any]:
    skipped = [{key: _encodable(entry.text(key)) for key in ("path", "reason")} for entry in recorded.tables("skipped")]
    return {
        "source": _encodable(recorded.text("source")),
        "split": recorded.text("split"),
        "clips": recorded.whole("clips"),
        "skipped": skipped,
        "notes": [_encodable(note) for note in recorded.texts("notes")],
    }


def _encodable(text: str) -> str:
    """File names that are not UTF-8 reach Python as lone surrogates, which no file can hold: show their bytes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _cost(evaluated: Record, board: BoardFacts) -> dict[str, Any]:
    kind, values = evaluated.text("unit"), evaluated.numbers("per_inference")
    if board.emulated and kind != EMULATED_UNIT:
        raise evaluated.fail(f"an emulated board counts {EMULATED_UNIT}; the record says {kind!r}")
    if len(values) != evaluated.whole("clips"):
        raise evaluated.fail(f"'per_inference' has {len(values)} entries for {evaluated.whole('clips')} clips")
    cost: dict[str, Any] = {"kind": kind, "per_inference": _spread(values), "network": _spread(values)}
    if board.per_second is not None:
        cost["milliseconds"] = _spread([1000 * value / board.per_second for value in values])
    if evaluated.text("sent") == "features":
        return cost
    front_end = evaluated.numbers("front_end")
    if len(front_end) != len(values):
        raise evaluated.fail(f"'front_end' has {len(front_end)} entries for {len(values)} clips")
    # A clip is a second; its decision takes the features of that second and one inference.
    whole = _spread([a + b for a, b in zip(front_end, values, strict=True)])
    return {**cost, "front_end": _spread(front_end), "per_second_of_audio": whole}


def _spread(values: list[float]) -> dict[str, float]:
    spread = {"min": min(values), "median": statistics.median(values), "max": max(values)}
    return {key: _plain(value) for key, value in spread.items()}


def _plain(value: float) -> float:
    """An integer where the value is one, so that counts read as counts."""
    return int(value) if value == int(value) else value


def _memory(memory: Record, evaluated: Record, board: BoardFacts) -> dict[str, Any]:
    flash = {key: memory.table("flash").whole(key) for key in ("total", "weights", "code")}
    ram = {key: memory.table("ram").whole(key) for key in ("total", "arena", "stack", "static")}
    ram["stack_high_water"] = evaluated.whole("stack_high_water")
    if flash["weights"] + flash["code"] > flash["total"] or ram["arena"] + ram["stack"] > ram["total"]:
        raise memory.fail("the parts are larger than their total")
    return {"flash": flash, "ram": ram, "board": {"flash": board.flash, "ram": board.ram}}


def _layers(built: Record, evaluated: Record, board: BoardFacts) -> list[dict[str, Any]]:
    layers, costs = built.tables("layers"), evaluated.numbers("layers")
    if len(layers) != len(costs):
        raise evaluated.fail(f"it has {len(costs)} layers, and the build has {len(layers)}")
    whole = ("macs", "nonzero_macs", "nonzeros", "weights", "flash")
    return [
        {key: layer.text(key) for key in ("name", "op", "kernel")}
        | {key: layer.whole(key) for key in whole}
        | {"instructions": _plain(cost)}
        | kernels.facts(layer, cost, emulated=board.emulated, modelled=board.modelled)
        for layer, cost in zip(layers, costs, strict=True)
    ]


def _per_class(classes: tuple[str, ...], matrix: list[list[int]]) -> list[dict[str, Any]]:
    return [
        {"label": name, "clips": sum(row), "correct": row[index], "recall": counts.recall(matrix, index)}
        | {"false_positives": sum(other[index] for other in matrix) - row[index]}
        for index, (name, row) in enumerate(zip(classes, matrix, strict=True))
    ]


def _history(trained: Record) -> dict[str, list[dict[str, Any]]]:
    """By training; what a method says about its epochs must be there in all of them."""
    epochs = {}
    for name, entries in _trainings(trained).items():
        facts = [key for key in _FACTS if any(key in entry.values for entry in entries)]
        epochs[name] = [_epoch(entry) | {key: _FACTS[key](entry) for key in facts} for entry in entries]
    return epochs


def _trainings(trained: Record) -> dict[str, list[Record]]:
    """The epochs of the float network and, where the method trains at all, those of the method."""
    history, method = trained.table("history"), trained.text("method")
    trainings = {name: history.tables(name) for name in dict.fromkeys((REFERENCE, method))}
    if not all(trainings.values()):
        raise history.fail("it has no epochs")
    return trainings


def _epoch(entry: Record) -> dict[str, Any]:
    shares = {key: entry.share(key) for key in ("train_accuracy", "validation_accuracy")}
    return {"epoch": entry.whole("epoch"), "loss": entry.number("loss"), **shares, "seconds": entry.number("seconds")}


def _phase(entry: Record) -> int:
    phase = entry.whole("phase")
    if phase not in (1, 2):
        raise entry.fail(f"phase {phase} is neither 1 nor 2")
    return phase


_FACTS: dict[str, Callable[[Record], float]] = {
    "phase": _phase,
    "sparsity": lambda entry: entry.share("sparsity"),
    "mean_bits": lambda entry: entry.number("mean_bits"),
}
"""What only some methods say about an epoch."""


def _training(trained: Record) -> dict[str, Any]:
    trainings = _trainings(trained)
    seconds = {name: sum(entry.number("seconds") for entry in entries) for name, entries in trainings.items()}
    epochs = {name: len(entries) for name, entries in trainings.items()}
    return {"method": trained.text("method"), "seed": trained.whole("seed"), "epochs": epochs, "seconds": seconds}
