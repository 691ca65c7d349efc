"""Convolution over packed nonzero weights on cores with MVE: codegen/kernels/conv2d_mve16.c and conv2d_mve32.c."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pqk_codegen.ir import Array
from pqk_codegen.kernels.base import PLANES, Form, Invocation, Kernel, Node, Site, Table
from pqk_codegen.kernels.geometry import MVE_CORES, compiled, conv2d_of, planes_expression, planes_of, suffix
from pqk_codegen.kernels.lanes import Channel, channels
from pqk_codegen.ops import Conv2d, Convolution

HEADERS = ("pqk_conv2d_mve.h", "pqk_mve_accumulate.h", "pqk_mve_lanes.h")
LARGE_TILE = 6  # vectors; TILE in the C files
LARGEST_SUMS = 256  # PQK_MVE_SUMS


@dataclass(frozen=True, eq=False)
class _Fit:
    """A convolution that the kernel can run."""

    op: Convolution
    channels: list[Channel]
    weights: Array
    """int64 [out, in, ky, kx], as the channels have them."""
    offsets: Array
    """int64 [in, ky, kx]: bytes from a window's first tap to each."""
    variant: str
    """What the function's name says about pooling."""
    group: int
    """Rows of a pool window whose rectified sums fit a lane."""


class Conv2dMve(Kernel):
    """Every nonzero weight times a tile of neighbouring positions; 4 bytes an entry.

    Without pooling a tile runs on from row to row, over the padding between them. Stride 1.
    """

    lanes: ClassVar[int]
    """Positions in a vector of 128 bits."""
    # Instructions.
    per_entry: ClassVar[float]
    """Of a large tile: address, 6 loads, 6 multiplications, half of a load and a branch."""
    per_turn: ClassVar[int]
    """Of a smaller tile, beside its loads and multiplications."""
    per_large_tile: ClassVar[int]
    """Start, loop, requantisation and stores of 6 vectors."""
    per_small_tile: ClassVar[int] = 42
    per_call: ClassVar[int] = 150
    per_channel: ClassVar[int] = 117
    per_filled_row: ClassVar[int] = 9
    per_moved_row: ClassVar[int] = 20
    """Where rows of input and output are differently far apart."""

    def supports(self, node: Node) -> bool:
        if node.core not in MVE_CORES or not isinstance(node.op, Conv2d) or node.op.stride != (1, 1):
            return False
        return self._constants(node) is not None

    def reads(self, node: Node) -> tuple[Form, ...]:
        return (Form("planes", halo=conv2d_of(node).padding),)

    def writes(self, node: Node) -> tuple[Form, ...]:
        del node
        return (PLANES,)

    def fits(self, site: Site) -> bool:
        return self._fit(site) is not None

    def resolve(self, site: Site) -> Invocation:
        fit = self._fit(site)
        if fit is None:
            raise ValueError(f"{self.name} does not support {site.op.name!r}")
        op = fit.op
        source = planes_of(site.layouts[site.inputs[0].name])
        entries, counts = _entries(fit.weights, fit.offsets)
        window = op.pool[0] * op.pool[1]
        starts = [_start(channel, window, site.output.maximum) for channel in fit.channels]
        tables = (
            Table("entries", entries, "offset of the tap << 16 | weight & 0xFFFF, nonzero weights only"),
            Table("counts", counts, "number of entries of each output channel"),
            Table("start", _words(starts).astype(np.int32), "accumulator before the first entry"),
            Table("floor", _words([c.offset for c in fit.channels]), "accumulator that stands for 0"),
            Table("multiplier", _words([c.multiplier for c in fit.channels]).astype(np.int32), "factor times 2^32"),
        )
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}{fit.variant}_{suffix(site)}",
            sources=(f"{self.name}.c", *HEADERS),
            tables=tables,
            cost=compiled(self._instructions(site, fit)),
            code=1500,
            structure="pqk_conv2d_mve_t",
            fields=(
                *((table.role, f"@{table.role}") for table in tables),
                ("output", planes_expression(planes_of(site.layouts[site.output.name]))),
                ("origin", str(op.padding[0] * source.row + op.padding[1])),
                ("row", str(source.row)),
                ("pool_height", str(op.pool[0])),
                ("pool_width", str(op.pool[1])),
                ("group", str(fit.group)),
                ("maximum", str(site.output.maximum)),
            ),
        )

    def _instructions(self, site: Site, fit: _Fit) -> int:
        """Estimated instructions of an inference, from the compiled code (GCC 12, -O2); within a tenth of measured."""
        counts = np.count_nonzero(fit.weights, axis=(1, 2, 3))
        busy, entries = int(np.count_nonzero(counts)), int(counts.sum())
        filled = self.per_call + (len(counts) - busy) * site.output.shape[1] * self.per_filled_row
        if fit.variant:
            return filled + self._pooled_instructions(fit, site.output.shape, busy, entries)
        source, output = (planes_of(site.layouts[tensor.name]) for tensor in (site.inputs[0], site.output))
        length = (output.height - 1) * source.row + output.width
        large, small = self._tiles(length, LARGE_TILE)
        tiles = large * self.per_large_tile + small * self.per_small_tile
        between = 3 * (output.row - output.width) if output.row == source.row else self.per_moved_row
        if output.row != source.row:
            tiles += (large + small) * self.per_moved_row
        each = self.per_channel + tiles + (output.height - 1) * between
        return filled + busy * each + entries * round(large * self.per_entry + small * (self.per_turn + 4))

    def _pooled_instructions(self, fit: _Fit, shape: tuple[int, ...], busy: int, entries: int) -> int:
        _, height, width = shape
        large, small = self._tiles(width * fit.op.pool[1], 3)
        rows, groups = fit.op.pool[0], -(-fit.op.pool[0] // fit.group)
        if fit.variant == "_pool":
            beside = 40 * (large + small) + 40 * -(-width // self.lanes)
        else:
            beside = 50 * groups * (large + small) + (32 + 16 * groups) * -(-width // 4)
        entry = large * (self.per_turn + 6) + small * (self.per_turn + 4)
        each = rows * (large * 17 + small * 13) + beside + 16
        return height * (busy * each + entries * rows * entry)

    def _tiles(self, length: int, vectors: int) -> tuple[int, int]:
        """Tiles of `vectors` vectors and of two that cover `length` positions; as in pqk_conv2d_mve.h."""
        size, small = vectors * self.lanes, 2 * self.lanes
        spared = (vectors - 2) * self.lanes if vectors == LARGE_TILE else small
        large = -(-(length - spared) // size) if length >= size and length > spared else 0
        return large, max(0, -(-(length - large * size) // small))

    def _constants(self, node: Node) -> list[Channel] | None:
        """The channels, if all sums fit their lanes and words."""
        op = conv2d_of(node)
        found = channels(op, node.inputs[0], node.output.maximum)
        window, lane = op.pool[0] * op.pool[1], 128 // self.lanes
        fit = all(c.high + c.offset < 2**lane and max(c.high, 0) * window < 2**31 for c in found)
        small = all(int(np.abs(c.weights).max(initial=0)) < 2**15 for c in found)
        return found if fit and small else None

    def _fit(self, site: Site) -> _Fit | None:
        op, source = conv2d_of(site), planes_of(site.layouts[site.inputs[0].name])
        constants = self._constants(site)
        if constants is None:
            return None
        weights = np.stack([channel.weights for channel in constants]).reshape(op.weights.shape)
        channel, ky, kx = np.indices(op.weights.shape[1:])
        offsets = channel * source.plane + ky * op.dilation[0] * source.row + kx * op.dilation[1]
        if offsets.max(initial=0) >= 2**16 or offsets.size >= 2**16:
            return None
        if op.pool == (1, 1):
            _, height, width = site.output.shape
            # Padding can make a row of outputs longer than what lies between two rows of inputs.
            fits = width <= source.row and (height - 1) * source.row + width >= 2 * self.lanes
            return _Fit(op, constants, weights, np.asarray(offsets), "", 1) if fits else None
        return self._pooled(op, constants, weights, np.asarray(offsets), site.output.shape[2])

    def _pooled(
        self, op: Convolution, constants: list[Channel], weights: Array, offsets: Array, width: int
    ) -> _Fit | None:
        peak = max(max(channel.high, 0) for channel in constants)
        largest = 2 ** (128 // self.lanes) - 1
        columns = width * op.pool[1]
        if columns < 2 * self.lanes or columns > LARGEST_SUMS:
            return None
        if width >= self.lanes and peak * op.pool[0] * op.pool[1] <= largest:
            return _Fit(op, constants, weights, offsets, "_pool", op.pool[0])
        group = min(op.pool[0], largest // max(peak, 1))
        fits = self.lanes == 8 and width >= 4 and columns * -(-op.pool[0] // group) <= LARGEST_SUMS
        return _Fit(op, constants, weights, offsets, "_pool_in_groups", group) if fits else None


def _entries(weights: Array, offsets: Array) -> tuple[Array, Array]:
    """uint32 entries of all channels one after another, and uint16 [out], how many each has."""
    out, channel, ky, kx = np.nonzero(weights)
    packed = offsets[channel, ky, kx] << 16 | weights[out, channel, ky, kx] & 0xFFFF
    return packed.astype(np.uint32), np.bincount(out, minlength=len(weights)).astype(np.uint16)


def _start(channel: Channel, window: int, maximum: int) -> int:
    """Where a channel's sum starts; without weights, its output."""
    if channel.weights.any():
        return channel.start
    return min((max(channel.bias, 0) * window * channel.multiplier + 2**31) >> 32, maximum)


def _words(values: list[int]) -> Array:
    return np.array([value % 2**32 for value in values], np.uint32)


class Conv2dMve16(Conv2dMve):
    """8 positions a vector, for channels whose sums stay within 2**16."""

    name = "conv2d_mve16"
    lanes = 8
    per_entry = 14
    per_turn = 3
    per_large_tile = 92


class Conv2dMve32(Conv2dMve):
    """4 positions a vector."""

    name = "conv2d_mve32"
    lanes = 4
    per_entry = 15
    per_turn = 4
    per_large_tile = 78
