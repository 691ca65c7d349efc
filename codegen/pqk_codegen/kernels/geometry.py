"""C descriptions of planes and of a convolution's windows, shared by all convolution kernels."""

import numpy as np

from pqk_codegen.ir import Array
from pqk_codegen.kernels.base import Site, Table
from pqk_codegen.layout import Layout, Planes
from pqk_codegen.ops import Conv2d

MVE_CORES = ("cortex-m55", "host-mve")  # host-mve: a host that plays one, lane by lane, for tests


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


def conv2d_of(site: Site) -> Conv2d:
    """The site's operation, which must be a convolution."""
    if not isinstance(site.op, Conv2d):
        raise TypeError(f"{site.op.kind} is not a convolution")
    return site.op


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


def _taps(op: Conv2d, source: Planes) -> Array:
    channels, height, width = np.indices(op.weights.shape[1:])
    offsets = channels * source.plane + height * op.dilation[0] * source.row + width * op.dilation[1]
    return offsets.ravel().astype(np.uint32)


def suffix(site: Site) -> str:
    """Function suffix for the input's type."""
    return {"uint8": "u8", "int8": "s8"}[site.inputs[0].dtype]
