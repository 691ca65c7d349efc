"""Measuring kernels on the device: what they really cost replaces what the generator estimates.

Builds of the same network with different kernels run one after the other; together they run every kernel that can
run each layer. What was measured lies in build/<board>/tuning.json, which later builds of that network use.
"""

import json
import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pqk_codegen import choice, interpreter, plan
from pqk_codegen.choice import Objective
from pqk_codegen.generate import generate
from pqk_codegen.ir import Network
from pqk_codegen.storage import Program

from pqk import firmware, runners
from pqk.boards import Board
from pqk.errors import ModelError
from pqk.files import atomic_write_text

SCHEMA = 1
FILE = "tuning.json"
INFERENCES = 3
AGAIN = 10
"""How often at most the best program is measured as a whole, until it stays the best: what a kernel costs depends on
the layouts around it."""

Costs = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Change:
    """A layer for which the measurement led to another kernel than the estimate."""

    layer: str
    before: str
    after: str


def tune(
    network: Network,
    board: Board,
    objective: Objective,
    directory: Path,
    *,
    key: str,
    port: str | None,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Measure every kernel that can run a layer of `network` on `board` and keep the result in `directory`.

    Args:
        network: what runs on the device.
        board: where.
        objective: how kernels are chosen; tells which choices the measurement changes.
        directory: where tuning.json goes.
        key: what the measurement holds for; `load` wants the same.
        port: serial port of a device; None where the runner knows it.
        progress: told how many of how many builds are done.

    Returns the record, which has the unit, the measured costs, and the changed choices.

    Raises:
        ModelError: a build's logits are not the reference's.
        ToolError, LinkError: no compiler, no device.
    """
    programs = list(choice.variants(network, board.cpu))
    total = len(programs) + AGAIN
    measured: dict[tuple[str, str], float] = {}
    for index, program in enumerate(programs):
        progress(index, total)
        measured |= measure(network, program, board, port=port)
    known: list[str] = []
    for index in range(len(programs), total):
        progress(index, total)
        program = choice.choose(network, board.cpu, replace(objective, measured=measured))
        kernels = [step.kernel for step in program.steps]
        if kernels == known:
            break
        measured |= measure(network, program, board, port=port)
        known = kernels
    progress(total, total)
    changes = _changes(network, board, objective, measured)
    record = {
        "schema": SCHEMA,
        "key": key,
        "unit": board.timer.unit,
        "measured": [{"layer": layer, "kernel": kernel, "cost": cost} for (layer, kernel), cost in measured.items()],
        "changed": [vars(change) for change in changes],
    }
    atomic_write_text(directory / FILE, json.dumps(record, indent=1) + "\n")
    return record


def load(directory: Path, key: str) -> dict[tuple[str, str], float]:
    """Measured cost by layer and kernel; empty where nothing was measured for `key`."""
    path = directory / FILE
    record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if record.get("key") != key:
        return {}
    return {(entry["layer"], entry["kernel"]): float(entry["cost"]) for entry in record["measured"]}


def measure(network: Network, program: Program, board: Board, *, port: str | None = None) -> Costs:
    """Build, flash and run one program; the cost of each step by (step, kernel), in the board's unit."""
    placed = plan.place(program, board.cpu)
    source = network.tensors[network.input]
    inputs = np.random.default_rng(0).integers(source.minimum, source.maximum + 1, (INFERENCES, *source.shape))
    inputs = inputs.astype(source.dtype)
    with tempfile.TemporaryDirectory() as folder:
        build_id = generate(placed, Path(folder) / "generated")
        built = firmware.compile_firmware(board, Path(folder) / "generated", Path(folder) / "firmware")
        runners.flash(board, built.elf, Path(folder), expected_build=build_id, port=port)
        with runners.connect(board, Path(folder), expected_build=build_id, port=port) as device:
            answers = [device.infer(features) for features in inputs]
    if not np.array_equal([answer.logits for answer in answers], interpreter.logits(network, inputs)):
        kernels = ", ".join(f"{step.name}: {step.kernel}" for step in program.steps)
        raise ModelError(f"the device's logits are not the reference's with {kernels}", "report this as a bug")
    costs = zip(*(answer.layer_ticks for answer in answers), strict=True)
    names = [(step.name, step.kernel) for step in program.steps]
    scale = board.timer.units_per_tick
    return {name: statistics.median(ticks) * scale for name, ticks in zip(names, costs, strict=True)}


def _changes(network: Network, board: Board, objective: Objective, measured: Costs) -> list[Change]:
    kernels = [
        {step.name: step.kernel for step in choice.choose(network, board.cpu, variant).steps}
        for variant in (replace(objective, measured={}), replace(objective, measured=measured))
    ]
    before, after = kernels
    return [
        Change(layer, before[layer], after[layer])
        for layer in after
        if layer in before and before[layer] != after[layer]
    ]
