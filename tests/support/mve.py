"""Networks for the vector kernels: every path of theirs, and every way a channel can be odd."""

from pqk_codegen.ir import Network
from pqk_codegen.ops import Conv2d
from pqk_codegen.plan import Plan, plan

from support.networks import Builder, Generator

WIDE = "conv2d_mve32"


def planned(network: Network, core: str, *, wide: bool = False) -> Plan:
    """`wide` takes lanes of 32 bits for every convolution, also where 16 are enough."""
    return plan(network, core, lambda call: 0 if call.kernel.startswith("conv2d_mve16") != wide else 1)


def random_network(rng: Generator) -> Network:
    """Convolutions one after another, with and without pooling, residuals, odd sizes, as many classes as layers."""
    pick = lambda low, high: int(rng.integers(low, high + 1))  # noqa: E731
    shape = (pick(1, 3), pick(11, 26), pick(26, 37))
    builder = Builder(rng, shape, dtype=str(rng.choice(["uint8", "int8"])), bits=int(rng.choice([2, 4, 4, 8])))
    sparsity = float(rng.choice([0.0, 0.5, 0.9]))
    builder.conv(
        pick(1, 5),
        kernel=(pick(1, 4), pick(1, 4)),
        padding=(pick(0, 2), pick(0, 2), pick(0, 2), pick(0, 2)),
        pool=(pick(1, 4), pick(1, 3)) if rng.random() < 0.5 else (1, 1),
        sparsity=sparsity,
    )
    for _ in range(pick(1, 2)):
        residual, reach = builder.current, pick(1, 2)
        builder.conv(residual.shape[0], dilation=(reach, reach), padding=(reach,) * 4, sparsity=sparsity)
        builder.add(residual)
    builder.conv(pick(1, 6), kernel=(pick(1, 3), pick(1, 2)), padding=(0, pick(0, 1), pick(0, 1), 0), sparsity=0.7)
    odd_channels(rng, builder)
    return builder.finish(tuple(f"layer {index}" for index in range(len(builder.ops) + 2)))


def odd_channels(rng: Generator, builder: Builder) -> None:
    """Change some output channels: no weight at all, a single one, huge biases, extreme weights and factors."""
    limit = 2 ** (builder.bits - 1) - 1
    for op in builder.ops:
        if not isinstance(op, Conv2d):
            continue
        for channel in range(len(op.weights)):
            kind = int(rng.integers(0, 12))
            if kind == 0:
                op.weights[channel] = 0
                op.bias[channel] = rng.integers(-(2**22), 2**22)
            elif kind == 1:
                keep = op.weights[channel].copy()
                op.weights[channel] = 0
                op.weights[channel].flat[rng.integers(keep.size)] = rng.choice([-limit, limit])
            elif kind == 2:
                op.weights[channel] = rng.choice([-limit, limit])
            elif kind == 3:
                op.multiplier[channel] = rng.choice([0, 1, 2**31 - 1])
            elif kind == 4:
                op.bias[channel] = rng.choice([-(2**22), 2**22])


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
