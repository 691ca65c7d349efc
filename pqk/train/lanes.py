"""Weight bits as a budget: what a network's layers read, and how large their integers may then become."""

from dataclasses import dataclass

import torch
from pqk_codegen.ir import DTYPE_RANGES
from pqk_codegen.lane_limits import lane_limits
from torch import Tensor

from pqk.train.integer import InputFormat, affine, to_numpy
from pqk.train.networks.layers import Block, Classifier, Convolution, Network


@dataclass(frozen=True)
class Source:
    """Integers that a layer reads: real value = integer * scale."""

    scale: float
    range: tuple[int, int]
    """Smallest and largest."""

    @classmethod
    def of_input(cls, source: InputFormat) -> "Source":
        """The network's own input."""
        return cls(source.scale, DTYPE_RANGES[source.dtype])


def channel_limits(
    layer: Convolution, weight: Tensor, source: Source, output_step: float, *, bits: int, usual: int
) -> Tensor:
    """float32 [out, 1, 1, 1]: the largest integer of each output channel; see `pqk_codegen.lane_limits`.

    `weight`: the real weights [out, ...], 0 where pruned. Normalisation counts with its running statistics.
    """
    limits = lane_limits(
        to_numpy(weight),
        *affine(layer),
        input_scale=source.scale,
        input_range=source.range,
        output_scale=output_step,
        pool=layer.pool,
        bits=bits,
        usual=usual,
    )
    return torch.from_numpy(limits).float().reshape(-1, 1, 1, 1)


def input_streams(network: Network) -> dict[str, str | None]:
    """For each layer of `network`, by name, the stream it reads; None for the network's input.

    To a block's convolutions that is what the block reads.
    """
    tracer = _Tracer()
    network.interpret(tracer, None)
    return tracer.streams


class _Tracer:
    """`Arithmetic` whose activations are the names of their streams."""

    def __init__(self) -> None:
        self.streams: dict[str, str | None] = {}

    def convolution(self, layer: Convolution, x: str | None) -> str | None:
        self.streams[layer.name] = x
        return layer.stream

    def block(self, layer: Block, x: str | None) -> str | None:
        for convolution in layer.convolutions():
            self.streams[convolution.name] = x
        return layer.stream

    def add(self, stream: str, a: str | None, b: str | None) -> str | None:
        del a, b
        return stream

    def mean(self, x: str | None) -> str | None:
        return x

    def classify(self, layer: Classifier, x: str | None) -> str | None:
        self.streams[layer.name] = x
        return x
