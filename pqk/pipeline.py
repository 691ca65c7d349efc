"""From a project to firmware, stage by stage: recordings -> features -> training -> C -> ELF.

Every stage's result lies in `build/cache/<stage>-<key>`, where the key is a digest of all that it depends on,
the source of the stage included. A result that is there is complete, because it was renamed into place.
"""

import json
import math
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pqk_codegen import plan as planning
from pqk_codegen import store
from pqk_codegen.choice import Objective
from pqk_codegen.errors import FlashLimitError, IrError
from pqk_codegen.generate import generate
from pqk_codegen.ir import Network

from pqk import __version__, assets, choices, features, firmware, tune
from pqk.boards import Board
from pqk.data.dataset import SPLITS, DataSet, scan
from pqk.data.source import locate
from pqk.errors import FitError, ModelError, ProjectError
from pqk.features import Features
from pqk.files import atomic_directory, atomic_write_text, digest, digest_tree
from pqk.project import Project, as_plain

if TYPE_CHECKING:
    from pqk.train.run import Progress

PACKAGE = Path(__file__).parent
CODEGEN = Path(store.__file__).parent
RECORD = "build.json"
FIRMWARE = "firmware"
BUILD_ID = "build_id"
MODELLED = ("cortex-m3", "cortex-m4", "cortex-m33")  # cores that the model of the Cortex-M4's cycles is close to
ATTEMPTS = 4  # at a flash limit, because sizes before linking are estimates


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


def build(project: Project, board: Board, *, data: Path | None, report: Reporter) -> Build:
    """Bring the firmware for `board` up to date, training only if nothing fitting was trained before.

    Raises:
        PqkError: by culprit: the project, the data, a missing tool, a network too large for the board.
    """
    dataset = scan_data(project, data)
    inputs = _features(project, dataset, report)
    trained = _trained(project, inputs, report)
    network = _network(trained / "network")
    directory = board_directory(project, board.name)
    measured = tune.load(directory, tuning_key(trained / "network", board))
    plan, build_id, fresh = _firmware(project, network, board, objective(project, board, measured), report)
    for note in choices.fallbacks(plan):
        report.note(note)
    sizes = json.loads((directory / FIRMWARE / "sizes.json").read_text())
    record = _record(project, network, plan, build_id, sizes, measured)
    record["features"] = _features_key(project, inputs.fingerprint)
    _keep(directory, trained, dataset.root, inputs, record)
    return Build(directory, record, fresh)


def load_build(project: Project, board_name: str) -> Build:
    """The last build for a board.

    Raises:
        ProjectError: there is none.
    """
    directory = board_directory(project, board_name)
    path = directory / RECORD
    if not path.is_file():
        raise ProjectError(f"{project.name} has not been built for {board_name}", f"pqk-mcu build --board {board_name}")
    return Build(directory, json.loads(path.read_text()), fresh=False)


def network_directory(built: Build) -> Path:
    """Where the network lies that a build was made from."""
    return built.directory / "network"


def load_network(built: Build) -> Network:
    """The network that a build was made from."""
    return _network(network_directory(built))


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
    code = digest_tree(PACKAGE, ["frontend.py", "features.py", "data/audio.py"])
    return digest([fingerprint, _text(as_plain(project.front_end)), code])


def _cache(project: Project, stage: str, key: str) -> Path:
    return project.build_dir / "cache" / f"{stage}-{key}"


def _features(project: Project, dataset: DataSet, report: Reporter) -> Features:
    directory = _cache(project, "features", _features_key(project, dataset.fingerprint))
    if directory.is_dir():
        return features.load(directory)
    extracted = features.extract(dataset, project.front_end, directory, report.extracting)
    for note in extracted.notes:
        report.note(note)
    if extracted.skipped:
        report.note(f"{len(extracted.skipped)} files could not be used:")
        for item in extracted.skipped:
            report.note(f"  {item.path} {item.reason}")
    return extracted


def _trained(project: Project, inputs: Features, report: Reporter) -> Path:
    """Folder with the trained network, trained now if need be (the only place that imports the trainer)."""
    code = digest_tree(PACKAGE / "train", ["**/*.py"]) + digest_tree(CODEGEN, ["fold.py", "ops/*.py"])
    common = [_features_key(project, inputs.fingerprint), code]
    common += [_text(as_plain(project.network)), _text(as_plain(project.training))]
    reference = _cache(project, "float", digest(common))
    trained = _cache(project, "trained", digest([*common, _text(as_plain(project.compression))]))
    if trained.is_dir():
        return trained
    from pqk.train import run

    run.check(project)
    if not reference.is_dir():
        run.train_float(project, inputs, reference, report=report.training)
    run.train_compressed(project, inputs, reference, trained, report=report.training)
    return trained


def _network(directory: Path) -> Network:
    try:
        return store.load(directory)
    except IrError as error:
        raise ModelError(f"{directory}: {error}", f"delete {directory} and build again") from error


def objective(project: Project, board: Board, measured: tune.Costs) -> Objective:
    """What the choice of kernels minimises: the project's wish, within the board's memory, measured if it was."""
    flash_limit = project.build.flash_limit_kb
    return Objective(
        goal=project.build.objective,
        # An emulator counts instructions; of a real board's time the cycle model says more, where there is one.
        measure="instructions" if board.emulated or board.cpu not in MODELLED else "cycles",
        wait_states=board.memory.wait_states,
        flash_limit=None if flash_limit is None else round(1024 * flash_limit) - firmware.FIRMWARE_FLASH,
        straight_limit=round(1024 * project.build.straight_line_kb),
        ram_limit=firmware.spare_ram(board),
        measured=measured,
    )


def tuning_key(network: Path, board: Board) -> str:
    """What measured costs of kernels hold for: the network in that folder, the generator, the board."""
    return digest(
        [digest_tree(network), digest_tree(CODEGEN.parent, ["**/*.py", "**/*.[ch]", "**/*.j2"]), _salt(board)]
    )


def _firmware(
    project: Project, network: Network, board: Board, wanted: Objective, report: Reporter
) -> tuple[planning.Plan, str, bool]:
    """The plan, its build id, and whether it had to be compiled. With a flash limit, what the linker found decides."""
    directory = board_directory(project, board.name)
    limit = project.build.flash_limit_kb
    for _ in range(ATTEMPTS):
        plan = _plan(project, network, board, wanted)
        firmware.check_fit(board, {"tables": plan.flash, "kernels": plan.code}, {"arena": plan.arena})
        build_id, fresh = _compiled(plan, board, directory, report)
        total = json.loads((directory / FIRMWARE / "sizes.json").read_text())["flash"]["total"]
        if limit is None or wanted.flash_limit is None or total <= 1024 * limit:
            return plan, build_id, fresh
        wanted = replace(wanted, flash_limit=wanted.flash_limit - (total - int(1024 * limit)))
    raise _limit_error(project, network, board)


def _compiled(plan: planning.Plan, board: Board, directory: Path, report: Reporter) -> tuple[str, bool]:
    with tempfile.TemporaryDirectory() as generated:
        build_id = generate(plan, Path(generated), salt=_salt(board))
        fresh = _compiled_id(directory / FIRMWARE) != build_id
        if fresh:
            report.note(f"compiling for {board.title}")
            _compile(board, Path(generated), build_id, directory / FIRMWARE)
    return build_id, fresh


def _plan(project: Project, network: Network, board: Board, wanted: Objective) -> planning.Plan:
    try:
        return planning.plan(network, board.cpu, wanted)
    except FlashLimitError as error:
        raise _limit_error(project, network, board) from error
    except IrError as error:
        raise ModelError(str(error), "choose another network or board in pqk.toml") from error


def _limit_error(project: Project, network: Network, board: Board) -> FitError:
    """Names the smallest size that is possible, from a firmware that is compiled for it."""
    smallest = planning.plan(network, board.cpu, Objective(goal="size"))
    with tempfile.TemporaryDirectory() as folder:
        generate(smallest, Path(folder) / "generated", salt=_salt(board))
        built = firmware.compile_firmware(board, Path(folder) / "generated", Path(folder) / FIRMWARE)
    limit = project.build.flash_limit_kb or 0
    return FitError(
        f"build.flash_limit_kb = {limit:g} cannot be met: the smallest firmware with this network takes "
        f"{built.flash.total:,} bytes",
        f"flash_limit_kb = {math.ceil(10 * built.flash.total / 1024) / 10} or more, or a smaller network",
    )


def _salt(board: Board) -> str:
    """What besides the network makes a firmware different."""
    return digest(
        [
            repr(board),
            firmware.compiler_version(),
            digest_tree(assets.directory("firmware")),
            digest_tree(PACKAGE, ["firmware.py"]),
        ]
    )


def _compile(board: Board, generated: Path, build_id: str, directory: Path) -> None:
    with atomic_directory(directory) as out:
        shutil.copytree(generated, out / "generated")
        firmware.compile_firmware(board, out / "generated", out)
        (out / BUILD_ID).write_text(build_id)


def _compiled_id(directory: Path) -> str | None:
    """Build id of the firmware in `directory`; the two appear in one rename, so it cannot be another's."""
    path = directory / BUILD_ID
    return path.read_text() if path.is_file() else None


def _record(
    project: Project,
    network: Network,
    plan: planning.Plan,
    build_id: str,
    sizes: dict[str, Any],
    measured: tune.Costs,
) -> dict[str, Any]:
    return {
        "schema": 1,
        "id": build_id,
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
            | {"flash": _symbol_bytes(layer, sizes)}
            | facts
            for layer, facts in zip(plan.layers, choices.facts(plan, measured), strict=True)
        ],
        "memory": {"flash": sizes["flash"], "ram": sizes["ram"]},
    }


def _symbol_bytes(layer: planning.Layer, sizes: dict[str, Any]) -> int:
    """Bytes that a layer's constants take in the linked firmware."""
    names = [placed.symbol for placed in layer.tables] + [layer.symbol]
    return sum(int(sizes["symbols"].get(name, 0)) for name in (*names, layer.code_symbol))


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
