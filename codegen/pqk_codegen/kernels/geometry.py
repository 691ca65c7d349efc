"""C descriptions of planes and of a convolution's windows, shared by all convolution kernels."""

import math

import numpy as np

from pqk_codegen.cycles import Cost
from pqk_codegen.ir import Array
from pqk_codegen.kernels.base import PLANES, Form, Kernel, Node, Site, Table
from pqk_codegen.layout import Layout, Planes
from pqk_codegen.ops import Convolution

CYCLES_PER_INSTRUCTION = 1.4  # of compiled C on a Cortex-M4 at zero wait states: loads and branches cost more than 1


class PlainConvolution(Kernel):
    """What convolution kernels in plain C have in common: bytes in, bytes out, any shape."""

    plain = True
    aligned = False

    def reads(self, node: Node) -> tuple[Form, ...]:
        return (Form("planes", halo=conv2d_of(node).padding),)

    def writes(self, node: Node) -> tuple[Form, ...]:
        del node
        return (PLANES,)


def compiled(instructions: float) -> Cost:
    """Cost of C code that the compiler turned into about so many instructions."""
    return Cost(instructions, CYCLES_PER_INSTRUCTION * instructions)


def plain_cost(site: Site, entries: int, per_entry: float) -> Cost:
    """Estimate of the loops in pqk_conv2d_loop.h: four windows at a time, `entries` stored weights in all.

    Measured on a Cortex-M4 (GCC 12, -O2) and fitted: `per_entry` instructions for an entry and four windows, 57 for
    beginning and ending a channel's sums, 190 for requantising and storing four outputs.
    """
    op = conv2d_of(site)
    channels, height, width = site.output.shape
    tiles = height * (-(-width // 4) if width >= 4 else width)  # narrow outputs go one by one
    windows = tiles * op.pool[0] * op.pool[1]
    tile = windows * (per_entry * entries + 57 * channels) + tiles * channels * 190
    return compiled(tile) + clearing_cost(planes_of(site.layouts[site.output.name]))


def clearing_cost(planes: Planes) -> Cost:
    """Estimate of zeroing a buffer with a halo before its planes are written."""
    return compiled(3 * planes.size if planes.has_halo else 0)


MVE_CORES = ("host", "cortex-m55")  # the host plays one, lane by lane


def planes_of(layout: Layout) -> Planes:
    """`layout`, which must be planes."""
    if not isinstance(layout, Planes):
        raise TypeError(f"{layout} is not planar")
    return layout


def planes_expression(planes: Planes) -> str:
    """Initialiser of a `pqk_planes_t`."""
    return (
        f"{{ .channels = {planes.channels}, .height = {planes.height}, .width = {planes.width}, "
        f".row = {planes.row}, .plane = {planes.plane} }}"
    )


def conv2d_of(node: Node) -> Convolution:
    """The node's operation, which must be a convolution."""
    if not isinstance(node.op, Convolution):
        raise TypeError(f"{node.op.kind} is not a convolution")
    return node.op


def conv2d_fields(site: Site) -> tuple[tuple[str, str], ...]:
    """Fields of the `pqk_conv2d_t` that every convolution kernel's structure begins with."""
    op = conv2d_of(site)
    source = planes_of(site.layouts[site.inputs[0].name])
    top, left, _, _ = op.padding
    return (
        ("common.bias", "@bias"),
        ("common.multiplier", "@multiplier"),
        ("common.output", planes_expression(planes_of(site.layouts[site.output.name]))),
        ("common.origin", str(top * source.row + left)),
        ("common.row_step", str(op.stride[0] * source.row)),
        ("common.column_step", str(op.stride[1])),
        ("common.pool_height", str(op.pool[0])),
        ("common.pool_width", str(op.pool[1])),
        ("common.shift", str(op.shift)),
        ("common.maximum", str(site.output.maximum)),
    )


def conv2d_tables(site: Site) -> tuple[Table, ...]:
    """Tables that every convolution kernel needs."""
    op = conv2d_of(site)
    return (
        Table("bias", op.bias, "bias of each output channel, accumulator units"),
        Table("multiplier", op.multiplier, "requantisation factor of each output channel, times 2^shift"),
        Table(
            "taps", _taps(op, planes_of(site.layouts[site.inputs[0].name])), "bytes from a window's first tap to each"
        ),
    )


def _taps(op: Convolution, source: Planes) -> Array:
    inputs = op.weights[0].size // math.prod(op.kernel)  # that one output channel reads
    channels, height, width = np.indices((inputs, *op.kernel))
    offsets = channels * source.plane + height * op.dilation[0] * source.row + width * op.dilation[1]
    return np.asarray(offsets.ravel(), np.uint32)


def suffix(site: Site) -> str:
    """Function suffix for the input's type."""
    return {"uint8": "u8", "int8": "s8"}[site.inputs[0].dtype]
