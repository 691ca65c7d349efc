"""Convolution + ReLU + average pool on lanes as straight-line code; the loops: codegen/kernels/conv2d_straight.c.

Positions are never stored: six of them a lane (or three pairs of halves) live in registers until they are in the
window's sum. The two lanes of a word are positions of two output rows half a tensor apart.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from pqk_codegen.kernels.base import DSP_CORES, Form, Invocation, Kernel, Node, Site
from pqk_codegen.kernels.geometry import compiled, conv2d_of
from pqk_codegen.kernels.lanes import (
    LANE,
    WIDE,
    Channel,
    activation_bits,
    can_finish,
    channel_offsets,
    channels,
    finishing_cost,
    lanes_expression,
    lanes_of,
)
from pqk_codegen.kernels.straight import (
    ROUND,
    Add,
    Constant,
    Instruction,
    Load,
    MultiplyAdd,
    MultiplyHalf,
    NextPlane,
    Rectify,
    RectifyWord,
    Requantize,
    RequantizePair,
    Store,
    cost,
    function,
    size,
)
from pqk_codegen.layout import Lanes, Layout
from pqk_codegen.ops import Conv2d, Convolution

SUMS = ("r4", "r5", "r6", "r7", "r8", "r9")
POOLED = ("r10", "r11", "r12")
WIDEST_POOL = 3  # more windows than that side by side do not fit the registers
LARGEST_TERM = 2**31 - 1


class Conv2dPoolStraight(Kernel):
    """Stride 1, windows up to three columns wide."""

    name = "conv2d_pool_straight"

    def supports(self, node: Node) -> bool:
        op = node.op
        if not isinstance(op, Conv2d) or node.core not in DSP_CORES or activation_bits(node.output) is None:
            return False
        if op.stride != (1, 1) or not 2 <= op.pool[1] <= WIDEST_POOL or node.output.shape[2] < _windows(op):
            return False
        if node.inputs[0].dtype != "uint8":  # the upper one of signed lanes is not a halfword: the lower one borrows
            return False
        window = op.pool[0] * op.pool[1]
        found = channels(op, node.inputs[0], node.output.maximum)
        return all(max(channel.high, -channel.low) * window <= LARGEST_TERM for channel in found)

    def reads(self, node: Node) -> tuple[Form, ...]:
        op = conv2d_of(node)
        source = node.inputs[0].shape

        def layout(output: Layout) -> Layout:
            top, left, _, _ = op.padding
            rows = op.pool[0] * lanes_of(output).rows
            lines = rows + (op.kernel[0] - 1) * op.dilation[0]
            row = node.output.shape[2] * op.pool[1] + (op.kernel[1] - 1) * op.dilation[1]
            return Lanes(source[0], source[1], source[2], rows, LANE, top, left, lines, row)

        return (Form("lanes", LANE, owner=op.name, layout=layout),)

    def writes(self, node: Node) -> tuple[Form, ...]:
        del node
        return (Form("lanes", LANE), Form("lanes", WIDE))

    def fits(self, site: Site) -> bool:
        return can_finish(lanes_of(site.layouts[site.output.name]))

    def resolve(self, site: Site) -> Invocation:
        op = conv2d_of(site)
        source, output = (lanes_of(site.layouts[tensor.name]) for tensor in (site.inputs[0], site.output))
        code = list(_tile(site, op, source, output))
        windows = _windows(op)
        tiles = output.rows * -(-output.width // windows)
        name = f"pqk_{op.name}_tile"
        return Invocation(
            kernel=self.name,
            function="pqk_conv2d_straight",
            sources=("conv2d_straight.c",),
            tables=(),
            cost=(cost(code, site.wait_states) + compiled(14)) * tiles + finishing_cost(output),
            code=250,
            structure="pqk_conv2d_straight_t",
            fields=(
                ("tile", name),
                ("output", lanes_expression(output)),
                ("lines", str(output.rows)),
                ("columns", str(output.width)),
                ("tile_columns", str(windows)),
                ("input_line", str(op.pool[0] * source.row)),
                ("input_column", str(op.pool[1])),
            ),
            assembly=function(name, code),
            assembly_symbol=name,
            assembly_bytes=size(code),
        )


def _windows(op: Convolution) -> int:
    """Pooling windows side by side in a tile."""
    return len(SUMS) // op.pool[1]


def _tile(site: Site, op: Convolution, source: Lanes, output: Lanes) -> Iterator[Instruction]:
    offsets = 4 * channel_offsets(op, source)
    bits = activation_bits(site.output)
    assert bits is not None
    printer = _Channel(op.pool, 4 * source.row, bits, output.shift)
    for channel, places in zip(channels(op, site.inputs[0], site.output.maximum), offsets, strict=True):
        taps = [(int(channel.weights[tap]), int(places[tap])) for tap in np.flatnonzero(channel.weights)]
        yield from printer.code(channel, taps)
        yield NextPlane(4 * output.plane)


class _Channel:
    """Code of one output channel in a tile."""

    def __init__(self, pool: tuple[int, int], row: int, bits: int, shift: int) -> None:
        self.pool, self.row, self.bits, self.shift = pool, row, bits, shift
        self.windows = len(SUMS) // pool[1]
        self.sums = SUMS[: self.windows * pool[1]]
        self.pooled = POOLED[: self.windows]

    def code(self, channel: Channel, taps: Sequence[tuple[int, int]]) -> Iterator[Instruction]:
        window = self.pool[0] * self.pool[1]
        largest = max(channel.high, 0) * window
        if not taps:
            yield from self._constant(max(channel.bias, 0) * window, channel.multiplier)
        elif channel.high + channel.offset < 2**LANE and (
            largest < 2**15 or (largest < 2**16 and channel.multiplier % 2 == 0)
        ):
            yield from self._lanes(channel, taps, unsigned=largest >= 2**15)
        else:
            yield from self._halves(channel, taps)

    def _constant(self, total: int, multiplier: int) -> Iterator[Instruction]:
        value = min((total * multiplier + 2**31) >> 32, 2**self.bits - 1)
        for name in self.pooled:
            yield Constant(name, value | value << self.shift)
        yield Store(self.pooled)

    def _lanes(self, channel: Channel, taps: Sequence[tuple[int, int]], *, unsigned: bool) -> Iterator[Instruction]:
        """Whole words: r2 offset, r3 weight, lr start and then a word."""
        single = len(taps) == 1
        yield Constant("r2", channel.offset * 0x10001)
        for line in range(self.pool[0]):
            for index, (weight, offset) in enumerate(taps):
                if index or line == 0 or not single:
                    yield Constant("r3", weight)
                if index == 0:
                    if line == 0 or not single:
                        yield Constant("lr", channel.start * 0x10001)
                    yield Load(self.sums, offset + line * self.row)
                    yield from (MultiplyAdd(name, name, "r3", "lr") for name in self.sums)
                else:
                    yield from self._more(offset + line * self.row)
            yield from (Rectify(name, "r2") for name in self.sums)
            yield from self._pool(line)
        yield Constant("r2", channel.multiplier)
        yield Constant("r3", ROUND + (channel.multiplier // 2 if unsigned else 0))
        yield from (Requantize(name, "r2", "r3", "lr", self.bits, unsigned, self.shift) for name in self.pooled)
        yield Store(self.pooled)

    def _more(self, offset: int) -> Iterator[Instruction]:
        """Another tap of all sums: two words a load where a register is left for it."""
        words = ("r12", "lr") if len(self.pooled) < len(POOLED) else ("lr",)
        for first in range(0, len(self.sums), len(words)):
            yield Load(words, offset + 4 * first)
            for name, word in zip(self.sums[first : first + len(words)], words, strict=True):
                yield MultiplyAdd(name, word, "r3", name)

    def _pool(self, line: int) -> Iterator[Instruction]:
        width = self.pool[1]
        for index, target in enumerate(self.pooled):
            names = self.sums[index * width : (index + 1) * width]
            if line:
                yield from (Add(target, target, name) for name in names)
            else:
                yield Add(target, names[0], names[1])
                yield from (Add(target, target, name) for name in names[2:])

    def _halves(self, channel: Channel, taps: Sequence[tuple[int, int]]) -> Iterator[Instruction]:
        """One 32-bit sum a position: r2, r3 words, r12 start, lr weight, r10 and r11 the window's two sums."""
        width = self.pool[1]
        yield Constant("r12", channel.bias)
        for index in range(self.windows):
            for line in range(self.pool[0]):
                for number, (weight, offset) in enumerate(taps):
                    if number or (index, line) == (0, 0) or len(taps) > 1:
                        yield Constant("lr", weight)
                    yield from self._half_tap(offset + line * self.row + 4 * index * width, first=number == 0)
                yield from (RectifyWord(name) for name in SUMS[: 2 * width])
                yield from self._pool_halves(line)
            # lr holds the weight that the next window begins with.
            yield Constant("r2", channel.multiplier)
            yield RequantizePair("r10", "r11", "r2", self.bits, self.shift)
            yield Store(("r10",), 4 * index)

    def _half_tap(self, offset: int, *, first: bool) -> Iterator[Instruction]:
        width = self.pool[1]
        for start in range(0, width, 2):
            words = ("r2", "r3")[: min(2, width - start)]
            yield Load(words, offset + 4 * start)
            for position, word in enumerate(words, start):
                for upper in (False, True):
                    name = SUMS[2 * position + upper]
                    yield MultiplyHalf(name, word, "lr", "r12" if first else name, upper)

    def _pool_halves(self, line: int) -> Iterator[Instruction]:
        for half, target in enumerate(("r10", "r11")):
            names = SUMS[half : 2 * self.pool[1] : 2]
            if line:
                yield from (Add(target, target, name) for name in names)
            else:
                yield Add(target, names[0], names[1])
                yield from (Add(target, target, name) for name in names[2:])
