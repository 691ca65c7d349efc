"""Networks of random shapes and weights, for tests of everything behind the trainer."""

import numpy as np
from pqk_codegen.ir import DTYPE_RANGES, Network, Op, Tensor, verify
from pqk_codegen.ops import Add, Conv2d, Convolution, DepthwiseConv2d, FullyConnected, SumPool

Generator = np.random.Generator


class Builder:
    """Collects tensors and operations of a network whose every activation has the scale 1."""

    def __init__(
        self,
        rng: Generator,
        shape: tuple[int, int, int],
        dtype: str = "uint8",
        bits: int = 4,
        maximum: int | None = None,
    ) -> None:
        self.rng, self.bits = rng, bits
        self.tensors: dict[str, Tensor] = {}
        self.ops: list[Op] = []
        self.current = self.tensor("input", shape, dtype, 1.0, maximum or DTYPE_RANGES[dtype][1])

    def tensor(self, name: str, shape: tuple[int, ...], dtype: str, scale: float, maximum: int) -> Tensor:
        self.tensors[name] = Tensor(name, shape, dtype, scale, maximum)
        return self.tensors[name]

    def weights(self, shape: tuple[int, ...], sparsity: float) -> np.ndarray:
        limit = 2 ** (self.bits - 1) - 1
        values = self.rng.integers(-limit, limit + 1, shape)
        return np.where(self.rng.random(shape) < sparsity, 0, values).astype(np.int8)

    def conv(
        self,
        channels: int,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (1, 1, 1, 1),
        pool: tuple[int, int] = (1, 1),
        sparsity: float = 0.5,
        maximum: int = 127,
    ) -> Tensor:
        """Append a convolution whose outputs cover the range from 0 to saturation."""
        weights = self.weights((channels, self.current.shape[0], *kernel), sparsity)
        return self._convolution(Conv2d, weights, stride, dilation, padding, pool, maximum)

    def depthwise(
        self,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (1, 1, 1, 1),
        pool: tuple[int, int] = (1, 1),
        sparsity: float = 0.0,
        maximum: int = 127,
    ) -> Tensor:
        """Append a depthwise convolution whose outputs cover the range from 0 to saturation."""
        weights = self.weights((self.current.shape[0], *kernel), sparsity)
        return self._convolution(DepthwiseConv2d, weights, stride, dilation, padding, pool, maximum)

    def _convolution(
        self,
        kind: type[Convolution],
        weights: np.ndarray,
        stride: tuple[int, int],
        dilation: tuple[int, int],
        padding: tuple[int, int, int, int],
        pool: tuple[int, int],
        maximum: int,
    ) -> Tensor:
        source, name, channels = self.current, f"conv{len(self.ops)}", len(weights)
        size = [
            ((length + before + after - step * (taps - 1) - 1) // pace + 1) // window
            for length, before, after, step, taps, pace, window in zip(
                source.shape[1:], padding[:2], padding[2:], dilation, weights.shape[-2:], stride, pool, strict=True
            )
        ]
        reach = np.abs(weights.astype(int)).reshape(channels, -1).sum(axis=1) * source.magnitude * pool[0] * pool[1] + 1
        shift = int(self.rng.integers(24, 33))
        factor = np.minimum(self.rng.uniform(0.2, 3, channels) * maximum / reach * 2**shift, 2**31 - 1)
        op = kind(
            name,
            (source.name,),
            f"{name}_out",
            weights,
            self.rng.integers(-200, 201, channels).astype(np.int32),
            factor.astype(np.int32),
            stride,
            dilation,
            padding,
            pool,
            shift,
        )
        self.ops.append(op)
        self.current = self.tensor(op.output, (channels, *size), "uint8", 1.0, maximum)
        return self.current

    def add(self, other: Tensor, maximum: int = 127) -> Tensor:
        """Append the residual addition of `other` to the current tensor."""
        name = f"add{len(self.ops)}"
        self.ops.append(Add(name, (other.name, self.current.name), f"{name}_out"))
        self.current = self.tensor(f"{name}_out", self.current.shape, "uint8", 1.0, maximum)
        return self.current

    def finish(self, classes: tuple[str, ...], arch: str = "random", mean: SumPool | None = None) -> Network:
        """Append the mean, by default over all rows, and a fully connected layer; return the verified network."""
        channels = self.current.shape[0]
        mean = mean or SumPool("mean", (self.current.name,), "sums")
        positions = mean.positions(self.current)
        self.ops.append(mean)
        self.tensor("sums", (channels,), "int32", 1.0 / positions, positions * self.current.maximum)
        bias = self.rng.integers(-(10**6), 10**6, len(classes)).astype(np.int32)
        self.ops.append(FullyConnected("fc", ("sums",), "logits", self.weights((len(classes), channels), 0.1), bias))
        self.tensor("logits", (len(classes),), "int32", 1.0, 2**31 - 1)
        return verify(
            Network(arch, classes, self.bits, "input", "logits", self.tensors, tuple(self.ops), {"kind": "none"})
        )


def res8(rng: Generator, channels: int = 19, classes: int = 10, sparsity: float = 0.9, bits: int = 4) -> Network:
    """The shape of res8 (45 channels) or res8-narrow (19) with random weights."""
    builder = Builder(rng, (1, 101, 40), bits=bits)
    residual = builder.conv(channels, pool=(4, 3), sparsity=0.5)
    for _ in range(3):
        builder.conv(channels, sparsity=sparsity)
        builder.conv(channels, sparsity=sparsity)
        residual = builder.add(residual)
    return builder.finish(tuple(f"word {index}" for index in range(classes)), "res8")


def random_network(rng: Generator) -> Network:
    """A small network with random shapes, strides, dilations, paddings, pools, types and sparsity."""
    pick = lambda low, high: int(rng.integers(low, high + 1))  # noqa: E731
    shape = (pick(1, 3), pick(10, 24), pick(10, 24))  # of 9 the layers below may leave nothing
    builder = Builder(rng, shape, dtype=str(rng.choice(["uint8", "int8"])), bits=int(rng.choice([2, 3, 4, 6, 8])))
    if rng.random() < 0.3:
        builder.depthwise((pick(1, 3), pick(1, 3)), padding=(pick(0, 2), pick(0, 2), pick(0, 2), pick(0, 2)))
    builder.conv(
        pick(1, 6),
        kernel=(pick(1, 4), pick(1, 4)),
        stride=(pick(1, 2), pick(1, 2)),
        padding=(pick(0, 3), pick(0, 3), pick(0, 3), pick(0, 3)),
        pool=(pick(1, 3), pick(1, 3)),
        sparsity=float(rng.choice([0.0, 0.5, 0.9, 1.0])),
    )
    if rng.random() < 0.5:
        dilation = pick(1, 2)
        builder.depthwise(
            (3, 3),
            stride=(pick(1, 2), pick(1, 2)),
            dilation=(dilation, dilation),
            padding=(2 * dilation, dilation, dilation, 2 * dilation),
            sparsity=float(rng.choice([0.0, 0.5])),
        )
    for _ in range(pick(0, 2)):
        residual, dilation = builder.current, pick(1, 3)
        builder.conv(residual.shape[0], dilation=(dilation, dilation), padding=(dilation,) * 4, sparsity=0.8)
        builder.add(residual)
    return builder.finish(("a", "b", "c"))


def random_input(rng: Generator, network: Network, n: int) -> np.ndarray:
    """Inputs [n, channels, height, width] over the input's whole range, its extremes among them."""
    source = network.tensors[network.input]
    x = rng.integers(source.minimum, source.maximum + 1, (n, *source.shape))
    if n > 2:
        x[0], x[1] = source.minimum, source.maximum
    return x
