"""Convolution + ReLU + average pool on lanes as straight-line code; the loops: codegen/kernels/conv2d_straight.c.

Positions are never stored: six of them a lane (or three pairs of halves) live in registers until they are in the
window's sum. The two lanes of a word are positions of two output rows half a tensor apart.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pqk_codegen.kernels.base import BURST_CORES, DSP_CORES, Form, Invocation, Kernel, Node, Site
from pqk_codegen.kernels.geometry import conv2d_of
from pqk_codegen.kernels.lanes import (
    WIDE,
    Channel,
    activation_bits,
    can_finish,
    channel_offsets,
    channels,
    convolved,
    lanes_of,
    taps_of,
)
from pqk_codegen.kernels.straight import (
    ROUND,
    Add,
    Constant,
    Instruction,
    Load,
    Loops,
    MultiplyAdd,
    MultiplyHalf,
    NextPlane,
    Rectify,
    RectifyWord,
    Repeat,
    Requantize,
    RequantizePair,
    Store,
    invocation,
    printed,
)
from pqk_codegen.lane_limits import LANE
from pqk_codegen.layout import Lanes, Layout
from pqk_codegen.ops import Conv2d, Convolution

SUMS = ("r4", "r5", "r6", "r7", "r8", "r9")
POOLED = ("r10", "r11", "r12")
WIDEST_POOL = len(SUMS)  # a wider window's positions do not fit the registers
LARGEST_TERM = 2**31 - 1


class Conv2dPoolStraight(Kernel):
    """Stride 1, windows two to six columns wide."""

    name = "conv2d_pool_straight"
    cores: ClassVar[tuple[str, ...]] = BURST_CORES
    looped: ClassVar[bool] = False
    """Whether the code of a window's row is there once, in a loop, rather than once for every row."""

    def supports(self, node: Node) -> bool:
        op = node.op
        if not isinstance(op, Conv2d) or node.core not in self.cores or activation_bits(node.output) is None:
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
        source, output = convolved(site)
        code = list(_tile(site, op, source, output, self.looped))
        return invocation(self.name, site, printed(site, code), pooling(op, source, output, _windows(op)))


def pooling(op: Convolution, source: Lanes, output: Lanes, windows: int) -> Loops:
    """The loops round a tile of so many pooling windows side by side."""
    return Loops(
        lines=output.rows,
        columns=output.width,
        tile_columns=windows,
        input_line=op.pool[0] * source.row,
        input_column=op.pool[1],
    )


def parts(width: int, most: int) -> list[int]:
    """A window's columns in as few parts of at most `most` as possible, none more than one wider than another."""
    count = -(-width // most)
    return [width // count + (part < width % count) for part in range(count)]


def _windows(op: Convolution) -> int:
    """Pooling windows side by side in a tile."""
    return len(SUMS) // op.pool[1]


class Conv2dPoolLooped(Conv2dPoolStraight):
    """The same with a loop over the rows of a window: a fraction of the code, and slower."""

    name = "conv2d_pool_looped"
    cores = DSP_CORES
    looped = True


def _tile(site: Site, op: Convolution, source: Lanes, output: Lanes, looped: bool) -> Iterator[Instruction]:
    offsets = 4 * channel_offsets(op, source)
    bits = activation_bits(site.output)
    assert bits is not None
    printer = _Channel(op.pool, 4 * source.row, bits, output.shift, looped)
    for channel, places in zip(channels(op, site.inputs[0], site.output.maximum), offsets, strict=True):
        taps = taps_of(channel, places)
        yield from printer.code(channel, taps)
        yield NextPlane(4 * output.plane)


class _Channel:
    """Code of one output channel in a tile."""

    def __init__(self, pool: tuple[int, int], row: int, bits: int, shift: int, looped: bool) -> None:
        self.pool, self.row, self.bits, self.shift, self.looped = pool, row, bits, shift, looped
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
        yield Constant("r2", channel.offset * 0x10001)
        if self.looped:
            yield from (Constant(name, 0) for name in self.pooled)
            yield Repeat(self.pool[0], self.row, tuple(self._line(channel, taps, fresh=True)))
        else:
            yield from self._line(channel, taps, fresh=True, first=True)
            for line in range(1, self.pool[0]):
                moved = [(weight, offset + line * self.row) for weight, offset in taps]
                # One tap's weight and the start are still in their registers.
                yield from self._line(channel, moved, fresh=len(taps) > 1)
        yield Constant("r2", channel.multiplier)
        yield Constant("r3", ROUND + (channel.multiplier // 2 if unsigned else 0))
        yield from (Requantize(name, "r2", "r3", "lr", self.bits, unsigned, self.shift) for name in self.pooled)
        yield Store(self.pooled)

    def _line(
        self, channel: Channel, taps: Sequence[tuple[int, int]], *, fresh: bool, first: bool = False
    ) -> Iterator[Instruction]:
        """A row of the windows: all taps, ReLU, and into the windows' sums, which the `first` row begins."""
        for index, (weight, offset) in enumerate(taps):
            if fresh:
                yield Constant("r3", weight)
            if index:
                yield from self._more(offset)
                continue
            if fresh:
                yield Constant("lr", channel.start * 0x10001)
            yield Load(self.sums, offset)
            yield from (MultiplyAdd(name, name, "r3", "lr") for name in self.sums)
        yield from (Rectify(name, "r2") for name in self.sums)
        yield from _pool(self.pooled, self.sums, self.pool[1], first=first)

    def _more(self, offset: int) -> Iterator[Instruction]:
        """Another tap of all sums: two words a load where a register is left for it."""
        free = ("r12", "lr") if len(self.pooled) < len(POOLED) else ("lr",)
        for first in range(0, len(self.sums), len(free)):
            names = self.sums[first : first + len(free)]
            words = free[: len(names)]
            yield Load(words, offset + 4 * first)
            for name, word in zip(names, words, strict=True):
                yield MultiplyAdd(name, word, "r3", name)

    def _halves(self, channel: Channel, taps: Sequence[tuple[int, int]]) -> Iterator[Instruction]:
        """One 32-bit sum a position: r2, r3 words, r12 start, lr weight, r10 and r11 the window's two sums."""
        yield Constant("r12", channel.bias)
        for index in range(self.windows):
            shifted = [(weight, offset + 4 * index * self.pool[1]) for weight, offset in taps]
            if self.looped:
                yield from (Constant(name, 0) for name in POOLED[:2])
                yield Repeat(self.pool[0], self.row, tuple(self._half_line(shifted, fresh=True)))
            else:
                yield from self._half_line(shifted, fresh=True, first=True)
                for line in range(1, self.pool[0]):
                    moved = [(weight, offset + line * self.row) for weight, offset in shifted]
                    yield from self._half_line(moved, fresh=len(taps) > 1)
            yield Constant("r2", channel.multiplier)
            yield RequantizePair("r10", "r11", "r2", self.bits, self.shift)
            yield Store(("r10",), 4 * index)

    def _half_line(self, taps: Sequence[tuple[int, int]], *, fresh: bool, first: bool = False) -> Iterator[Instruction]:
        """A row of one window, as many columns at a time as there are registers for their halves; see `_line`."""
        start = 0
        for width in parts(self.pool[1], len(SUMS) // 2):
            for number, (weight, offset) in enumerate(taps):
                if (fresh and not start) or len(taps) > 1:
                    yield Constant("lr", weight)
                yield from self._half_tap(offset + 4 * start, width, first=number == 0)
            halves = SUMS[: 2 * width]
            yield from (RectifyWord(name) for name in halves)
            yield from _pool(POOLED[:2], (*halves[::2], *halves[1::2]), width, first=first and not start)
            start += width

    def _half_tap(self, offset: int, width: int, *, first: bool) -> Iterator[Instruction]:
        for start in range(0, width, 2):
            words = ("r2", "r3")[: min(2, width - start)]
            yield Load(words, offset + 4 * start)
            for position, word in enumerate(words, start):
                for upper in (False, True):
                    name = SUMS[2 * position + upper]
                    yield MultiplyHalf(name, word, "lr", "r12" if first else name, upper)


def _pool(targets: Sequence[str], sums: Sequence[str], width: int, *, first: bool) -> Iterator[Instruction]:
    """Add `width` neighbouring sums to each target, or begin it with them."""
    for index, target in enumerate(targets):
        names = list(sums[index * width : (index + 1) * width])
        if first:
            yield Add(target, names.pop(0), names.pop(0))
        yield from (Add(target, target, name) for name in names)
