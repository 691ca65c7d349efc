"""The vector kernels, lane by lane on the host under sanitizers: the whole arena after every layer."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from pqk_codegen.ir import Network
from pqk_codegen.plan import Plan
from support import arena, host, mve
from support.networks import Builder, random_input, res8
from support.seeds import fresh

CORE = "host"


def check(plan: Plan, network: Network, x: np.ndarray, directory: Path) -> None:
    """Compile, run, and compare every byte of the arena after every layer."""
    arena.write(plan, directory)
    (directory / "main.c").write_text(arena.MAIN)
    sources = [str(path) for path in sorted(directory.glob("*.c"))]
    program = str(directory / "program")
    subprocess.run(["gcc", *host.STRICT, *host.SANITIZED, *sources, "-o", program], check=True)
    data = x.astype(network.tensors[network.input].dtype).tobytes()
    result = subprocess.run([program], input=data, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()[-3000:]
    states = np.frombuffer(result.stdout, np.uint8).reshape(len(x), len(plan.layers), plan.arena)
    for clip, got in zip(x, states, strict=True):
        for layer, wanted, found in zip(plan.layers, arena.expected(plan, network, clip), got, strict=True):
            np.testing.assert_array_equal(found, wanted, f"{layer.name} by {layer.kernel}")


@pytest.mark.parametrize("index", range(8))
def test_random_networks(index: int, tmp_path: Path) -> None:
    rng = fresh(f"random network {index}")
    network = mve.random_network(rng)
    check(mve.planned(network, CORE, wide=index % 3 == 0), network, random_input(rng, network, 4), tmp_path)


@pytest.mark.parametrize("wide", [False, True])
def test_res8_narrow(wide: bool, tmp_path: Path) -> None:
    rng = fresh("res8-narrow")
    network = res8(rng, classes=12)
    plan = mve.planned(network, CORE, wide=wide)
    assert {layer.kernel for layer in plan.layers} == {
        mve.WIDE if wide else "conv2d_mve16",
        "add_planes_mve",
        "sum_planes_mve",
        "fully_connected_dense",
    }
    check(plan, network, random_input(rng, network, 3), tmp_path)


@pytest.mark.parametrize(("height", "width"), [(1, 25), (3, 15), (7, 14), (6, 29)])
def test_every_remainder_of_a_tile(height: int, width: int, tmp_path: Path) -> None:
    rng = fresh(f"{height} x {width}")
    network = mve.shrinking(rng, height, width, 10)
    plan = mve.planned(network, CORE, wide=width == 15)
    assert all(layer.kernel.startswith("conv2d_mve") for layer in plan.layers[:9])
    check(plan, network, random_input(rng, network, 3), tmp_path)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize(("nonzeros", "variant"), [(18, "_pool_in_groups"), (2, "_pool")])
def test_large_windows(dtype: str, nonzeros: int, variant: str, tmp_path: Path) -> None:
    rng = fresh("large windows")
    network = mve.pooled(rng, dtype, nonzeros)
    plan = mve.planned(network, CORE)
    assert plan.layers[0].function == f"pqk_conv2d_mve16{variant}_{dtype[0].replace('i', 's')}8"
    check(plan, network, random_input(rng, network, 3), tmp_path)


@pytest.mark.parametrize(("right", "kernel"), [(1, "conv2d_mve16"), (2, "conv2d_sparse4")])
def test_rows_longer_than_the_inputs(right: int, kernel: str, tmp_path: Path) -> None:
    rng = fresh("long rows")
    builder = Builder(rng, (2, 9, 21))
    builder.conv(3, kernel=(3, 2), padding=(1, 2, 1, right))
    network = builder.finish(("conv", "mean", "fc"))
    plan = mve.planned(network, CORE)
    assert plan.layers[0].kernel == kernel
    check(plan, network, random_input(rng, network, 3), tmp_path)


def test_the_random_networks_reach_every_path() -> None:
    rng = np.random.default_rng(1)
    calls = set()
    for index in range(60):
        plan = mve.planned(mve.random_network(rng), CORE, wide=index % 3 == 0)
        calls |= {layer.function for layer in plan.layers}
        calls |= {f"{layer.kernel} between rows" for layer in plan.layers if shifted(dict(layer.fields))}
    for kernel in ("conv2d_mve16", "conv2d_mve32"):
        assert {f"pqk_{kernel}{pool}_{kind}" for pool in ("", "_pool") for kind in ("u8", "s8")} <= calls
        assert f"{kernel} between rows" in calls
    assert {"pqk_add_planes_mve", "pqk_sum_planes_mve_u8"} <= calls


def shifted(fields: dict[str, str]) -> bool:
    return "row" in fields and f".row = {fields['row']}," not in fields["output"]
