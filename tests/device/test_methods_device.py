"""What every method trains runs on the emulated board, each logit as the integer reference computes it."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pqk_codegen import interpreter
from pqk_codegen.ir import Network
from support import recordings
from support.command import pqk_mcu
from support.methods import accepted

from pqk import boards, pipeline
from pqk.bench.measure import run_clips
from pqk.build import compile_network
from pqk.evaluate import Clips, spread
from pqk.features import Features
from pqk.pipeline import Reporter
from pqk.project import BuildConfig, CompressionConfig, NetworkConfig, Project, TrainingConfig
from pqk.train.methods import METHODS

WORDS = ("yes", "no")
CLIPS = 6
SILENT = Reporter(note=lambda _: None, extracting=lambda *_: None, training=lambda _: None)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Layers as small as these lose more than they gain from threads, and most on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A network so small, and recordings so few, that an epoch takes a second. All methods share its reference."""
    return Project(
        root=tmp_path_factory.mktemp("methods"),
        name="methods",
        words=WORDS,
        network=NetworkConfig(arch="res8-tiny"),
        training=TrainingConfig(phase1_epochs=1, phase2_epochs=1),
    )


@pytest.fixture(scope="module")
def data(project: Project) -> Path:
    """Recordings of the words and of another one."""
    return recordings.write(project.root / "recordings", [*WORDS, "marvin"])


@pytest.fixture(scope="module")
def inputs(project: Project, data: Path) -> Features:
    """The recordings through the front end."""
    return pipeline.extracted(project, pipeline.scan_data(project, data), SILENT)


def clips_of(inputs: Features, network: Network) -> Clips:
    """Some of the testing clips, of all classes."""
    features, labels, names = inputs.subset("testing")
    chosen = spread(len(names), CLIPS)
    return Clips(
        split="testing",
        names=[names[index] for index in chosen],
        inputs=features[chosen],
        labels=labels[chosen],
        logits=interpreter.logits(network, features[chosen]).astype(np.int32),
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_device_computes_what_every_method_trained(
    project: Project, inputs: Features, method: str, tmp_path: Path
) -> None:
    compression = CompressionConfig(method=method, **accepted(method))
    folder = pipeline.trained(replace(project, compression=compression), inputs, SILENT)
    network, board = pipeline.read_network(folder / "network"), boards.load("mps2-an386")
    compiled = compile_network(network, board, tmp_path / "firmware", BuildConfig(), lambda _: None)
    evaluation = run_clips(board, compiled, tmp_path, clips_of(inputs, network))
    assert len(evaluation.inferences) == CLIPS
    assert evaluation.different_logits == 0
    assert len({inference.logits for inference in evaluation.inferences}) > 1, "not every clip alike"
    labels = json.loads((folder / "training.json").read_text())["labels_fake_quant_testing"]
    expected = [labels[index] for index in spread(len(labels), CLIPS)]
    assert evaluation.record()["predictions"] == expected, "PyTorch's labels"


@pytest.mark.parametrize("method", ["float", "prune-quantize-distil", "diffq"])
def test_from_recordings_to_a_report(data: Path, method: str, tmp_path: Path) -> None:
    """The commands, for a method that trains nothing, one that makes the network smaller and one that learns bits."""
    root = tmp_path / "lamp"
    assert pqk_mcu("new", "lamp", "--words", ",".join(WORDS), cwd=tmp_path).code == 0
    settings = {
        "arch": '"res8-tiny"',
        "method": f'"{method}"',
        **accepted(method),
        "phase1_epochs": 1,
        "phase2_epochs": 1,
    }
    change(root / "pqk.toml", settings)
    environment = {"PQK_DATA": str(data), "OMP_NUM_THREADS": "1"}
    for command in (["build"], ["flash"], ["eval", "--limit", "4"], ["report"]):
        outcome = pqk_mcu(*command, cwd=root, env=environment)
        assert outcome.code == 0, outcome.err
    folder = root / "build" / "mps2-an386"
    report = json.loads((folder / "report.json").read_text())
    assert report["parity"]["clips"] == 4
    assert (report["parity"]["different_features"], report["parity"]["different_logits"]) == (0, 0)
    names = ["float"] if method == "float" else ["float", method]
    assert report["training"]["method"] == method
    assert report["training"]["epochs"] == dict.fromkeys(names, 2)
    assert list(report["history"]) == names
    page = (folder / "report.html").read_text()
    assert ("quantised after its training" in page) == (method == "float")
    assert "PQK" not in page


def change(path: Path, settings: dict[str, object]) -> None:
    """Other values for some keys of a project."""
    text = path.read_text()
    for key, value in settings.items():
        text, count = re.subn(rf"^{key} = \S+", f"{key} = {value}", text, flags=re.M)
        assert count == 1, key
    path.write_text(text)
