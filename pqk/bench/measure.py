"""One row: the network compiled for its board, run there on random inputs, every logit compared with the reference."""

from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from pqk_codegen import interpreter
from pqk_codegen.ir import Network

from pqk import boards, firmware, runners
from pqk.bench.cases import Case
from pqk.bench.networks import random_inputs
from pqk.boards import Board
from pqk.build import Compiled, compile_network
from pqk.evaluate import Clips, Evaluation, Unit, evaluate
from pqk.project import BuildConfig

Row = dict[str, Any]

GENERATED = "generated"  # folder of the network's sources below the firmware's


def measure_case(case: Case, folder: Path, inputs: int, earlier: Row | None) -> Row:
    """The row of `case`; see `pqk.bench.record` for its keys.

    Args:
        case: what to measure.
        folder: where the case's firmware is kept.
        inputs: number of random inputs.
        earlier: a finished row of the same case. What it measured is taken over if its firmware and number of inputs
            are the same; what follows from the plan and the firmware without running is made anew.

    Raises:
        FitError: the network is too large for the board.
        PqkError: by culprit.
    """
    board, network = boards.load(case.board), case.load()
    compiled = compile_network(network, board, folder / "firmware", BuildConfig(), lambda _: None)
    if earlier and (earlier["build_id"], earlier["inputs"]) == (compiled.build_id, inputs):
        measured = earlier
    else:
        measured = _measured(run_clips(board, compiled, folder, _random_clips(network, inputs)))
    return _row(case, board, compiled, inputs, measured)


def run_clips(board: Board, compiled: Compiled, folder: Path, clips: Clips) -> Evaluation:
    """Flash an emulated board with what was compiled and send it `clips`; what is done is kept in `folder`.

    Raises LinkError when the device does not answer, ToolError without an emulator.
    """
    runners.flash(board, compiled.elf, folder, expected_build=compiled.build_id)
    return evaluate(
        lambda: runners.connect(board, folder, expected_build=compiled.build_id),
        clips,
        Unit(board.timer.unit, board.timer.units_per_tick),
        folder / "journal.jsonl",
        lambda *_: None,
    )


def network_flash(compiled: Compiled) -> int:
    """Bytes of the network's code and tables in the linked firmware, without the firmware round it."""
    linker_map = (compiled.directory / "firmware.map").read_text(encoding="utf-8")
    return firmware.flash_of(linker_map, GENERATED)


def _random_clips(network: Network, count: int) -> Clips:
    x = random_inputs(network, np.random.default_rng(count), count)
    return Clips(
        split="random",
        names=[f"input {index}" for index in range(count)],
        inputs=x,
        labels=np.zeros(count, np.int64),
        logits=interpreter.logits(network, x).astype(np.int32),
    )


def _measured(evaluation: Evaluation) -> Row:
    """What only running tells."""
    record = evaluation.record()
    return {
        "instructions": round(median(record["per_inference"])),
        "exact": evaluation.different_logits == 0,
        "layers": [{"instructions": count} for count in record["layers"]],
    }


def _row(case: Case, board: Board, compiled: Compiled, inputs: int, measured: Row) -> Row:
    plan = compiled.plan
    return {
        "network": case.network,
        "core": board.cpu,
        "board": board.name,
        "sparsity": case.sparsity,
        "weight_bits": case.bits,
        "instructions": measured["instructions"],
        "modelled_cycles": round(plan.cost.cycles) if board.modelled else None,
        "flash": network_flash(compiled),
        "ram": plan.arena,
        "exact": measured["exact"],
        "inputs": inputs,
        "build_id": compiled.build_id,
        "layers": [
            {
                "name": layer.name,
                "kernel": layer.kernel,
                "instructions": run["instructions"],
                "flash": compiled.layer_flash(layer),
                "weights": layer.weights,
                "nonzeros": layer.nonzeros,
            }
            for layer, run in zip(plan.layers, measured["layers"], strict=True)
        ],
    }
