"""Random networks that certain lane kernels can run, with the kernels to force."""

import numpy as np
from pqk_codegen.ir import Network

from support.networks import Builder

Forced = dict[str, str]


def depthwise(rng: np.random.Generator, width: int) -> tuple[Network, Forced]:
    """Depthwise layers of so many columns for depthwise_lanes, with halos of other kernels in between."""
    height, dilation = int(rng.integers(5, 15)), int(rng.integers(1, 3))
    builder = Builder(rng, (int(rng.integers(1, 5)), height, width), dtype=str(rng.choice(["uint8", "int8"])))
    most = int(rng.choice([15, 31, 63, 127, 255]))
    top = int(rng.integers(0, 2 * dilation + 1))
    builder.depthwise(padding=(1, 1, 1, 1), maximum=most, sparsity=float(rng.choice([0, 0.5, 1])))
    builder.conv(int(rng.integers(1, 5)), (1, 1), padding=(0, 0, 0, 0), sparsity=0.3)
    builder.depthwise(dilation=(dilation, 1), padding=(top, 1, 2 * dilation - top, 1))
    builder.depthwise(padding=(1, 1, 1, 1))
    return builder.finish(("a", "b", "c")), {f"conv{index}": "depthwise_lanes" for index in (0, 2, 3)}
