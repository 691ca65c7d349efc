"""The testing clips of a build as the public runner wants its data: a .bin file for each, and y_labels.csv.

A row of y_labels.csv is a file's name, the number of classes, and the class, counted in the order of the results
(mlcommons/tiny, benchmark/evaluation/datasets/README.md and benchmark/runner/datasets.py). A file is the features as
the network takes them, a byte each: those of the benchmark's own data set were scaled for another network.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pqk_codegen import interpreter
from pqk_codegen.generate_mlperf import MODEL, order

from pqk import evaluate, features, pipeline
from pqk.errors import DataError
from pqk.files import atomic_directory
from pqk.frontend import Encoded
from pqk.pipeline import Build
from pqk.project import Project

LABELS = "y_labels.csv"
_SPLIT = "testing"


@dataclass(frozen=True, eq=False)
class Clips:
    """What is sent and what should come back; classes are counted in the order of the results."""

    inputs: Encoded
    """[n, ...], a byte for each feature."""
    labels: NDArray[np.int64]
    """[n]"""
    decisions: NDArray[np.int64]
    """[n]: the class that the integer reference decides for."""
    classes: int
    """How many there are."""


def testing(project: Project, built: Build, limit: int | None) -> Clips:
    """The testing clips of a build, or `limit` of them, evenly spread.

    Raises:
        ProjectError, DataError: the features of the build are gone, or there are no testing clips.
    """
    inputs, labels, names = features.load(pipeline.features_directory(project, built)).subset(_SPLIT)
    if not names:
        raise DataError(f"the {_SPLIT} split has no clips", "add recordings, then: pqk-mcu build")
    chosen = evaluate.spread(len(names), limit)
    network = pipeline.load_network(built)
    places = np.argsort(order(network.classes))  # of our classes in the results
    decisions = interpreter.logits(network, inputs[chosen]).argmax(axis=1)
    return Clips(inputs[chosen], places[labels[chosen]], places[decisions], len(places))


def write(clips: Clips, folder: Path) -> Path:
    """Write the clips into the folder of the benchmark in `folder`, what the runner calls its dataset path.

    Returns the path of y_labels.csv. Raises DataError where there is something already.
    """
    directory = folder / MODEL
    if directory.exists():
        raise DataError(f"{directory} is there already", "delete it, or name another folder")
    with atomic_directory(directory) as out:
        rows = []
        for index, (clip, label) in enumerate(zip(clips.inputs, clips.labels, strict=True)):
            name = f"tst_{index:06d}_{label}.bin"
            (out / name).write_bytes(clip.tobytes())
            rows.append(f"{name},{clips.classes},{label}\n")
        (out / LABELS).write_text("".join(rows))
    return directory / LABELS
