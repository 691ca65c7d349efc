"""The assembly of lane kernels on emulated processors against the interpreter."""

from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen.generate import generate
from pqk_codegen.ir import Network
from pqk_codegen.plan import plan
from support import lane_networks
from support.networks import random_input
from support.seeds import fresh

from pqk import boards, firmware, runners
from pqk.evaluate import Clips, Unit, evaluate

COUNT = 4


def differences(name: str, network: Network, forced: lane_networks.Forced, folder: Path) -> int:
    """How many logits differ on a board."""
    rng, board = fresh("inputs"), boards.load(name)
    build_id = generate(plan(network, board.cpu, forced=forced), folder / "generated")
    built = firmware.compile_firmware(board, folder / "generated", folder / "firmware")
    runners.flash(board, built.elf, folder, expected_build=build_id)
    inputs = random_input(rng, network, COUNT).astype(network.tensors[network.input].dtype)
    logits = interpreter.run(network, inputs)[network.output]
    clips = Clips("testing", [str(index) for index in range(COUNT)], inputs, np.zeros(COUNT, np.int64), logits)
    unit = Unit(board.timer.unit, board.timer.units_per_tick)
    connect = lambda: runners.connect(board, folder, expected_build=build_id)  # noqa: E731
    return evaluate(connect, clips, unit, folder / "journal", lambda *_: None).different_logits


@pytest.mark.parametrize(("board", "width"), [("mps2-an386", 5), ("mps2-an386", 17), ("mps2-an505", 7)])
def test_depthwise(board: str, width: int, tmp_path: Path) -> None:
    network, forced = lane_networks.depthwise(fresh(f"depthwise of {width} columns"), width)
    assert differences(board, network, forced, tmp_path) == 0


@pytest.mark.parametrize(
    ("board", "kernel"),
    [
        ("mps2-an386", "conv2d_lanes"),
        ("mps2-an386", "conv2d_lanes_short"),
        ("mps2-an386", "conv2d_lanes_far"),
        ("mps2-an386", "conv2d_lanes_far_short"),
        ("mps2-an386", "conv2d_grouped_lanes"),
        ("mps2-an500", "conv2d_lanes_m7"),
        ("mps2-an500", "conv2d_lanes_m7_short"),
    ],
)
def test_convolutions(board: str, kernel: str, tmp_path: Path) -> None:
    network, forced = lane_networks.convolutions(fresh(kernel), kernel, boards.load(board).cpu)
    assert differences(board, network, forced, tmp_path) == 0


@pytest.mark.parametrize(("board", "bits"), [("mps2-an386", 2), ("mps2-an386", 4), ("mps2-an505", 3)])
def test_groups(board: str, bits: int, tmp_path: Path) -> None:
    network, forced = lane_networks.grouped(fresh(f"groups of {bits} bits"), bits)
    assert differences(board, network, forced, tmp_path) == 0


def test_m7_has_kernels_of_its_own() -> None:
    # With five channels lanes are far cheaper than plain C; with one a convolution may not be worth packing its input.
    network, forced = lane_networks.convolutions(fresh("m7"), "conv2d_lanes_m7_short", "cortex-m7", channels=[5])
    chosen = {layer.name: layer.kernel for layer in plan(network, "cortex-m7").layers}
    assert all(chosen[name].startswith("conv2d_lanes_m7") for name in forced)


@pytest.mark.parametrize("board", ["mps2-an386", "mps2-an500"])
def test_inputs_beyond_64_kib(board: str, tmp_path: Path) -> None:
    """Every input channel matters, the last ones lie where no other lane kernel reaches."""
    rng = fresh("large input")
    network = lane_networks.large(rng)
    planned = plan(network, boards.load(board).cpu)
    assert {layer.name: layer.kernel for layer in planned.layers}["conv1"].startswith("conv2d_lanes_far")
    assert differences(board, network, {}, tmp_path) == 0
