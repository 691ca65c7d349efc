"""The training stages on made-up features: results, reproducibility, and that interruptions change nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pqk_codegen import interpreter, store
from support.methods import accepted

from pqk.data.dataset import UNSEEN, Clip
from pqk.errors import ProjectError
from pqk.features import Features
from pqk.frontend import FrontEnd
from pqk.project import (
    SILENCE,
    UNKNOWN,
    CompressionConfig,
    FrontEndConfig,
    NetworkConfig,
    Project,
    TrainingConfig,
)
from pqk.train import checkpoint, loop
from pqk.train.loop import Progress
from pqk.train.methods import METHODS
from pqk.train.networks import make
from pqk.train.run import _training_data, train_compressed, train_float

FRONT_END = FrontEndConfig(hop_ms=50, bands=12)
CLASSES = ("low", "middle", "high")
TRAINING = TrainingConfig(phase1_epochs=2, phase2_epochs=1, batch_size=16)
SPLITS = ("training",) * 8 + ("validation", "testing")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Layers as small as these lose more than they gain from threads, and most on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(
        root=tmp_path,
        name="made-up",
        words=CLASSES,
        front_end=FRONT_END,
        network=NetworkConfig("res8-narrow"),
        compression=CompressionConfig(method="pqk", sparsity=0.8, lane_budget=0),
        training=TRAINING,
    )


@pytest.fixture(scope="module")
def features() -> Features:
    """Bursts of energy in one third of the bands: which third is the label."""
    rng = np.random.default_rng(7)
    front_end = FrontEnd(FRONT_END)
    count = 200
    labels = rng.integers(3, size=count)
    energies = rng.uniform(2**13, 2**16, (count, front_end.frames, front_end.bands)).astype(np.float32)
    for clip, label in zip(energies, labels, strict=True):
        start = rng.integers(front_end.frames - 8)
        clip[start : start + 8, 4 * label : 4 * label + 4] *= 2.0**10
    splits = np.array([SPLITS[i % len(SPLITS)] for i in range(count)])
    return Features(
        classes=CLASSES,
        clips=tuple(
            Clip(f"{i}.wav", int(label), str(split))
            for i, (label, split) in enumerate(zip(labels, splits, strict=True))
        ),
        energies=energies,
        labels=labels,
        splits=splits,
        noise=rng.uniform(2**20, 2**24, (100, front_end.bands)).astype(np.float32),
        noise_starts=np.array([0, 60, 65, 100]),  # the second file is shorter than a clip
        front_end=FRONT_END,
        fingerprint="made-up",
        skipped=(),
        notes=(),
    )


def silent(progress: Progress) -> None:
    assert 0 <= progress.epoch < progress.epochs
    assert 1 <= progress.step <= progress.steps


class StopAt:
    """A report that interrupts as Ctrl-C does."""

    def __init__(self, epoch: int, step: int) -> None:
        self.at = (epoch, step)

    def __call__(self, progress: Progress) -> None:
        if (progress.epoch, progress.step) == self.at:
            raise KeyboardInterrupt


def read_all(folder: Path) -> dict[str, object]:
    """Every array and every record below `folder`, without the wall-clock times."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".npz":
            with np.load(path) as archive:
                found |= {f"{name}/{key}": archive[key].tobytes() for key in archive.files}
        elif path.is_file():
            record = json.loads(path.read_text())
            for entries in record.get("history", {}).values():
                for entry in entries:
                    assert entry.pop("seconds") > 0
            found[name] = record
    return found


def train_both(project: Project, features: Features, folder: Path) -> Path:
    train_float(project, features, folder / "float", report=silent)
    train_compressed(project, features, folder / "float", folder / "pqk", report=silent)
    return folder / "pqk"


@pytest.mark.parametrize("lane_budget", [0, 16])
def test_the_record_and_the_network(project: Project, features: Features, tmp_path: Path, lane_budget: int) -> None:
    project = replace(project, compression=replace(project.compression, lane_budget=lane_budget))
    out = train_both(project, features, tmp_path)
    record = json.loads((out / "training.json").read_text())
    assert (record["schema"], record["arch"], record["method"], record["seed"]) == (1, "res8-narrow", "pqk", 0)
    assert set(record["accuracy"]) == {"float", "fake_quant"}
    assert [entry["epoch"] for entry in record["history"]["float"]] == [0, 1, 2]
    assert [entry["phase"] for entry in record["history"]["pqk"]] == [1, 1, 2]
    assert record["history"]["pqk"][-1]["sparsity"] == pytest.approx(0.8, abs=1e-4)

    network = store.load(out / "network")
    assert record["parameters"] == network.parameters
    assert network.nonzeros <= 0.2 * network.weights
    assert list(record["weight_bits"]) == [f"conv{index}" for index in range(7)]
    most = max(bits["most"] for bits in record["weight_bits"].values())
    assert most == pytest.approx(np.log2(15)) if not lane_budget else np.log2(15) < most < network.weight_bits
    inputs, labels, _ = features.subset("testing")
    predictions = interpreter.logits(network, inputs).argmax(axis=1)
    assert record["labels_fake_quant_testing"] == predictions.tolist()
    assert record["accuracy"]["fake_quant"]["testing"] == (predictions == labels).mean()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["float", "pqk"]  # no checkpoint stays behind


def test_settings_and_data_are_kept_beside_the_weights(project: Project, features: Features, tmp_path: Path) -> None:
    kept = json.loads((train_both(project, features, tmp_path) / "training.json").read_text())["run"]
    assert kept["compression"]["sparsity"] == project.compression.sparsity
    assert kept["training"]["seed"] == project.training.seed
    assert kept["network"]["arch"] == project.network.arch
    counts = {split: int((features.splits == split).sum()) for split in ("training", "validation", "testing")}
    assert kept["data"] == {"fingerprint": features.fingerprint, "clips": counts}
    assert "compression" not in json.loads((tmp_path / "float" / "training.json").read_text())["run"]


def test_a_network_without_its_pruned_filters_is_delivered(
    project: Project, features: Features, tmp_path: Path
) -> None:
    project = replace(project, compression=CompressionConfig(method="prune-quantize-distil", sparsity=0.5))
    out = train_both(project, features, tmp_path)
    record = json.loads((out / "training.json").read_text())
    network = store.load(out / "network")
    assert network.weights <= 0.5 * make(project.network.arch, len(CLASSES)).weight_count()
    predictions = interpreter.logits(network, features.subset("testing")[0]).argmax(axis=1)
    assert record["labels_fake_quant_testing"] == predictions.tolist()


def with_unknown(features: Features, unseen: int = 0) -> Features:
    """The third class is _unknown_, and so many of its clips of training are of words left out."""
    splits = features.splits.copy()
    splits[features.indices("training")[features.labels[features.indices("training")] == 2][:unseen]] = UNSEEN
    return replace(features, classes=("low", "middle", UNKNOWN), splits=splits)


def test_the_recall_on_words_left_out_is_recorded(project: Project, features: Features, tmp_path: Path) -> None:
    features = with_unknown(features, 20)
    out = train_both(replace(project, words=CLASSES[:2]), features, tmp_path)
    recall = json.loads((out / "training.json").read_text())["unseen_unknown_recall"]
    assert set(recall) == {"float", "fake_quant"}
    predictions = interpreter.logits(store.load(out / "network"), features.inputs(UNSEEN)).argmax(axis=1)
    assert len(predictions) == 20
    assert recall["fake_quant"] == (predictions == 2).mean()
    reference = json.loads((tmp_path / "float" / "training.json").read_text())["unseen_unknown_recall"]
    assert reference == {"float": recall["float"]}


def test_without_words_left_out_there_is_no_recall_of_them(
    project: Project, features: Features, tmp_path: Path
) -> None:
    train_float(project, with_unknown(features), tmp_path / "float", report=silent)
    assert "unseen_unknown_recall" not in json.loads((tmp_path / "float" / "training.json").read_text())


def test_training_makes_words_up_of_all_clips_but_silence(features: Features) -> None:
    clips = tuple(replace(clip, path=f"{'abc'[clip.label]}/{clip.path}") for clip in features.clips)
    features = replace(features, classes=("low", UNKNOWN, SILENCE), clips=clips)
    data = _training_data(features, FrontEnd(FRONT_END).frames)
    assert data.unknown == 1
    assert sorted(data.words.order) == np.flatnonzero(data.labels != 2).tolist()
    one, other = data.words.pairs(300, np.random.default_rng(1))
    assert (data.labels[one] != data.labels[other]).all()


def test_both_networks_learn(project: Project, features: Features, tmp_path: Path) -> None:
    longer = replace(project, training=replace(TRAINING, phase1_epochs=12, phase2_epochs=4))
    record = json.loads((train_both(longer, features, tmp_path) / "training.json").read_text())
    assert record["accuracy"]["float"]["validation"] > 0.8
    assert record["accuracy"]["fake_quant"]["validation"] > 0.8
    assert record["history"]["pqk"][-1]["loss"] < record["history"]["pqk"][0]["loss"]


def test_equal_seeds_give_equal_results_and_others_do_not(project: Project, features: Features, tmp_path: Path) -> None:
    first = read_all(train_both(project, features, tmp_path / "first"))
    assert read_all(train_both(project, features, tmp_path / "second")) == first
    other = replace(project, training=replace(TRAINING, seed=1))
    assert read_all(train_both(other, features, tmp_path / "third")) != first


@pytest.mark.parametrize("moment", [(0, 5), (1, 1), (2, 4)])
def test_an_interrupted_training_ends_as_if_nothing_had_been(
    project: Project, features: Features, tmp_path: Path, moment: tuple[int, int]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train_both(project, features, whole)
    with pytest.raises(KeyboardInterrupt):
        train_float(project, features, parts / "float", report=StopAt(*moment))
    assert not (parts / "float").exists()
    train_float(project, features, parts / "float", report=silent)
    with pytest.raises(KeyboardInterrupt):
        train_compressed(project, features, parts / "float", parts / "pqk", report=StopAt(*moment))
    epochs = []
    train_compressed(project, features, parts / "float", parts / "pqk", report=lambda p: epochs.append(p.epoch))
    assert min(epochs) == moment[0]  # finished epochs are not repeated
    assert read_all(parts) == read_all(whole)


@pytest.mark.parametrize("first", ["pqk-phase1", "pqk", "speq"])
def test_phase_1_is_trained_once_for_all_that_share_it(
    project: Project, features: Features, tmp_path: Path, first: str
) -> None:
    """Whichever method comes first: the others end as if each had begun by itself."""
    beginning = tmp_path / "phase1.npz"
    train_float(project, features, tmp_path / "float", report=silent)
    names = [first, *sorted({name for name, kind in METHODS.items() if kind.shares_phase1} - {first})]
    assert len(names) == 3
    for name in names:
        changed = replace(project, compression=replace(project.compression, method=name))
        alone, shared = tmp_path / f"{name} alone", tmp_path / f"{name} shared"
        train_compressed(changed, features, tmp_path / "float", alone, report=silent)
        epochs = []
        train_compressed(
            changed,
            features,
            tmp_path / "float",
            shared,
            report=lambda p, epochs=epochs: epochs.append(p.epoch),
            beginning=beginning,
        )
        assert min(epochs) == (0 if name == first else TRAINING.phase1_epochs)
        assert read_all(shared) == read_all(alone)


def test_a_method_learns_at_its_own_rate(
    project: Project, features: Features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    monkeypatch.setattr(loop, "set_learning_rate", lambda _, rate: rates.append(rate))
    train_float(project, features, tmp_path / "float", report=silent)
    reference, rates[:] = list(rates), []
    train_compressed(project, features, tmp_path / "float", tmp_path / "pqk", report=silent)
    assert METHODS["pqk"].rate == 2.0
    assert rates == [2.0 * rate for rate in reference]
    assert max(rates) == 2.0 * TRAINING.learning_rate


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"float", "pqk"}))
def test_every_method_ends_alike_when_it_is_interrupted(
    project: Project, features: Features, tmp_path: Path, name: str
) -> None:
    project = replace(project, compression=CompressionConfig(method=name, **accepted(name)))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train_float(project, features, tmp_path / "float", report=silent)
    train_compressed(project, features, tmp_path / "float", whole, report=silent)
    with pytest.raises(KeyboardInterrupt):
        train_compressed(project, features, tmp_path / "float", parts, report=StopAt(2, 3))
    train_compressed(project, features, tmp_path / "float", parts, report=silent)
    assert read_all(parts) == read_all(whole)


def test_a_checkpoint_of_another_training_is_not_continued(
    project: Project, features: Features, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_float(project, features, tmp_path / "float", report=StopAt(2, 1))
    other = replace(project, training=replace(TRAINING, learning_rate=0.05))
    epochs = []
    train_float(other, features, tmp_path / "float", report=lambda p: epochs.append(p.epoch))
    assert min(epochs) == 0


def test_a_damaged_checkpoint_is_not_continued(project: Project, features: Features, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_float(project, features, tmp_path / "float", report=StopAt(1, 1))
    (path,) = tmp_path.glob("*.npz")
    path.write_bytes(path.read_bytes()[:5000])
    epochs = []
    train_float(project, features, tmp_path / "float", report=lambda p: epochs.append(p.epoch))
    assert min(epochs) == 0


def test_a_change_of_compression_keeps_the_float_checkpoint(
    project: Project, features: Features, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_float(project, features, tmp_path / "float", report=StopAt(1, 1))
    other = replace(project, compression=replace(project.compression, sparsity=0.5))
    epochs = []
    train_float(other, features, tmp_path / "float", report=lambda p: epochs.append(p.epoch))
    assert min(epochs) == 1


def test_unknown_names_are_refused_before_training(project: Project, features: Features, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"network\.arch = 'res9'"):
        train_float(replace(project, network=NetworkConfig("res9")), features, tmp_path / "a", report=silent)
    wrong = replace(project, compression=CompressionConfig(method="float"))
    with pytest.raises(ProjectError, match="method 'float' prunes no weights"):
        train_compressed(wrong, features, tmp_path / "float", tmp_path / "b", report=silent)
    assert list(tmp_path.iterdir()) == []


def test_arrays_are_written_without_pickle(tmp_path: Path) -> None:
    checkpoint.write_arrays(tmp_path / "a.npz", {"x": np.arange(3)})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert archive["x"].tolist() == [0, 1, 2]
