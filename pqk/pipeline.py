"""From a project to firmware, stage by stage: recordings -> features -> training -> C -> ELF.

Every stage's result lies in `build/cache/<stage>-<key>`, where the key is a digest of all that it depends on,
the source of the stage included. A result that is there is complete, because it was renamed into place.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pqk_codegen import store
from pqk_codegen.errors import IrError
from pqk_codegen.ir import Network
from pqk_codegen.streaming import with_interior_mean

from pqk import __version__, boards, choices, features, firmware, tune
from pqk.boards import Board
from pqk.budget import NetworkCosts
from pqk.build import Compiled, compile_network, compiled_id, listener, salt
from pqk.costs import project_costs
from pqk.data.dataset import SPLITS, DataSet, scan
from pqk.data.source import locate
from pqk.errors import ModelError, ProjectError
from pqk.features import Features
from pqk.files import atomic_directory, atomic_write_text, digest, digest_tree, exclusive
from pqk.project import Project, as_plain

if TYPE_CHECKING:
    from pqk.train.run import Progress

PACKAGE = Path(__file__).parent
CODEGEN = Path(store.__file__).parent
PHASE2_SETTINGS = (
    "method",
    "temperature",
    "distillation",
    "distillation_ramp",
    "teacher_loss",
    "teacher",
    "teacher_norm",
    "updates",
)
"""Of `[compression]`: phase 1 of the methods that share it does not depend on them."""
RECORD = "build.json"
SCHEMA = 2
FIRMWARE = "firmware"


@dataclass(frozen=True)
class Reporter:
    """How the stages tell what they do; the command line draws it."""

    note: Callable[[str], None]
    """One line about what is done or was found."""
    extracting: Callable[[int, int], None]
    """Clips done, clips in all."""
    training: "Callable[[Progress], None]"
    """After every batch or so."""


@dataclass(frozen=True)
class Stages:
    """Folders of what was trained; each appears when it is complete."""

    reference: Path
    """The float network, the same for every compression."""
    trained: Path
    """The compressed network: network/ and training.json."""
    beginning: Path
    """File with the end of phase 1, for methods that share it."""


@dataclass(frozen=True)
class Build:
    """What `build` leaves in build/<board>."""

    directory: Path
    record: dict[str, Any]
    fresh: bool
    """Whether anything was compiled, rather than found up to date."""

    @property
    def elf(self) -> Path:
        """The firmware."""
        return self.directory / FIRMWARE / "firmware.elf"


def board_directory(project: Project, board_name: str) -> Path:
    """Where everything for one board goes."""
    return project.build_dir / board_name


def build(project: Project, board: Board, *, data: Path | None, report: Reporter, device: str = "auto") -> Build:
    """Bring the firmware for `board` up to date, training (on `device`) only if nothing fitting was trained before.

    Raises:
        PqkError: by culprit: the project, the data, a missing tool, a network too large for the board.
        BusyError: another process is building for the same board.
    """
    dataset = scan_data(project, data)
    inputs = extracted(project, dataset, report)
    network_of = trained(project, inputs, report, device)
    directory = board_directory(project, board.name)
    with exclusive(directory):
        record, fresh = _compiled(project, board, network_of / "network", report)
        for note in record["fallbacks"]:
            report.note(note)
        record["features"] = _features_key(project, inputs.fingerprint)
        _keep(directory, network_of, dataset.root, inputs, record)
    return Build(directory, record, fresh)


def _compiled(project: Project, board: Board, network_of: Path, report: Reporter) -> tuple[dict[str, Any], bool]:
    """The record of a firmware that is up to date with the network in that folder, and whether it had to be made."""
    directory = board_directory(project, board.name)
    generator = tuning_key(network_of, board)
    measured = tune.load(directory, generator)
    key = _firmware_key(project, generator, measured)
    record = _up_to_date(directory, key)
    if record is not None:
        return record, False
    network = read_network(network_of)
    heard = listener(project, network)
    compiled = compile_network(network, board, directory / FIRMWARE, project.build, report.note, measured, heard)
    return _record(project, network, compiled, measured) | {"key": key}, compiled.fresh


def load_build(project: Project, board_name: str) -> Build:
    """The last build for a board.

    Raises:
        ProjectError: there is none, or another version of pqk-mcu made it.
    """
    directory = board_directory(project, board_name)
    path, again = directory / RECORD, "pqk-mcu build"
    if not path.is_file():
        raise ProjectError(f"{project.name} has not been built for {board_name}", again)
    record = dict(json.loads(path.read_text()))
    if record["schema"] != SCHEMA:
        raise ProjectError(f"{path} is of schema {record['schema']}, this version knows {SCHEMA}", again)
    return Build(directory, record, fresh=False)


def network_directory(built: Build) -> Path:
    """Where the network lies that a build was made from."""
    return built.directory / "network"


def load_network(built: Build) -> Network:
    """The network that a build was made from."""
    return read_network(network_directory(built))


def load_stream_network(built: Build) -> Network:
    """The network that a build decides with in a stream.

    With `reuse` its mean is over the rows that windows share; computed window by window, its logits are the device's.
    """
    network = load_network(built)
    return with_interior_mean(network) if built.record["stream"]["reuse"] else network


def features_directory(project: Project, built: Build) -> Path:
    """The features that a build's network was trained on.

    Raises:
        ProjectError: they were deleted.
    """
    directory = _cache(project, "features", built.record["features"])
    if not directory.is_dir():
        raise ProjectError(f"the features of the last build are gone from {directory}", "pqk-mcu build")
    return directory


def scan_data(project: Project, data: Path | None) -> DataSet:
    """Find and list the recordings.

    Raises:
        DataError: there are none, or they cannot be used; see `pqk.data.source` and `pqk.data.dataset`.
    """
    return scan(locate(project, data), project.words, config=project.data, cache=project.build_dir / "cache")


def _features_key(project: Project, fingerprint: str) -> str:
    code = digest_tree(PACKAGE, ["frontend.py", "features.py", "data/audio.py"]) + digest_tree(
        CODEGEN, ["frontend/*.py"]
    )
    return digest([fingerprint, _text(as_plain(project.front_end)), code])


def _cache(project: Project, stage: str, key: str) -> Path:
    return project.build_dir / "cache" / f"{stage}-{key}"


def features_folder(project: Project, fingerprint: str) -> Path:
    """Where the features of the recordings with that fingerprint lie, or will."""
    return _cache(project, "features", _features_key(project, fingerprint))


def extracted(project: Project, dataset: DataSet, report: Reporter) -> Features:
    """The recordings through the front end, computed now if need be."""
    directory = features_folder(project, dataset.fingerprint)
    if directory.is_dir():
        return features.load(directory)
    made = features.extract(dataset, project.front_end, directory, report.extracting)
    for note in made.notes:
        report.note(note)
    if made.skipped:
        report.note(f"{len(made.skipped)} files could not be used:")
        for item in made.skipped:
            report.note(f"  {item.path} {item.reason}")
    return made


def stages(project: Project, inputs: Features) -> Stages:
    """Where the results of the project's trainings lie, or will."""
    shared = ["fold.py", "lane_limits.py", "prune_channels.py", "ops/*.py"]
    code = digest_tree(PACKAGE, ["train/**/*.py", "budget.py"]) + digest_tree(CODEGEN, shared)
    common = [_features_key(project, inputs.fingerprint), code]
    common += [_text(as_plain(project.network)), _text(as_plain(project.training))]
    costs = weight_costs(project)
    own = [_text(as_plain(project.compression)), _text(as_plain(costs)) if costs else ""]
    settings = as_plain(project.compression)
    phase1 = [_text({key: value for key, value in settings.items() if key not in PHASE2_SETTINGS}), own[1]]
    return Stages(
        reference=_cache(project, "float", digest(common)),
        trained=_cache(project, "trained", digest([*common, *own])),
        beginning=_cache(project, "phase1", digest([*common, *phase1])).with_suffix(".npz"),
    )


def weight_costs(project: Project) -> NetworkCosts | None:
    """What nonzeros cost on the project's own board, where it has a budget of bytes or instructions.

    Raises ModelError when no kernel supports an operation.
    """
    if not (project.compression.budget_bytes or project.compression.budget_instructions):
        return None

    def blank() -> Network:
        from pqk.train.blank import blank_network

        return blank_network(project)

    return project_costs(project, boards.load(project.board, project.root), blank, project.build_dir / "cache")


def check_training(project: Project) -> None:
    """Raise ProjectError where network and compression cannot be trained as `project` says; takes hardly any time."""
    from pqk.train import run

    run.check(project, weight_costs(project))


def unused(method: str) -> dict[str, float]:
    """Settings of compression that a method refuses, with the value that says so. Raises ProjectError for no method."""
    from pqk.train import run

    return run.unused(method)


def shares_phase1(method: str) -> bool:
    """Whether a method of compression begins as others do. Raises ProjectError when it is not known."""
    from pqk.train import run

    return run.shares_phase1(method)


def reference(project: Project, inputs: Features, report: Reporter, device: str = "auto") -> Path:
    """Folder with the float reference, trained now if need be; `device` as in `pqk.train.device`."""
    directory = stages(project, inputs).reference
    if not directory.is_dir():
        from pqk.train import run

        run.train_float(project, inputs, directory, report=report.training, device_name=device)
    return directory


def trained(
    project: Project, inputs: Features, report: Reporter, device: str = "auto", *, for_device: bool = True
) -> Path:
    """Folder with the trained network, trained now if need be; `device` as in `pqk.train.device`.

    Raises ProjectError: it cannot be trained as the project says or, `for_device`, no device can run it.
    """
    found = stages(project, inputs)
    directory = found.trained
    if directory.is_dir() and ((directory / "network").is_dir() or not for_device):
        return directory
    from pqk.train import run

    costs = weight_costs(project)
    run.check(project, costs, for_device=for_device)
    start = reference(project, inputs, report, device)
    run.train_compressed(
        project,
        inputs,
        start,
        directory,
        report=report.training,
        device_name=device,
        costs=costs,
        beginning=found.beginning,
    )
    return directory


def train(project: Project, *, data: Path | None, report: Reporter, device: str = "auto") -> Path:
    """What `build` trains, alone; under torchrun all its processes train together.

    Raises PqkError by culprit: the project, the data, the device.
    """
    from pqk.train import distributed

    with distributed.group():
        dataset = scan_data(project, data)
        if distributed.is_first():
            extracted(project, dataset, report)
        distributed.wait()
        return trained(project, extracted(project, dataset, report), report, device, for_device=False)


def read_network(directory: Path) -> Network:
    """A network that was trained or kept. Raises ModelError when it is damaged."""
    try:
        return store.load(directory)
    except IrError as error:
        raise ModelError(f"{directory}: {error}", f"delete {directory} and build again") from error


def tuning_key(network: Path, board: Board) -> str:
    """What measured costs of kernels hold for: the network in that folder, the generator, the board."""
    return digest([digest_tree(network), generator_key(), salt(board)])


def generator_key() -> str:
    """Of the generator's source: what plans and C depend on besides the network and the board."""
    return digest_tree(CODEGEN.parent, ["**/*.py", "**/*.[ch]", "**/*.j2"])


def _firmware_key(project: Project, generator: str, measured: tune.Costs) -> str:
    """Of the firmware and of all that its record says."""
    parts = (project.build, project.front_end, project.stream)
    wishes = _text([*map(as_plain, parts), project.compression.method, __version__])
    code = digest_tree(
        PACKAGE, ["build.py", "choices.py", "pipeline.py", "tune.py", "frontend.py", "stream/settings.py"]
    )
    return digest([generator, repr(sorted(measured.items())), wishes, code])


def _up_to_date(directory: Path, key: str) -> dict[str, Any] | None:
    """The record of the firmware that is there, if it was made of the same: nothing is chosen or generated again."""
    path = directory / RECORD
    record = dict(json.loads(path.read_text())) if path.is_file() else {}
    same = record.get("key") == key and compiled_id(directory / FIRMWARE) == record["id"]
    return record if same else None


def _record(project: Project, network: Network, compiled: Compiled, measured: tune.Costs) -> dict[str, Any]:
    plan, sizes = compiled.plan, compiled.sizes
    return {
        "schema": SCHEMA,
        "id": compiled.build_id,
        "compiler": firmware.compiler_version(),
        "tool": f"pqk-mcu {__version__}",
        "model": {
            "arch": network.arch,
            "method": project.compression.method,
            "parameters": network.parameters,
            "weights": network.weights,
            "nonzero": network.nonzeros,
            "sparsity": 1 - network.nonzeros / network.weights,
            "weight_bits": network.weight_bits,
            "macs": sum(layer.macs for layer in plan.layers),
            "nonzero_macs": sum(layer.nonzero_macs for layer in plan.layers),
        },
        "layers": [
            {
                key: getattr(layer, key)
                for key in ("name", "op", "kernel", "macs", "nonzero_macs", "nonzeros", "weights")
            }
            | {"flash": compiled.layer_flash(layer)}
            | facts
            for layer, facts in zip(plan.layers, choices.facts(plan, measured), strict=True)
        ],
        "memory": {"flash": sizes["flash"], "ram": sizes["ram"]},
        "fallbacks": [*choices.fallbacks(plan), *compiled.notes],
        "stream": _stream(project, compiled),
        "mlperf": project.build.mlperf,
    }


def _stream(project: Project, compiled: Compiled) -> dict[str, Any]:
    """How a stream is heard; `state` is RAM, `estimate` of an inference, in instructions."""
    chunk = compiled.chunk
    common = {"reuse": chunk is not None, "temperature": project.stream.temperature}
    if chunk is None:
        return common
    return {
        **common,
        "hop_ms": project.stream.hop_ms,
        "phases": chunk.chunked.phases,
        "frames": chunk.chunked.frames,
        "state": chunk.state,
        "estimate": round(chunk.plan.cost.instructions),
    }


def _keep(directory: Path, trained: Path, source: Path, inputs: Features, record: dict[str, Any]) -> None:
    """Put beside the firmware what eval and report need, so that they ask neither trainer nor recordings."""
    with atomic_directory(directory / "network") as out:
        shutil.copytree(trained / "network", out, dirs_exist_ok=True)
    shutil.copy2(trained / "training.json", directory / "training.json")
    data = {
        "source": str(source),
        "clips": {split: len(inputs.indices(split)) for split in SPLITS},
        "skipped": [{"path": item.path, "reason": item.reason} for item in inputs.skipped],
        "notes": list(inputs.notes),
    }
    atomic_write_text(directory / "data.json", _text(data))
    atomic_write_text(directory / RECORD, _text(record))  # last: its being there means that all is


def _text(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
