"""A stand-in for measuring a row of the benchmark; at the top of a module, so that worker processes find it."""

from pathlib import Path
from typing import Any

from pqk import boards
from pqk.bench.cases import Case
from pqk.errors import FitError, LinkError

TOO_LARGE, BROKEN, INEXACT = 0.11, 0.12, 0.13  # sparsities with which a row goes wrong


def row(case: Case, instructions: int = 1000, inputs: int = 3) -> dict[str, Any]:
    """A row as `pqk.bench.measure` makes it, without layers."""
    board = boards.load(case.board)
    return {
        "network": case.network,
        "core": board.cpu,
        "board": board.name,
        "sparsity": case.sparsity,
        "weight_bits": case.bits,
        "instructions": instructions,
        "modelled_cycles": None,
        "flash": 6000,
        "ram": 20040,
        "exact": case.sparsity != INEXACT,
        "inputs": inputs,
        "build_id": "0123456789abcdef",
        "layers": [],
    }


def measured(case: Case, folder: Path, inputs: int, earlier: dict[str, Any] | None) -> dict[str, Any]:
    """Leaves a file in `folder`; a row that was there before costs an instruction more."""
    if case.sparsity == TOO_LARGE:
        raise FitError("flash: needs more", "a larger board")
    if case.sparsity == BROKEN:
        raise LinkError("the device is gone", "flash it")
    folder.mkdir(parents=True)
    (folder / "done").touch()
    return row(case, earlier["instructions"] + 1 if earlier else 1000, inputs)
