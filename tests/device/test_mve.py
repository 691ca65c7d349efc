"""The vector kernels on the emulated Cortex-M55: the whole arena after every layer, as checksums."""

from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen.generate import generate
from pqk_codegen.ir import Network
from pqk_codegen.kernels import KERNELS, Site
from pqk_codegen.layout import layouts
from pqk_codegen.plan import Plan
from support import arena, mve, networks, seeds

import pqk.boards
from pqk import firmware, runners
from pqk.evaluate import Clips, Evaluation, Unit, evaluate

BOARD = pqk.boards.load("mps3-an547")


def compare(plan: Plan, network: Network, x: np.ndarray, directory: Path) -> None:
    """Run the inputs and compare the arena after every layer."""
    build_id = arena.write(plan, directory / "generated")
    sums = np.array([arena.checksums(arena.expected(plan, network, clip)) for clip in x], np.int32)
    for clip, inference in enumerate(measure(build_id, network, x, sums, directory).inferences):
        told = zip(plan.layers, inference.logits, sums[clip], strict=True)
        assert [layer.name for layer, found, wanted in told if found != wanted] == []


def measure(build_id: str, network: Network, x: np.ndarray, logits: np.ndarray, directory: Path) -> Evaluation:
    """Compile what was generated and run the inputs."""
    built = firmware.compile_firmware(BOARD, directory / "generated", directory / "firmware")
    runners.flash(BOARD, built.elf, directory, expected_build=build_id)
    names = [f"clip {index}" for index in range(len(x))]
    return evaluate(
        lambda: runners.connect(BOARD, directory, expected_build=build_id),
        Clips("testing", names, x.astype(network.tensors[network.input].dtype), np.zeros(len(x), np.int64), logits),
        Unit(BOARD.timer.unit, BOARD.timer.units_per_tick),
        directory / "journal",
        lambda *_: None,
    )


@pytest.mark.parametrize("index", range(4))
def test_random_networks(index: int, tmp_path: Path) -> None:
    rng = seeds.fresh(f"random network {index}")
    network = mve.random_network(rng)
    plan = mve.planned(network, BOARD.cpu, wide=index % 2 == 1)
    compare(plan, network, networks.random_input(rng, network, 3), tmp_path)


@pytest.mark.parametrize("bits", [4, 8])
def test_res8_narrow(bits: int, tmp_path: Path) -> None:
    rng = seeds.fresh("res8-narrow")
    network = networks.res8(rng, classes=12, bits=bits)
    plan = mve.planned(network, BOARD.cpu)
    kernels = {layer.kernel for layer in plan.layers}
    assert ("conv2d_mve16" if bits == 4 else "conv2d_mve32") in kernels
    compare(plan, network, networks.random_input(rng, network, 3), tmp_path)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_sums_of_a_window_in_groups(dtype: str, tmp_path: Path) -> None:
    rng = seeds.fresh("groups")
    network = mve.pooled(rng, dtype, nonzeros=18)
    plan = mve.planned(network, BOARD.cpu)
    assert "_in_groups_" in plan.layers[0].function
    compare(plan, network, networks.random_input(rng, network, 3), tmp_path)


def test_every_remainder_of_a_tile(tmp_path: Path) -> None:
    rng = seeds.fresh("remainders")
    network = mve.shrinking(rng, int(rng.integers(4, 8)), 29, 12)
    compare(mve.planned(network, BOARD.cpu), network, networks.random_input(rng, network, 3), tmp_path)


@pytest.mark.parametrize("bits", [4, 8])
def test_the_estimated_instructions_hold(bits: int, tmp_path: Path) -> None:
    rng = seeds.fresh("estimates")
    network = networks.res8(rng, bits=bits)
    plan = mve.planned(network, BOARD.cpu)
    x = networks.random_input(rng, network, 1)
    build_id = generate(plan, tmp_path / "generated")
    result = measure(build_id, network, x, interpreter.logits(network, x).astype(np.int32), tmp_path)
    assert result.different_logits == 0
    kernels, shapes = {kernel.name: kernel for kernel in KERNELS}, layouts(network)
    for op, layer, measured in zip(network.ops, plan.layers, result.record()["layers"], strict=True):
        if layer.kernel != "fully_connected_dense":
            site = Site(op, *network.op_tensors(op), shapes, BOARD.cpu)
            clearing = layer.clear.layout.size // 8 if layer.clear else 0
            estimated = kernels[layer.kernel].instructions(site) + clearing  # type: ignore[attr-defined]
            assert estimated == pytest.approx(measured, rel=0.1), layer.function
