"""The vector kernels on the emulated Cortex-M55: the whole arena after every layer, as checksums."""

from pathlib import Path

import numpy as np
import pytest
from pqk_codegen.ir import Network
from pqk_codegen.plan import Plan
from support import arena, mve, networks, seeds

import pqk.boards
from pqk import firmware, runners
from pqk.evaluate import Clips, Unit, evaluate

BOARD = pqk.boards.load("mps3-an547")


def measure(plan: Plan, network: Network, x: np.ndarray, directory: Path) -> list[int]:
    """Run the inputs and compare the arena; returns instructions by layer, the wrapper's own included."""
    build_id = arena.write(plan, directory / "generated")
    built = firmware.compile_firmware(BOARD, directory / "generated", directory / "firmware")
    runners.flash(BOARD, built.elf, directory, expected_build=build_id)
    names = [f"clip {index}" for index in range(len(x))]
    sums = np.array([arena.checksums(arena.expected(plan, network, clip)) for clip in x], np.int32)
    result = evaluate(
        lambda: runners.connect(BOARD, directory, expected_build=build_id),
        Clips("testing", names, x.astype(network.tensors[network.input].dtype), np.zeros(len(x), np.int64), sums),
        Unit(BOARD.timer.unit, BOARD.timer.units_per_tick),
        directory / "journal",
        lambda *_: None,
    )
    for clip, inference in enumerate(result.inferences):
        wrong = [layer.name for layer, a, b in zip(plan.layers, inference.logits, sums[clip], strict=True) if a != b]
        assert wrong == []
    return [int(units) for units in result.record()["layers"]]


@pytest.mark.parametrize("index", range(4))
def test_random_networks(index: int, tmp_path: Path) -> None:
    rng = seeds.fresh(f"random network {index}")
    network = mve.random_network(rng)
    plan = mve.planned(network, BOARD.cpu, wide=index % 2 == 1)
    measure(plan, network, networks.random_input(rng, network, 3), tmp_path)


@pytest.mark.parametrize("bits", [4, 8])
def test_res8_narrow(bits: int, tmp_path: Path) -> None:
    rng = seeds.fresh("res8-narrow")
    network = networks.res8(rng, classes=12, bits=bits)
    plan = mve.planned(network, BOARD.cpu)
    kernels = {layer.kernel for layer in plan.layers}
    assert ("conv2d_mve16" if bits == 4 else "conv2d_mve32") in kernels
    measure(plan, network, networks.random_input(rng, network, 3), tmp_path)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_sums_of_a_window_in_groups(dtype: str, tmp_path: Path) -> None:
    rng = seeds.fresh("groups")
    network = mve.pooled(rng, dtype, nonzeros=18)
    plan = mve.planned(network, BOARD.cpu)
    assert "_in_groups_" in plan.layers[0].function
    measure(plan, network, networks.random_input(rng, network, 3), tmp_path)


def test_every_remainder_of_a_tile(tmp_path: Path) -> None:
    rng = seeds.fresh("remainders")
    network = mve.shrinking(rng, int(rng.integers(4, 8)), 29, 12)
    measure(mve.planned(network, BOARD.cpu), network, networks.random_input(rng, network, 3), tmp_path)
