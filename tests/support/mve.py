"""Networks for the vector kernels: every path of theirs."""

from pqk_codegen.choice import candidates
from pqk_codegen.ir import Network
from pqk_codegen.ops import Conv2d

from support.networks import Builder, Generator


def wanted(network: Network, *, wide: bool = False) -> dict[str, str]:
    """Vector kernels for every operation that one can run; `wide` wants lanes of 32 bits also where 16 are enough."""
    names = ["conv2d_mve32", "conv2d_mve16"] if wide else ["conv2d_mve16", "conv2d_mve32"]
    kernels = {}
    for op, found in candidates(network, "cortex-m55").items():
        able = {kernel.name for kernel in found}
        best = next((name for name in (*names, "add_planes_mve", "sum_planes_mve") if name in able), None)
        if best:
            kernels[op] = best
    return kernels


def shrinking(rng: Generator, height: int, width: int, layers: int) -> Network:
    """Convolutions that each leave one column less: as many lengths of a plane, and as many classes as layers."""
    builder = Builder(rng, (2, height, width))
    for _ in range(layers):
        builder.conv(3, kernel=(2, 2), padding=(0, 0, 1, 0), sparsity=0.5)
    return builder.finish(tuple(f"layer {index}" for index in range(layers + 2)))


def pooled(rng: Generator, dtype: str, nonzeros: int) -> Network:
    """One convolution with a large pool window and so many weights in every channel, all of them extreme."""
    builder = Builder(rng, (2, 18, 39), dtype=dtype)
    builder.conv(4, pool=(4, 3), sparsity=0.0)
    op = builder.ops[0]
    assert isinstance(op, Conv2d)
    op.weights[:] = 0
    for weights in op.weights:
        weights.flat[rng.choice(weights.size, nonzeros, replace=False)] = rng.choice([-7, 7], nonzeros)
    return builder.finish(("conv", "mean", "fc"))
