"""Convolutions on lanes whose weights are a stream: what the kernels for 16-bit and wide lanes share."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from pqk_codegen.cycles import Cost, block
from pqk_codegen.ir import Array
from pqk_codegen.kernels.base import Form, Invocation, Kernel, Node, Site, Table
from pqk_codegen.kernels.geometry import compiled, conv2d_of
from pqk_codegen.kernels.lanes import (
    Channel,
    activation_bits,
    can_finish,
    channel_offsets,
    channels,
    convolved,
    finishing_cost,
    lanes_expression,
    lanes_of,
    same_size,
    taps_of,
)
from pqk_codegen.layout import Lanes, Layout
from pqk_codegen.ops import Convolution

PLACES = 2**16  # that an entry can tell apart
LAST = 0x10000
LOOP = 30  # instructions of the C loop round a tile


class LaneStream(Kernel):
    """Any stride, dilation and padding, depthwise or not; no pooling.

    A convolution that keeps its input's size reads the tensor's shared lanes. Any other gets lanes of its own, arranged
    so that its taps are constant distances, too.
    """

    cores: ClassVar[tuple[str, ...]]
    lane: ClassVar[int]
    """Bits between lanes."""
    tile: ClassVar[int]
    """Words computed at a time."""
    code: ClassVar[int]
    """Bytes of the function."""
    largest_weight: ClassVar[int]
    """That the stream can hold, in magnitude."""
    place: ClassVar[int] = 1
    """Bytes from one place that an entry can address to the next."""

    @property
    def source(self) -> str:
        """The C file."""
        return f"{self.name}.c"

    @abstractmethod
    def fits_channel(self, channel: Channel) -> bool:
        """Whether a channel's sums provably fit the lanes."""

    @abstractmethod
    def pack(self, found: Sequence[Channel], offsets: Array) -> Array:
        """The stream. `offsets` int64 [out, taps]: bytes from the input buffer's start to each tap of output (0, 0)."""

    @abstractmethod
    def cost(self, found: Sequence[Channel], output: Lanes, wait_states: int) -> Cost:
        """Estimate of one call."""

    def supports(self, node: Node) -> bool:
        op = node.op
        if not isinstance(op, Convolution) or node.core not in self.cores or op.pool != (1, 1):
            return False
        if activation_bits(node.output) is None:
            return False
        found = channels(op, node.inputs[0], node.output.maximum)
        return all(self.fits_channel(channel) and self._small_weights(channel) for channel in found)

    def reads(self, node: Node) -> tuple[Form, ...]:
        op = conv2d_of(node)
        if same_size(op, node.inputs[0], node.output):
            return (Form("lanes", self.lane, op.padding),)
        channels_, height, width = node.inputs[0].shape

        def layout(output: Layout) -> Layout:
            written, (top, left, _, _) = lanes_of(output), op.padding
            lines = written.rows + (op.kernel[0] - 1) * op.dilation[0] // op.stride[0]
            return Lanes(
                channels_, height, width, written.rows, self.lane, top, left, lines, written.row, stride=op.stride
            )

        return (Form("lanes", self.lane, owner=op.name, layout=layout),)

    def writes(self, node: Node) -> tuple[Form, ...]:
        op = conv2d_of(node)
        # So many columns of the next line a row's last window would reach into, but for those that are zero anyway.
        right = (op.kernel[1] - 1) * op.dilation[1] // op.stride[1]
        if op.stride == (1, 1):
            right = max(0, right - min(op.padding[1], op.padding[3]))
        if same_size(op, node.inputs[0], node.output):
            right = 0
        return (Form("lanes", self.lane, (0, 0, 0, right)),)

    def fits(self, site: Site) -> bool:
        source, output = convolved(site)
        near = source.size < PLACES * self.place
        return near and source.row == output.row and output.words >= self.tile and can_finish(output)

    def resolve(self, site: Site) -> Invocation:
        op = conv2d_of(site)
        source, output = convolved(site)
        found = channels(op, site.inputs[0], site.output.maximum)
        stream = self.pack(found, 4 * channel_offsets(op, source))
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}_u{activation_bits(site.output)}",
            sources=(self.source,),
            tables=(Table("stream", stream, "for each output channel its entries, start and requantisation"),),
            cost=self.cost(found, output, site.wait_states),
            code=self.code,
            structure="pqk_lane_stream_t",
            fields=(
                ("stream", "@stream"),
                ("stream_bytes", str(stream.nbytes)),
                ("output", lanes_expression(output)),
                ("words", str(output.words)),
            ),
        )

    def _small_weights(self, channel: Channel) -> bool:
        return int(np.abs(channel.weights).max(initial=0)) <= self.largest_weight


class EntryStream(LaneStream):
    """Entries of 4 bytes, each a weight and where its tap is."""

    largest_weight = 2**14 - 1
    channel_listing: ClassVar[str]
    """What is executed once a tile and channel, its first entry and the way back to the next channel included."""
    entry_listing: ClassVar[str]
    """What is executed for each further entry."""

    @abstractmethod
    def pack_channel(self, channel: Channel, entries: Sequence[int]) -> list[int]:
        """A channel's part of the stream."""

    def pack(self, found: Sequence[Channel], offsets: Array) -> Array:
        words: list[int] = []
        for channel, places in zip(found, offsets, strict=True):
            taps = some_taps_of(channel, places // self.place)
            entries = [(weight << 17) % 2**32 | place for weight, place in taps]
            entries[-1] |= LAST
            words += self.pack_channel(channel, entries)
        return np.array(words, np.uint32)

    def cost(self, found: Sequence[Channel], output: Lanes, wait_states: int) -> Cost:
        further = sum(max(1, int(np.count_nonzero(channel.weights))) - 1 for channel in found)
        channel = block(self.channel_listing, wait_states=wait_states)
        entry = block(self.entry_listing, wait_states=wait_states)
        tile = channel * len(found) + entry * further + compiled(LOOP)
        return tile * -(-output.words // self.tile) + finishing_cost(output)


def some_taps_of(channel: Channel, places: Array) -> list[tuple[int, int]]:
    """`taps_of`, or one that is zero if there is none: a stream has no channel without entries."""
    return taps_of(channel, places) or [(0, int(places.min()))]
