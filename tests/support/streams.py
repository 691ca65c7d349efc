"""Networks whose windows share rows, and streams of frames for them."""

from collections.abc import Iterator

import numpy as np
from pqk_codegen import interpreter
from pqk_codegen.ir import Network
from pqk_codegen.streaming import Chunked, interior_rows, with_interior_mean

from support.networks import Builder, Generator

CLASSES = ("a", "b", "c")


def residual(rng: Generator, frames: int = 101, bands: int = 40, channels: int = 19, pool: int = 4) -> Network:
    """The shape of res8, with the mean over interior rows."""
    builder = Builder(rng, (1, frames, bands), bits=4)
    before = builder.conv(channels, pool=(pool, 3), sparsity=0.5)
    for _ in range(3):
        builder.conv(channels, sparsity=0.9)
        builder.conv(channels, sparsity=0.9)
        before = builder.add(before)
    return with_interior_mean(builder.finish(CLASSES, "residual"))


def random_network(rng: Generator) -> Network:
    """A small network with random kernels, dilations, strides, paddings and pools; some of its rows are interior."""
    while True:
        network = _drawn(rng)
        first, last = interior_rows(network)
        if first <= last:
            return with_interior_mean(network)


def _drawn(rng: Generator) -> Network:
    pick = lambda low, high: int(rng.integers(low, high + 1))  # noqa: E731
    builder = Builder(rng, (1, pick(40, 70), pick(6, 14)), dtype=str(rng.choice(["uint8", "int8"])))
    pool = (pick(1, 3), pick(1, 2))
    builder.conv(pick(2, 4), (pick(1, 4), 3), (pick(1, 2), 1), padding=(pick(0, 2), 1, pick(0, 2), 1), pool=pool)
    for _ in range(pick(1, 2)):
        before, dilation, kernel = builder.current, pick(1, 2), pick(1, 3)
        around = dilation * (kernel - 1)
        builder.depthwise((3, 3)) if rng.random() < 0.3 else None
        builder.conv(
            before.shape[0], (kernel, 3), dilation=(dilation, 1), padding=(around // 2, 1, around - around // 2, 1)
        )
        builder.add(before)
    return builder.finish(CLASSES)


def frames_of(rng: Generator, network: Network, count: int) -> np.ndarray:
    """int64 [count, bands]: a stream."""
    source = network.tensors[network.input]
    return rng.integers(source.minimum, source.maximum + 1, (count, source.shape[2]))


def windows(network: Network, hop: int, stream: np.ndarray) -> np.ndarray:
    """[n, 1, frames, bands]: the whole windows of a stream, `hop` frames apart."""
    frames = network.tensors[network.input].shape[1]
    ends = range(frames, len(stream) + 1, hop)
    return np.array([stream[end - frames : end] for end in ends])[:, np.newaxis]


def runs(network: Network, chunked: Chunked, stream: np.ndarray) -> Iterator[tuple[int, np.ndarray, bool]]:
    """For every run of a chunk network on a stream: its turn, its input [1, frames, bands], and whether the stream has
    had a whole window by then.
    """
    frames = network.tensors[network.input].shape[1]
    padded = np.concatenate([np.zeros((frames, stream.shape[1]), np.int64), stream])
    for last in range((frames - 1) % chunked.hop, len(stream), chunked.hop):
        start = last + 1 + chunked.first_frame
        turn = (last - (frames - 1)) // chunked.hop % chunked.phases
        yield turn, padded[np.newaxis, start : start + chunked.frames], last >= frames - 1


def logits(network: Network, chunked: Chunked, stream: np.ndarray) -> np.ndarray:
    """int64 [n, classes]: what the interpreter says of the chunk network's whole windows."""
    states = [interpreter.fresh_state(chunked.network, 1) for _ in range(chunked.phases)]
    found = []
    for turn, x, is_whole in runs(network, chunked, stream):
        values, states[turn] = interpreter.advance(chunked.network, x[np.newaxis], states[turn])
        if is_whole:
            found.append(values[chunked.network.output][0])
    return np.array(found)
