"""Training stages of a project: the float reference, and the compressed network with its intermediate representation.

Both can be interrupted: a checkpoint beside the result is written after every epoch, and the same call goes on from it.
Equal inputs give equal bits on one machine with one number of threads (torch sums in another order with another).
"""

import dataclasses
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from pqk_codegen import store
from pqk_codegen.ir import Network
from pqk_codegen.lane_limits import weight_bits
from pqk_codegen.ops import Convolution
from torch import Tensor

from pqk.budget import NetworkCosts
from pqk.data.dataset import UNSEEN, Clip
from pqk.features import Features
from pqk.files import atomic_directory, atomic_write_text, digest
from pqk.frontend import FrontEnd
from pqk.project import SILENCE, UNKNOWN, Project, as_plain
from pqk.train import checkpoint, device, distributed, networks
from pqk.train.augment import Augmenter, TrainingData
from pqk.train.integer import InputFormat, to_ir
from pqk.train.loop import Beginning, Held, Progress, Report, accuracy, fit, predict
from pqk.train.methods import METHODS, Method, Reference, find_method
from pqk.train.registry import find
from pqk.train.unknowns import Words

__all__ = ["Progress", "check", "shares_phase1", "train_compressed", "train_float", "unused"]

SCHEMA = 1
RECORD = "training.json"
WEIGHTS = "weights.npz"
CALIBRATION_CLIPS = 256
HELD_SPLITS = ("validation", "testing")
UNSEEN_RECALL = "unseen_unknown_recall"
"""Key of training.json: share of the clips of words left out of training that are taken for `_unknown_`."""

M = TypeVar("M", bound=Method)


def check(project: Project, costs: NetworkCosts | None = None, *, for_device: bool = True) -> None:
    """Raise ProjectError where network and compression cannot be trained as `project` says; takes hardly any time.

    `for_device`: also where no device runs such a network.
    """
    if for_device:
        networks.check_device(project.network.arch)
    _make(find_method(project.compression), project, FrontEnd(project.front_end), len(project.classes), costs)


def unused(name: str) -> dict[str, float]:
    """Settings that a method has no use for: see `Method.unused`. Raises ProjectError when it is not known."""
    return find(METHODS, "compression.method", name).unused()


def shares_phase1(name: str) -> bool:
    """Whether a method begins as others do. Raises ProjectError when it is not known."""
    return find(METHODS, "compression.method", name).shares_phase1


def train_float(
    project: Project, features: Features, out_dir: Path, *, report: Report, device_name: str = "auto"
) -> None:
    """Train the reference without compression and write weights.npz and training.json into `out_dir`.

    Raises ProjectError for an unknown network or a device that is not there (`pqk.train.device`).
    """
    outcome = _train(Reference, project, features, out_dir, report=report, device_name=device_name)
    record = {
        "schema": SCHEMA,
        "arch": project.network.arch,
        "seed": project.training.seed,
        "parameters": outcome.method.network.parameter_count(),
        "accuracy": {"float": outcome.accuracy},
        **_unseen_record({}, "float", outcome.unseen),
        "history": {"float": outcome.history},
        "labels_float_testing": outcome.predictions["testing"].tolist(),
        "run": _circumstances(project, features),
    }
    with _first_writes(out_dir) as folder:
        _write_weights(folder, outcome.method)
        _write_record(folder, record)


def train_compressed(
    project: Project,
    features: Features,
    float_dir: Path,
    out_dir: Path,
    *,
    report: Report,
    device_name: str = "auto",
    costs: NetworkCosts | None = None,
    beginning: Path | None = None,
) -> None:
    """Train with `project.compression` and write network/ (the IR) and training.json into `out_dir`.

    `float_dir` is what `train_float` wrote; its record is merged into training.json, which also says how many bits the
    weights of each convolution have. Of a network that no device runs there are weights.npz instead of an IR, and its
    accuracy is the fake-quantised one. `costs` are needed where the budget is of bytes or instructions. `beginning`:
    file in which methods that share phase 1 keep its end, or find it; what differs in phase 1 must have other files.
    Raises ProjectError for an unknown network or method, or a sparsity or budget that cannot be reached.
    """
    method_name = project.compression.method
    method = find_method(project.compression)
    outcome = _train(
        method,
        project,
        features,
        out_dir,
        report=report,
        device_name=device_name,
        reference=_load(float_dir),
        costs=costs,
        beginning=beginning,
    )
    reference = json.loads((float_dir / RECORD).read_text(encoding="utf-8"))
    network = _exported(outcome.method, project, features) if outcome.method.network.integral else None
    record = {
        **reference,
        "method": method_name,
        "accuracy": {**reference["accuracy"], "fake_quant": outcome.accuracy},
        **_unseen_record(reference, "fake_quant", outcome.unseen),
        # A method that trains nothing leaves the reference's history as it is: both are called "float".
        "history": reference["history"] | ({method_name: outcome.history} if outcome.history else {}),
        "labels_fake_quant_testing": outcome.predictions["testing"].tolist(),
        **_weight_bits_record(network),
        "run": _circumstances(project, features) | {"compression": as_plain(project.compression)},
    }
    with _first_writes(out_dir) as folder:
        if network is None:
            _write_weights(folder, outcome.method)
        else:
            store.save(network, folder / "network")
        _write_record(folder, record)


def _exported(method: Method, project: Project, features: Features) -> Network:
    front_end = as_plain(project.front_end)
    arch, classes = project.network.arch, features.classes
    return method.finish(to_ir(method.network, method.integers(), arch=arch, classes=classes, front_end=front_end))


def _weight_bits_record(network: Network | None) -> dict[str, Any]:
    if network is None:
        return {}
    convolutions = [op for op in network.ops if isinstance(op, Convolution)]
    return {"weight_bits": {op.name: dataclasses.asdict(weight_bits(op)) for op in convolutions}}


def _write_weights(folder: Path, method: Method) -> None:
    checkpoint.write_arrays(folder / WEIGHTS, {name: value.numpy() for name, value in method.state_dict().items()})


def _circumstances(project: Project, features: Features) -> dict[str, Any]:
    """What was trained on what, to be kept beside the weights."""
    settings = {key: as_plain(getattr(project, key)) for key in ("front_end", "network", "training")}
    clips = {split: len(features.indices(split)) for split in ("training", *HELD_SPLITS)}
    return {**settings, "data": {"fingerprint": features.fingerprint, "clips": clips}, "torch": torch.__version__}


@contextmanager
def _first_writes(out_dir: Path) -> Iterator[Path]:
    """A folder that becomes `out_dir`, for what all processes have made alike: the first one's counts."""
    if distributed.is_first():
        with atomic_directory(out_dir) as folder:
            yield folder
        _checkpoint_path(out_dir).unlink(missing_ok=True)
    else:
        with tempfile.TemporaryDirectory() as unwanted:
            yield Path(unwanted)
    distributed.wait()


@dataclasses.dataclass(frozen=True)
class _Outcome(Generic[M]):
    method: M
    history: list[dict[str, float]]
    predictions: dict[str, npt.NDArray[np.int64]]
    """By held split."""
    accuracy: dict[str, float]
    """By held split."""
    unseen: float | None
    """Recall of `_unknown_` on words left out of training; None without such words."""


def _make(kind: type[M], project: Project, front_end: FrontEnd, classes: int, costs: NetworkCosts | None) -> M:
    torch.manual_seed(project.training.seed)
    network = networks.make(project.network.arch, classes, project.network.width)
    method = kind(network, InputFormat.of(front_end), project.compression, project.training)
    if costs is not None:
        method.take_costs(costs)
    return method


def _train(
    kind: type[M],
    project: Project,
    features: Features,
    out_dir: Path,
    *,
    report: Report,
    device_name: str,
    reference: Mapping[str, Tensor] | None = None,
    costs: NetworkCosts | None = None,
    beginning: Path | None = None,
) -> _Outcome[M]:
    distributed.wait()  # until all have found that this is still to be done
    place = distributed.local(device.choose(device_name))
    device.make_deterministic(place)
    device.keep_freed_memory()
    front_end = FrontEnd(features.front_end)
    method = _make(kind, project, front_end, len(features.classes), costs)
    if reference is not None:
        method.take_reference(reference)
    held = {split: Held(*features.subset(split)[:2]) for split in HELD_SPLITS}
    history = fit(
        method,
        _training_data(features, front_end.frames),
        held["validation"],
        Augmenter(front_end, project.training),
        stage=_stage(kind, project),
        key=_key(kind, project, features, place, costs),
        checkpoint_path=_checkpoint_path(out_dir),
        report=report,
        place=place,
        beginning=Beginning(beginning, project.training.phase1_epochs) if beginning and kind.shares_phase1 else None,
    )
    method.calibrate(_calibration(features))
    predictions = {split: predict(method, clips.inputs) for split, clips in held.items()}
    scores = {split: accuracy(predictions[split], clips.labels) for split, clips in held.items()}
    return _Outcome(method, history, predictions, scores, _unseen_recall(method, features))


def _calibration(features: Features) -> Tensor:
    """Integer features of some of the training clips, evenly from all of them."""
    clips = features.indices("training")
    chosen = clips[np.linspace(0, len(clips) - 1, min(CALIBRATION_CLIPS, len(clips))).astype(int)]
    return torch.from_numpy(features.inputs(chosen))


def _unseen_recall(method: Method, features: Features) -> float | None:
    inputs, labels, paths = features.subset(UNSEEN)
    return accuracy(predict(method, inputs), labels) if paths else None


def _unseen_record(record: dict[str, Any], network: str, recall: float | None) -> dict[str, Any]:
    return {} if recall is None else {UNSEEN_RECALL: {**record.get(UNSEEN_RECALL, {}), network: recall}}


def _load(float_dir: Path) -> dict[str, Tensor]:
    """The `state_dict` of the reference's network."""
    own = "network."
    with np.load(float_dir / WEIGHTS, allow_pickle=False) as archive:
        return {k.removeprefix(own): torch.from_numpy(archive[k]) for k in archive.files if k.startswith(own)}


def _training_data(features: Features, frames: int) -> TrainingData:
    chosen = features.indices("training")
    edges = features.noise_starts
    noise = tuple(features.noise[a:b] for a, b in pairwise(edges) if b - a >= frames)
    classes = features.classes
    return TrainingData(
        np.asarray(features.energies[chosen]),
        features.labels[chosen],
        noise,
        Words.of([_word(features.clips[i], classes) for i in chosen]),
        classes.index(UNKNOWN) if UNKNOWN in classes else None,
    )


def _word(clip: Clip, classes: tuple[str, ...]) -> str | None:
    return None if classes[clip.label] == SILENCE else clip.path.split("/")[0]


def _stage(kind: type[Method], project: Project) -> str:
    return "float" if kind is Reference else project.compression.method


def _key(
    kind: type[Method], project: Project, features: Features, place: torch.device, costs: NetworkCosts | None
) -> str:
    """What a checkpoint belongs to: everything that the training depends on."""
    parts = {
        "schema": SCHEMA,
        "stage": _stage(kind, project),
        "network": as_plain(project.network),
        "training": as_plain(project.training),
        "compression": None if kind is Reference else as_plain(project.compression),
        "front_end": as_plain(features.front_end),
        "classes": features.classes,
        "data": features.fingerprint,
        "device": place.type,
        "costs": as_plain(costs) if costs else None,
    }
    return digest([json.dumps(parts, sort_keys=True)])


def _checkpoint_path(out_dir: Path) -> Path:
    return out_dir.with_name(f"{out_dir.name}.checkpoint.npz")


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    atomic_write_text(folder / RECORD, json.dumps(record, indent=1) + "\n")
