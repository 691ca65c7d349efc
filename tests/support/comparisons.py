"""Scores as a comparison makes them, made up."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pqk.compare.rows import Comparison, Row
from pqk.features import Features
from pqk.project import FrontEndConfig, Project

LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1])
CLASSES = ("yes", "no", "_unknown_")


def features() -> Features:
    """Eight testing clips without recordings."""
    nothing = np.zeros(0, np.float32)
    return Features(
        classes=CLASSES,
        clips=(),
        energies=np.zeros((0, 101, 40), np.float32),
        labels=LABELS,
        splits=np.array(["testing"] * len(LABELS)),
        noise=nothing,
        noise_starts=np.zeros(1, np.int64),
        front_end=FrontEndConfig(),
        fingerprint="made-up",
        skipped=(),
        notes=(),
    )


def comparison(root: Path, scores: dict[str, list[Any]], control: str | None) -> Comparison:
    """Rows of one project, with as many seeds as there are scores of each."""
    project = Project(root, "made-up", CLASSES[:2])
    return Comparison(tuple(Row(name, project, len(found)) for name, found in scores.items()), control)


def score(predictions: Iterable[int], **changes: Any) -> dict[str, Any]:
    """Of a network that answers the clips so."""
    answers = np.array(list(predictions))
    unknown = CLASSES.index("_unknown_") == LABELS
    return {
        "predictions": answers.tolist(),
        "accuracy": float((answers == LABELS).mean()),
        "validation": 0.75,
        "float_accuracy": 0.875,
        "unknown_recall": float((answers == LABELS)[unknown].mean()),
        "unseen_unknown_recall": None,
        "width": 19,
        "parameters": 110,
        "weights": 100,
        "nonzeros": 80,
        "weight_bits": 4,
        "bytes": 20_000,
        "instructions": 1_000_000,
        "obstacle": None,
        "measured": None,
        **changes,
    }
