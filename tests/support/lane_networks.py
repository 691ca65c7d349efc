"""Random networks that certain lane kernels can run, with the kernels to force."""

from collections.abc import Callable, Sequence

import numpy as np
from pqk_codegen.errors import IrError
from pqk_codegen.ir import Network
from pqk_codegen.plan import plan

from support.networks import Builder

Forced = dict[str, str]
DRAWS = 200


def depthwise(rng: np.random.Generator, width: int) -> tuple[Network, Forced]:
    """Depthwise layers of so many columns for depthwise_lanes, with halos of other kernels in between."""
    names = {f"conv{index}": "depthwise_lanes" for index in (0, 2, 3)}
    return _accepted(lambda: _depthwise(rng, width), names, "cortex-m4"), names


def _depthwise(rng: np.random.Generator, width: int) -> Network:
    height, dilation = int(rng.integers(5, 15)), int(rng.integers(1, 3))
    builder = Builder(rng, (int(rng.integers(1, 5)), height, width), dtype=str(rng.choice(["uint8", "int8"])))
    most = int(rng.choice([15, 31, 63, 127, 255]))
    top = int(rng.integers(0, 2 * dilation + 1))
    builder.depthwise(padding=(1, 1, 1, 1), maximum=most, sparsity=float(rng.choice([0, 0.5, 1])))
    builder.conv(int(rng.integers(1, 5)), (1, 1), padding=(0, 0, 0, 0), sparsity=0.3)
    builder.depthwise(dilation=(dilation, 1), padding=(top, 1, 2 * dilation - top, 1))
    builder.depthwise(padding=(1, 1, 1, 1))
    return builder.finish(("a", "b", "c"))


def convolutions(
    rng: np.random.Generator, kernel: str, core: str, channels: Sequence[int] = (1, 2, 3, 4, 5)
) -> tuple[Network, Forced]:
    """Convolutions for a lane kernel: with a stride, dilated, pointwise; one channel without weights.

    Each makes one of these numbers of `channels`.
    """
    names = {f"conv{index}": kernel for index in range(3)}
    return _accepted(lambda: _convolutions(rng, channels), names, core), names


def _convolutions(rng: np.random.Generator, channels: Sequence[int]) -> Network:
    shape = (int(rng.integers(1, 3)), int(rng.integers(9, 16)), int(rng.integers(9, 16)))
    builder = Builder(rng, shape, dtype=str(rng.choice(["uint8", "int8"])))
    most = int(rng.choice([15, 31, 63, 127, 255]))
    builder.conv(int(rng.choice(channels)), (4, 3), stride=(2, int(rng.integers(1, 3))), maximum=most)
    builder.conv(int(rng.choice(channels)), dilation=(2, 1), padding=(2, 1, 2, 1))
    builder.conv(int(rng.choice(channels)), (1, 1), padding=(0, 0, 0, 0))
    builder.ops[1].weights[0] = 0  # type: ignore[attr-defined]
    return builder.finish(("a", "b", "c"))


def grouped(rng: np.random.Generator, bits: int) -> tuple[Network, Forced]:
    """A convolution for conv2d_grouped_lanes in which many taps have a weight in common."""
    names = {"conv1": "conv2d_grouped_lanes"}
    return _accepted(lambda: _grouped(rng, bits), names, "cortex-m4"), names


def _grouped(rng: np.random.Generator, bits: int) -> Network:
    shape = (int(rng.integers(1, 4)), int(rng.integers(5, 15)), int(rng.integers(5, 12)))
    builder = Builder(rng, shape, bits=bits)
    builder.conv(int(rng.integers(8, 13)), maximum=15)
    builder.conv(int(rng.integers(1, 6)), sparsity=float(rng.choice([0, 0.5])))
    return builder.finish(("a", "b", "c"))


def large(rng: np.random.Generator) -> Network:
    """A convolution, conv1, whose input on lanes is far more than 64 KiB."""
    builder = Builder(rng, (1, 61, 31))
    builder.conv(40, maximum=15)
    builder.conv(6, dilation=(2, 2), padding=(2, 2, 2, 2), sparsity=0.7)
    return builder.finish(("a", "b", "c"))


def _accepted(make: Callable[[], Network], names: Forced, core: str) -> Network:
    """The first network that the kernels can run."""
    for _ in range(DRAWS):
        network = make()
        try:
            plan(network, core, forced=names)
        except IrError:
            continue
        return network
    raise AssertionError(f"{DRAWS} networks, but none for {set(names.values())}")
