"""Depthwise 3x3 convolution on lanes of 16 bits, dense: codegen/kernels/depthwise_lanes.c."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from pqk_codegen.cycles import Cost, block
from pqk_codegen.ir import Array
from pqk_codegen.kernels.base import DSP_CORES, Form, Invocation, Kernel, Node, Site, Table
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
    requantization,
    same_size,
)
from pqk_codegen.lane_limits import LANE
from pqk_codegen.layout import Lanes
from pqk_codegen.ops import DepthwiseConv2d

TILE = 5
CALL = 20  # instructions of the C loop round a tile
LINE = 20  # and of the one round a line

ROW = """
    ldmia r0!, {r2, r3, r4, r5}
    add r2, r1
    ldmia r2!, {r11, r12, lr}
    ldmia r2, {r11, r12, lr}
"""
REST = """
    ldmia r0!, {r2, r3}
    .rept 5
    smlawb r4, r2, r6, r3
    smlawt r6, r2, r6, r3
    pkhtb r6, r6, r4, asr #16
    usat16 r6, #7, r6
    .endr
    ldmia sp, {r2, r3, r12}
    stmia r2, {r6-r10}
    add r2, r3
    str r2, [sp]
    cmp r0, r12
    bne 1b @ taken
"""
MULTIPLY = "mla r6, r11, r3, r6"


class DepthwiseLanes(Kernel):
    """Stride 1, any dilation of rows, at least five columns; two multiply-accumulates an instruction.

    A word is loaded once for three products, and nothing decides which weights there are: it pays where most of them
    are not zero. Columns beside the tensor are no part of what it reads.
    """

    name = "depthwise_lanes"
    aligned = False
    code: ClassVar[int] = 420
    """Bytes of a tile's function."""

    def supports(self, node: Node) -> bool:
        op = node.op
        if not isinstance(op, DepthwiseConv2d) or node.core not in DSP_CORES or activation_bits(node.output) is None:
            return False
        if op.kernel != (3, 3) or op.dilation[1] != 1 or not same_size(op, node.inputs[0], node.output):
            return False
        _, left, _, right = op.padding
        if left != 1 or right != 1 or node.output.shape[2] < TILE:
            return False
        return all(map(requantization, channels(op, node.inputs[0], node.output.maximum)))

    def reads(self, node: Node) -> tuple[Form, ...]:
        top, _, bottom, _ = conv2d_of(node).padding
        return (Form("lanes", LANE, (top, 0, bottom, 0)),)

    def writes(self, node: Node) -> tuple[Form, ...]:
        del node
        return (Form("lanes", LANE),)

    def fits(self, site: Site) -> bool:
        return can_finish(lanes_of(site.layouts[site.output.name]))

    def resolve(self, site: Site) -> Invocation:
        op = conv2d_of(site)
        source, output = convolved(site)
        offsets = 4 * channel_offsets(op, source).reshape(-1, 3, 3)[:, :, 1]
        stream = _pack(channels(op, site.inputs[0], site.output.maximum), offsets)
        five = "_five" if output.width == TILE else ""
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}{five}_u{activation_bits(site.output)}",
            sources=(f"{self.name}.c",),
            tables=(Table("stream", stream, "for each channel three rows of weights, and its requantisation"),),
            cost=_cost(output),
            code=self.code * (1 if five else 3),
            structure="pqk_depthwise_lanes_t",
            fields=(
                ("stream", "@stream"),
                ("stream_words", str(stream.size)),
                ("output", lanes_expression(output)),
                ("input_row", str(source.row)),
            ),
        )


def _pack(found: Sequence[Channel], offsets: Array) -> Array:
    words: list[int] = []
    for channel, rows in zip(found, offsets, strict=True):
        lane = requantization(channel)
        assert lane is not None  # `supports` asked
        weights = channel.weights.reshape(3, 3).tolist()
        first, second, third = ([int(row), *line] for row, line in zip(rows, weights, strict=True))
        words += [*first, lane.start * 0x10001, *second, *third, channel.multiplier, lane.rounding]
    return (np.array(words, np.int64) % 2**32).astype(np.uint32)


def _cost(output: Lanes) -> Cost:
    """Tiles at a line's end have a column less to multiply."""
    tiles = -(-output.width // TILE)
    products = 3 * (3 * TILE * tiles - 2)
    channel = (block(ROW) * 3 + block(REST)) * tiles + block(MULTIPLY) * products
    return (channel * output.planes + compiled(CALL * tiles + LINE)) * output.rows + finishing_cost(output)
