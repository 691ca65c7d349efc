"""How activations lie in memory: as bytes, as pairs of lanes, as vectors; and the arena that holds them all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ALIGNMENT = 4  # 32-bit vectors live in the same arena


@dataclass(frozen=True)
class Planes:
    """Channel-planar 8-bit storage with room for the zero padding that its readers want.

    Element (c, y, x) lies at `origin + c * plane + y * row + x` bytes from the buffer's start. The halo to the
    right of a row is the halo to the left of the next, and the one below a plane is the one above the next, so
    padding costs half of what a frame round every plane would.
    """

    channels: int
    height: int
    width: int
    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    @property
    def row(self) -> int:
        """Bytes from one row to the next."""
        return self.width + max(self.left, self.right)

    @property
    def plane(self) -> int:
        """Bytes from one plane to the next."""
        return (self.height + max(self.top, self.bottom)) * self.row

    @property
    def origin(self) -> int:
        """Bytes from the buffer's start to element (0, 0, 0)."""
        return self.top * self.row + self.left

    @property
    def size(self) -> int:
        """Bytes of the buffer, which is cleared word by word."""
        last = (self.channels - 1) * self.plane + (self.height + self.bottom - 1) * self.row + self.width
        return _align(self.origin + last + self.right)

    @property
    def has_halo(self) -> bool:
        """Whether there is anything to clear before the planes are written."""
        return max(self.top, self.left, self.bottom, self.right) > 0


@dataclass(frozen=True)
class Lanes:
    """Two elements a 32-bit word, `rows` rows apart, so that one multiplication serves both.

    Word (l, j) of a plane is x[l - top, j - left] + x[l - top + rows, j - left] * 2**shift, with 0 for elements outside
    the tensor. Columns left and right of the tensor are shared between lines as in `Planes`; the lines above and below
    the first `rows` are not empty but repeat the other half's edge. Every tap of a convolution is thus a constant
    distance in words, whatever the row.

    With a stride, a channel has stride[0] * stride[1] planes, one for each phase (py, px):
    word (l, j) then stands for x[l * stride[0] + py - top, ...], and the lanes are rows * stride[0] rows apart.
    """

    channels: int
    height: int
    width: int
    rows: int
    shift: int
    top: int
    left: int
    lines: int
    row: int
    """Words from one line to the next."""
    stride: tuple[int, int] = (1, 1)
    surrounded: bool = True
    """Whether the words outside of the tensor are as described; where nobody reads them, they hold anything."""

    @property
    def plane(self) -> int:
        """Words from one plane to the next. The last line needs its right halo to itself."""
        return self.lines * self.row + self.left

    @property
    def origin(self) -> int:
        """Words from a plane's start to element (0, 0)."""
        return self.top * self.row + self.left

    @property
    def words(self) -> int:
        """Words from element (0, 0) to the last one of the first half, halo columns between them included."""
        return (self.rows - 1) * self.row + self.width

    @property
    def planes(self) -> int:
        """Number of planes."""
        return self.channels * self.stride[0] * self.stride[1]

    @property
    def size(self) -> int:
        """Bytes of the buffer."""
        return 4 * self.planes * self.plane


@dataclass(frozen=True)
class Vector:
    """32-bit numbers in a row."""

    length: int

    @property
    def size(self) -> int:
        """Bytes of the buffer."""
        return 4 * self.length


Layout = Planes | Lanes | Vector


@dataclass(frozen=True)
class Buffer:
    """Where a stored tensor lies in the arena, and from which to which step it is needed (-1: before the first)."""

    name: str
    layout: Layout
    offset: int
    first: int
    last: int

    @property
    def end(self) -> int:
        """First byte behind the buffer."""
        return self.offset + self.layout.size


def plan_arena(layouts: Mapping[str, Layout], lifetimes: Mapping[str, tuple[int, int]]) -> dict[str, Buffer]:
    """Place every buffer in one arena so that no two that are needed at the same time overlap.

    The largest buffers are placed first, each at the lowest offset that is free while it lives: the rule that
    TensorFlow Lite's arena planner uses as well.
    """
    placed: dict[str, Buffer] = {}
    for name in sorted(layouts, key=lambda name: (-layouts[name].size, lifetimes[name])):
        first, last = lifetimes[name]
        rivals = [other for other in placed.values() if other.first <= last and first <= other.last]
        placed[name] = Buffer(name, layouts[name], _lowest_gap(layouts[name].size, rivals), first, last)
    return placed


def arena_size(buffers: Iterable[Buffer]) -> int:
    """Bytes of the arena: the exact peak."""
    return _align(max(buffer.end for buffer in buffers))


def _lowest_gap(size: int, rivals: list[Buffer]) -> int:
    candidate = 0
    for rival in sorted(rivals, key=lambda buffer: buffer.offset):
        if candidate + size <= rival.offset:
            break
        candidate = max(candidate, _align(rival.end))
    return candidate


def _align(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
