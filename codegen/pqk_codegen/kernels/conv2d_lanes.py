"""Convolution on lanes of 16 bits by multiply-accumulates of whole words: codegen/kernels/conv2d_lanes.c."""

import numpy as np

from pqk_codegen.cycles import Cost, block
from pqk_codegen.ir import Array
from pqk_codegen.kernels.base import DSP_CORES, Form, Invocation, Kernel, Node, Site, Table
from pqk_codegen.kernels.geometry import compiled, conv2d_of
from pqk_codegen.kernels.lanes import (
    LANE,
    Channel,
    activation_bits,
    channels,
    lanes_expression,
    lanes_form,
    lanes_of,
    same_size,
    tap_offsets,
)
from pqk_codegen.layout import Lanes
from pqk_codegen.ops import Conv2d

TILE = 7
WEIGHT_BITS = 15  # of an entry
REACH = 2**16  # bytes that an entry can address

ENTRY = """
    uxtah r3, r1, r2
    asrs r2, r2, #17
    ldmia r3!, {r11, r12, lr}
    .rept 3
    mla r4, r11, r2, r4
    .endr
    ldmia r3, {r3, r11, r12, lr}
    .rept 4
    mla r7, r3, r2, r7
    .endr
"""
FIRST_ENTRY = f"""
    ldmia r0!, {{r2, r10}}
    {ENTRY}
    bcs 3f
"""
NEXT_ENTRY = f"""
    ldr r2, [r0], #4
    {ENTRY}
    bcc 2b @ taken
"""
END_OF_CHANNEL = """
    ldmia r0!, {r2, r3}
    mov r11, #0x8000
    .rept 7
    uqsub16 r4, r4, r2
    smlawb r12, r3, r4, r11
    smlawt r4, r3, r4, r11
    pkhtb r4, r4, r12, asr #16
    usat16 r4, #7, r4
    .endr
    ldmia sp, {r3, r11, r12}
    stmia r3, {r4-r10}
    add r3, r11
    str r3, [sp]
    cmp r0, r12
    bne 1b @ taken
"""
PER_TILE = 30  # instructions of the C loop round a tile


class Conv2dLanes(Kernel):
    """Sparse weights as entries of 4 bytes; two multiply-accumulates an instruction. Stride 1, size kept."""

    name = "conv2d_lanes"

    def supports(self, node: Node) -> bool:
        op = node.op
        if not isinstance(op, Conv2d) or node.core not in DSP_CORES or activation_bits(node.output) is None:
            return False
        if not same_size(op, node.inputs[0], node.output):
            return False
        return all(fits(channel) for channel in channels(op, node.inputs[0], node.output.maximum))

    def reads(self, node: Node) -> tuple[Form, ...]:
        return (lanes_form(conv2d_of(node), LANE),)

    def writes(self, node: Node) -> tuple[Form, ...]:
        return (lanes_form(conv2d_of(node), LANE),)

    def fits(self, site: Site) -> bool:
        source, output = (lanes_of(site.layouts[tensor.name]) for tensor in (site.inputs[0], site.output))
        return source.size < REACH and source.row == output.row and output.words >= TILE and can_finish(output)

    def resolve(self, site: Site) -> Invocation:
        op = conv2d_of(site)
        source, output = (lanes_of(site.layouts[tensor.name]) for tensor in (site.inputs[0], site.output))
        found = channels(op, site.inputs[0], site.output.maximum)
        stream = pack(found, 4 * tap_offsets(op, source, site.inputs[0].shape[0]))
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}_u{activation_bits(site.output)}",
            sources=("conv2d_lanes.c",),
            tables=(Table("stream", stream, "per channel: entry, start, more entries, offset, multiplier"),),
            cost=self._cost(len(found), entries(found), output),
            code=650,
            structure="pqk_conv2d_lanes_t",
            fields=(
                ("stream", "@stream"),
                ("stream_words", str(stream.size)),
                ("output", lanes_expression(output)),
                ("words", str(output.words)),
            ),
        )

    def _cost(self, count: int, total: int, output: Lanes) -> Cost:
        tiles = -(-output.words // TILE)
        channel = block(FIRST_ENTRY) + block(END_OF_CHANNEL)
        tile = channel * count + block(NEXT_ENTRY) * (total - count) + compiled(PER_TILE)
        return tile * tiles + finishing_cost(output)


def fits(channel: Channel) -> bool:
    """Whether a channel's sums fit a lane, and its weights an entry."""
    return channel.fits_lane and int(np.abs(channel.weights).max(initial=0)) < 2 ** (WEIGHT_BITS - 1)


def entries(found: list[Channel]) -> int:
    """Entries in a stream of these channels: at least one each."""
    return sum(max(1, int(np.count_nonzero(channel.weights))) for channel in found)


def pack(found: list[Channel], offsets: Array) -> Array:
    """The stream uint32 [...] of channels whose taps lie at `offsets` (bytes); see pqk_kernels.h."""
    words: list[int] = []
    for channel in found:
        taps = np.flatnonzero(channel.weights)
        pairs = [(int(channel.weights[tap]), int(offsets[tap])) for tap in taps] or [(0, int(offsets.min()))]
        coded = [(weight << 17) % 2**32 | offset for weight, offset in pairs]
        coded[-1] |= 0x10000
        words += [coded[0], channel.start * 0x10001, *coded[1:], channel.offset * 0x10001, channel.multiplier]
    return np.array(words, np.uint32)


def can_finish(lanes: Lanes) -> bool:
    """Whether every halo word repeats a word of the first half; not so for a halo higher than half the tensor."""
    half = lanes.rows * lanes.row
    return lanes.origin <= half and lanes.plane - lanes.origin - half <= half


def finishing_cost(lanes: Lanes) -> Cost:
    """Estimate of pqk_lanes_finish."""
    halo = lanes.plane - lanes.rows * lanes.row
    missing = (2 * lanes.rows - lanes.height) * lanes.row
    columns = lanes.rows * (lanes.row - lanes.width)
    return compiled(lanes.planes * (4 * halo + 4 * missing + 3 * columns + 4 * lanes.rows + 30))
