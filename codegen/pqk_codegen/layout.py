"""How activations lie in memory: planes with a shared halo of zeros, and the arena that holds them all."""

from collections.abc import Mapping
from dataclasses import dataclass

from pqk_codegen.ir import Network, Tensor
from pqk_codegen.ops import Conv2d

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
        """Bytes of the buffer."""
        last = (self.channels - 1) * self.plane + (self.height + self.bottom - 1) * self.row + self.width
        return self.origin + last + self.right

    @property
    def has_halo(self) -> bool:
        """Whether there is anything to clear before the planes are written."""
        return max(self.top, self.left, self.bottom, self.right) > 0


@dataclass(frozen=True)
class Vector:
    """32-bit numbers in a row."""

    length: int

    @property
    def size(self) -> int:
        """Bytes of the buffer."""
        return 4 * self.length


Layout = Planes | Vector


@dataclass(frozen=True)
class Buffer:
    """Where a tensor lies in the arena, and from which to which operation it is needed (-1: before the first)."""

    tensor: str
    layout: Layout
    offset: int
    first: int
    last: int

    @property
    def end(self) -> int:
        """First byte behind the buffer."""
        return self.offset + self.layout.size


def layouts(network: Network) -> dict[str, Layout]:
    """A layout for every tensor: vectors as they are, and planes padded for the widest reader of any of their size.

    Planes of one size are laid out alike, so that a kernel can run on from row to row in several of them.
    """
    return {name: _layout(network, tensor) for name, tensor in network.tensors.items()}


def _layout(network: Network, tensor: Tensor) -> Layout:
    if len(tensor.shape) == 1:
        return Vector(tensor.shape[0])
    channels, height, width = tensor.shape
    readers = [
        op.padding
        for op in network.ops
        if isinstance(op, Conv2d) and network.tensors[op.inputs[0]].shape[1:] == (height, width)
    ]
    top, left, bottom, right = (max(sides) for sides in zip(*readers, (0, 0, 0, 0), strict=True))
    return Planes(channels, height, width, top, left, bottom, right)


def plan_arena(network: Network, shapes: Mapping[str, Layout]) -> dict[str, Buffer]:
    """Place every tensor in one arena so that no two that are needed at the same time overlap.

    The largest buffers are placed first, each at the lowest offset that is free while it lives: the rule that
    TensorFlow Lite's arena planner uses as well.
    """
    lifetimes = _lifetimes(network)
    placed: dict[str, Buffer] = {}
    for name in sorted(network.tensors, key=lambda name: (-shapes[name].size, lifetimes[name])):
        first, last = lifetimes[name]
        rivals = [other for other in placed.values() if other.first <= last and first <= other.last]
        placed[name] = Buffer(name, shapes[name], _lowest_gap(shapes[name].size, rivals), first, last)
    return placed


def arena_size(buffers: Mapping[str, Buffer]) -> int:
    """Bytes of the arena: the exact peak."""
    return _align(max(buffer.end for buffer in buffers.values()))


def _lifetimes(network: Network) -> dict[str, tuple[int, int]]:
    """First and last operation that needs each tensor. The input is there before the first, the output stays."""
    first, last = {network.input: -1}, {network.input: -1}
    for index, op in enumerate(network.ops):
        first[op.output] = last[op.output] = index
        last |= dict.fromkeys(op.inputs, index)
    last[network.output] = len(network.ops)
    return {name: (first[name], last[name]) for name in network.tensors}


def _lowest_gap(size: int, rivals: list[Buffer]) -> int:
    candidate = 0
    for rival in sorted(rivals, key=lambda buffer: buffer.offset):
        if candidate + size <= rival.offset:
            break
        candidate = max(candidate, _align(rival.end))
    return candidate


def _align(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
