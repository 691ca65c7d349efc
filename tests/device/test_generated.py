"""Networks with random weights, the normal way from IR to firmware, on the emulated boards against the interpreter."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen.choice import Objective
from pqk_codegen.generate import generate
from pqk_codegen.ir import Network
from pqk_codegen.plan import plan
from support import networks, seeds
from support.device import EMULATED
from support.trained import ir_of, random_pqk, thinned

from pqk import boards, firmware, runners
from pqk.boards import Board
from pqk.errors import FitError
from pqk.evaluate import Clips, Unit, evaluate
from pqk.project import CompressionConfig
from pqk.train.integer import InputFormat

COUNT = 3
CLASSES = tuple(f"word {index}" for index in range(12))
SMALL = "microbit"
ROOMY = [name for name in EMULATED if boards.load(name).memory.ram.size >= 32 << 10]


def depthwise(rng: np.random.Generator) -> Network:
    """Depthwise convolutions of several shapes, the first on the input."""
    builder = networks.Builder(rng, (3, 21, 13))
    builder.depthwise(stride=(2, 2), padding=(0, 0, 1, 1))
    builder.conv(5, kernel=(1, 1), padding=(0, 0, 0, 0))
    builder.depthwise(dilation=(2, 1), padding=(2, 1, 2, 1), pool=(1, 2))
    builder.conv(4)
    return builder.finish(("a", "b", "c"))


def trained(arch: str, source: InputFormat, rng: np.random.Generator) -> Network:
    """Through the trainer's own way to integers."""
    return ir_of(random_pqk(arch, source, CompressionConfig(), rng, CLASSES), arch, CLASSES)


def tiny(rng: np.random.Generator) -> Network:
    """The network made for the smallest board."""
    return trained("res8-tiny", InputFormat((1, 101, 40), "uint8", 0.125), rng)


def evaluated(
    board: Board, network: Network, rng: np.random.Generator, folder: Path, room: Board | None = None
) -> dict[str, Any]:
    """Generate, check, compile, flash, and send random clips; everything but the figures is asserted here.

    As in a build, kernels are chosen so that the arena fits, on `room` where that is another board.
    """
    planned = plan(network, board.cpu, Objective(ram_limit=firmware.spare_ram(room or board)))
    firmware.check_fit(board, {"tables": planned.flash, "kernels": planned.code}, {"arena": planned.arena})
    build_id = generate(planned, folder / "generated")
    built = firmware.compile_firmware(board, folder / "generated", folder / "firmware")
    assert built.ram.arena == planned.arena
    assert built.flash.weights >= planned.flash
    assert built.flash.code < firmware.FIRMWARE_FLASH + 1.1 * planned.code
    assert built.ram.static < firmware.FIRMWARE_RAM + board.uart.ring + board.uart.largest_payload
    runners.flash(board, built.elf, folder, expected_build=build_id)
    inputs = networks.random_input(rng, network, COUNT).astype(network.tensors[network.input].dtype)
    logits = interpreter.run(network, inputs)[network.output]
    labels = rng.integers(0, logits.shape[1], COUNT)
    clips = Clips("testing", [f"clip {i}" for i in range(COUNT)], inputs, labels, logits)
    result = evaluate(
        lambda: runners.connect(board, folder, expected_build=build_id),
        clips,
        Unit(board.timer.unit, board.timer.units_per_tick),
        folder / "journal",
        lambda *_: None,
    )
    assert result.different_logits == 0
    record = result.record()
    right = [a == b for a, b in zip(record["labels"], record["predictions"], strict=True)]
    assert sum(right) == (logits.argmax(axis=1) == labels).sum()
    assert len(record["layers"]) == len(planned.layers)
    # No kernel multiplies and adds more than 16 pairs an instruction.
    assert min(record["per_inference"]) > sum(layer.nonzero_macs for layer in planned.layers) / 16
    assert 64 < record["stack_high_water"] < board.memory.stack
    print(board.name, record["per_inference"], record["stack_high_water"], built.flash, built.ram)
    return record


@pytest.mark.parametrize(
    ("name", "make"), [*((name, depthwise) for name in EMULATED), *((name, networks.res8) for name in ROOMY)]
)
def test_logits_equal_the_interpreters(
    name: str, make: Callable[[np.random.Generator], Network], tmp_path: Path
) -> None:
    rng = seeds.fresh("network")
    evaluated(boards.load(name), make(rng), rng, tmp_path)


@pytest.mark.parametrize(
    ("arch", "source"),
    [
        ("res15-narrow", InputFormat((1, 101, 40), "uint8", 0.125)),
        ("ds-cnn", InputFormat((1, 49, 10), "int8", 1.0)),
    ],
)
def test_published_networks_in_full_size(arch: str, source: InputFormat, tmp_path: Path) -> None:
    rng = seeds.fresh(arch)
    evaluated(boards.load("mps2-an386"), trained(arch, source, rng), rng, tmp_path)


def test_a_network_without_its_pruned_filters(tmp_path: Path) -> None:
    """The board computes with the smaller network what the trainer does with the whole one."""
    rng = seeds.fresh("network")
    source = InputFormat((1, 101, 40), "uint8", 0.125)
    whole, network = thinned("res8-narrow", source, CompressionConfig(sparsity=0.7), rng, CLASSES)
    x = networks.random_input(rng, network, COUNT)
    np.testing.assert_array_equal(interpreter.logits(network, x), interpreter.logits(whole, x))
    evaluated(boards.load("mps2-an386"), network, rng, tmp_path)


def test_a_small_network_on_the_smallest_board(tmp_path: Path) -> None:
    rng = seeds.fresh("network")
    network, board = tiny(rng), boards.load(SMALL)
    record = evaluated(board, network, rng, tmp_path / SMALL)
    # A quarter of the stack at least is left over.
    assert record["stack_high_water"] < 0.75 * board.memory.stack
    # The same instructions as on the board that exists for counting them: only the ticks differ in length, and the clip
    # comes in eight pieces instead of one; each of the seven more takes 220 instructions at most, or 50 for lanes.
    counted = evaluated(boards.load("mps2-an385-armv6m"), network, rng, tmp_path / "counting", room=board)
    assert counted["per_inference"][0] == pytest.approx(record["per_inference"][0], abs=7 * 250)


def test_a_large_network_does_not_fit_the_smallest_board() -> None:
    planned = plan(networks.res8(seeds.fresh("network")), "cortex-m0")
    with pytest.raises(FitError, match="does not fit microbit; RAM: needs"):
        firmware.check_fit(boards.load(SMALL), {"weights": planned.flash}, {"arena": planned.arena})
