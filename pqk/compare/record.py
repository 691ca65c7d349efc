"""The file compare.json, and its rows as text.

{"schema": 1, "complete", "project", "tool", "torch", "machine", "board", "epochs", "control", "classes",
 "data": {"fingerprint", "clips": {split: count}}, "settings": {section: {...}}, "rows": [...]}, a row having
    name, method, network; width: the most channels of a layer
    settings: what its [network] and [compression] say
    sparsity: share of zeros, weight_bits (the largest), activation_bits, parameters, nonzeros
    seeds: how many are finished; accuracy_mean, accuracy_std (n - 1), validation_mean: of the integer network, on the
        testing and the validation split; float_accuracy_mean: of the float references with the same seeds
    unknown_recall, unseen_unknown_recall: of `_unknown_`, and of words left out of training; null where there is none
    bytes: tables, kernels and code specialised to the weights, as planned; instructions: of an inference, estimated by
        the generator's cost model for `board`; null, and `obstacle` says why, where no kernel runs the network
    measured: {bytes, instructions, clips, exact}: as linked, as emulated, null without --measure
    difference_to_control, difference_error, p_against_control, won, lost, common_seeds: see
        `pqk.compare.statistics.Paired`; null for the control itself
    runs: [{seed, accuracy, ...}], every seed by itself

Counts are means over seeds.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from pqk import __version__
from pqk.boards import Board
from pqk.compare.rows import Comparison, Row
from pqk.compare.score import Score
from pqk.compare.statistics import deviation, paired
from pqk.data.dataset import SPLITS, UNSEEN
from pqk.features import Features
from pqk.project import Project, as_plain

SCHEMA = 1
Record = dict[str, Any]


def record(
    comparison: Comparison, board: Board, features: Features, scores: Mapping[str, Sequence[Score | None]]
) -> Record:
    """What compare.json says, from the scores of each row, by seed; None where a seed is not finished."""
    project = comparison.rows[0].project
    control = scores.get(comparison.control or "")
    labels = features.labels[features.indices("testing")]
    return {
        "schema": SCHEMA,
        "complete": all(score is not None for found in scores.values() for score in found),
        "project": project.name,
        "tool": f"pqk-mcu {__version__}",
        "torch": version("torch"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "board": board.name,
        "epochs": project.training.epochs,
        "control": comparison.control,
        "classes": list(features.classes),
        "data": {
            "fingerprint": features.fingerprint,
            "clips": {split: len(features.indices(split)) for split in (*SPLITS, UNSEEN)},
        },
        "settings": _shared(project),
        "rows": [
            _row(row, scores[row.name], None if row.name == comparison.control else control, labels)
            for row in comparison.rows
            if any(scores[row.name])
        ],
    }


def _shared(project: Project) -> Record:
    """Settings of all rows. Where the recordings lie says nothing elsewhere; what they are, the fingerprint does."""
    settings = {name: as_plain(getattr(project, name)) for name in ("data", "front_end", "training", "build")}
    del settings["data"]["source"]
    return settings


def _row(row: Row, scores: Sequence[Score | None], control: Sequence[Score | None] | None, labels: Any) -> Record:
    done = [score for score in scores if score]
    first = row.project.training.seed
    return {
        "name": row.name,
        "method": row.project.compression.method,
        "network": row.project.network.arch,
        "width": max(score["width"] for score in done),
        "settings": {name: as_plain(getattr(row.project, name)) for name in ("network", "compression")},
        "sparsity": 1 - _mean(done, "nonzeros") / done[0]["weights"],
        "weight_bits": max(score["weight_bits"] for score in done),
        "activation_bits": row.project.compression.activation_bits,
        "parameters": done[0]["parameters"],
        "nonzeros": round(_mean(done, "nonzeros")),
        "seeds": len(done),
        "accuracy_mean": _mean(done, "accuracy"),
        "accuracy_std": deviation([score["accuracy"] for score in done]),
        "validation_mean": _mean(done, "validation"),
        "float_accuracy_mean": _mean(done, "float_accuracy"),
        "unknown_recall": _mean_or_none(done, "unknown_recall"),
        "unseen_unknown_recall": _mean_or_none(done, "unseen_unknown_recall"),
        "bytes": _count(done, "bytes"),
        "instructions": _count(done, "instructions"),
        "obstacle": next((score["obstacle"] for score in done if score["obstacle"]), None),
        "measured": _measured(done),
        **_against(scores, control, labels),
        "runs": [
            {"seed": first + index, **{key: value for key, value in score.items() if key != "predictions"}}
            for index, score in enumerate(scores)
            if score
        ],
    }


def _against(scores: Sequence[Score | None], control: Sequence[Score | None] | None, labels: Any) -> Record:
    both = [(mine, its) for mine, its in zip(scores, control or (), strict=False) if mine and its]
    if not both:
        keys = ("difference_to_control", "difference_error", "p_against_control", "won", "lost", "common_seeds")
        return dict.fromkeys(keys)
    mine, its = (np.array([score["predictions"] for score in side]) == labels for side in zip(*both, strict=True))
    result = paired(mine, its)
    return {
        "difference_to_control": result.difference,
        "difference_error": result.error,
        "p_against_control": result.p,
        "won": result.won,
        "lost": result.lost,
        "common_seeds": result.seeds,
    }


def _measured(scores: Sequence[Score]) -> Record | None:
    found = [score["measured"] for score in scores if score["measured"]]
    if not found:
        return None
    return {
        "bytes": _count(found, "bytes"),
        "instructions": _count(found, "instructions"),
        "clips": sum(one["clips"] for one in found),
        "exact": all(one["exact"] for one in found),
    }


def _mean(scores: Sequence[Score], key: str) -> float:
    return float(np.mean([score[key] for score in scores]))


def _mean_or_none(scores: Sequence[Score], key: str) -> float | None:
    return _mean(scores, key) if all(score[key] is not None for score in scores) else None


def _count(scores: Sequence[Score], key: str) -> int | None:
    mean = _mean_or_none(scores, key)
    return None if mean is None else round(mean)
