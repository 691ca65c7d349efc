"""What the generator believes that a kernel costs is what it costs, at the sizes of the benchmark's networks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pqk_codegen.choice import variants
from pqk_codegen.generate import generate
from pqk_codegen.interpreter import advance, fresh_state
from pqk_codegen.kernels import CONVERSIONS
from pqk_codegen.plan import Layer, place
from pqk_codegen.storage import Program
from pqk_codegen.streaming import chunked, with_interior_mean
from support import battery, seeds

from pqk import boards, runners
from pqk.bench.networks import NETWORKS, random_inputs
from pqk.boards import Board
from pqk.firmware import compile_firmware

COMPILED = 0.25  # of what a compiler makes, which others make differently
WRITTEN = {"mps2-an386": 0.05, "mps2-an385": 0.05, "mps2-an500": 0.05, "mps3-an547": 0.1}
"""Of code that was written in assembly, by board: a kernel is measured on the first whose core it supports."""


@pytest.mark.parametrize("name", WRITTEN)
def test_estimates(name: str, tmp_path: Path) -> None:
    board, missing = boards.load(name), kernels_of(name)
    compiled = {conversion.name for conversion in CONVERSIONS}
    problems = []
    for index, program in enumerate(programs(board, missing)):
        for layer, instructions in measured(board, program, tmp_path / str(index)):
            limit = COMPILED if layer.plain or layer.kernel in compiled else WRITTEN[name]
            ratio = layer.cost.instructions / instructions
            if layer.kernel in missing and abs(ratio - 1) > limit:
                problems.append(f"{layer.kernel} running {layer.name}: estimate is {ratio:.3f} of {instructions:,.0f}")
    assert not problems, "\n".join(problems)


def kernels_of(name: str) -> set[str]:
    """Kernels and conversions that this board's core has and no earlier one's."""
    has = {
        board: {unit.name for unit in battery.SUBJECTS if battery.kinds_of(unit, boards.load(board).cpu)}
        for board in list(WRITTEN)[: list(WRITTEN).index(name) + 1]
    }
    return has.pop(name).difference(*has.values())


def test_every_kernel_is_measured() -> None:
    assert set().union(*map(kernels_of, WRITTEN)) == {unit.name for unit in battery.SUBJECTS}


def programs(board: Board, wanted: set[str]) -> Iterator[Program]:
    """Programs of the benchmark's networks in which each of the kernels runs.

    Raises:
        AssertionError: one of them runs in none.
    """
    missing = set(wanted)
    narrow, ds_cnn = (NETWORKS[name](0.9, 4, 0) for name in ("res8-narrow", "ds-cnn"))
    for network in (narrow, ds_cnn, chunked(with_interior_mean(narrow), 10).network):
        for program in variants(network, board.cpu):
            if missing & {step.kernel for step in program.steps}:
                missing -= {step.kernel for step in program.steps}
                yield program
    assert not missing


def measured(board: Board, program: Program, folder: Path) -> Iterator[tuple[Layer, float]]:
    """Every step and the instructions that it took."""
    plan = place(program, board.cpu)
    build_id = generate(plan, folder / "generated")
    built = compile_firmware(board, folder / "generated", folder / "firmware")
    runners.flash(board, built.elf, folder, expected_build=build_id)
    x = random_inputs(program.network, seeds.fresh("clip"), 1)
    with runners.connect(board, folder, expected_build=build_id) as device:
        result = device.infer(x[0])
    values, _ = advance(program.network, x, fresh_state(program.network, 1))
    assert result.logits == tuple(values[program.network.output][0])
    for layer, ticks in zip(plan.layers, result.layer_ticks, strict=True):
        yield layer, ticks * board.timer.units_per_tick
