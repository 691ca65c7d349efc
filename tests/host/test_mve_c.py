"""The vector kernels, lane by lane on the host under sanitizers: shapes that the battery does not draw on purpose."""

from pathlib import Path

import numpy as np
import pytest
from pqk_codegen.errors import IrError
from pqk_codegen.interpreter import logits
from pqk_codegen.ir import Network
from pqk_codegen.plan import plan
from support import host, mve
from support.networks import Builder, random_input
from support.seeds import fresh


def check(network: Network, forced: dict[str, str], x: np.ndarray, directory: Path) -> None:
    """Compile, run, and compare the logits."""
    program = host.build(network, directory, forced=forced)
    np.testing.assert_array_equal(host.run(program, network, x), logits(network, x))


@pytest.mark.parametrize(("height", "width"), [(1, 25), (3, 15), (7, 14), (6, 29)])
def test_every_remainder_of_a_tile(height: int, width: int, tmp_path: Path) -> None:
    rng = fresh(f"{height} x {width}")
    network = mve.shrinking(rng, height, width, 10)
    forced = {op: kernel for op, kernel in mve.wanted(network, wide=width == 15).items() if op < "conv9"}
    assert sum(kernel.startswith("conv2d_mve") for kernel in forced.values()) == 9
    check(network, forced, random_input(rng, network, 3), tmp_path)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize(("nonzeros", "variant"), [(18, "_pool_in_groups"), (2, "_pool")])
def test_large_windows(dtype: str, nonzeros: int, variant: str, tmp_path: Path) -> None:
    rng = fresh("large windows")
    network = mve.pooled(rng, dtype, nonzeros)
    forced = mve.wanted(network)
    functions = [layer.function for layer in plan(network, "host", forced=forced).layers]
    assert f"pqk_conv2d_mve16{variant}_{dtype[0].replace('i', 's')}8" in functions
    check(network, forced, random_input(rng, network, 3), tmp_path)


@pytest.mark.parametrize("right", [1, 2])
def test_rows_longer_than_the_inputs(right: int, tmp_path: Path) -> None:
    rng = fresh("long rows")
    builder = Builder(rng, (2, 9, 21))
    builder.conv(3, kernel=(3, 2), padding=(1, 2, 1, right))
    network = builder.finish(("conv", "mean", "fc"))
    forced = {"conv0": "conv2d_mve16"}
    if right == 2:
        with pytest.raises(IrError, match="cannot run together"):
            plan(network, "host", forced=forced)
    else:
        check(network, forced, random_input(rng, network, 3), tmp_path)
