"""Convolution over packed nonzero weights, plain C: codegen/kernels/conv2d_sparse.c."""

from typing import ClassVar

import numpy as np

from pqk_codegen.kernels.base import Invocation, Node, Site, Table
from pqk_codegen.kernels.geometry import PlainConvolution, conv2d_fields, conv2d_of, conv2d_tables, plain_cost, suffix
from pqk_codegen.ops import Conv2d
from pqk_codegen.packing import pack


class Conv2dSparse(PlainConvolution):
    """Weights as (gap, weight) entries of `entry_bytes` bytes; see `pqk_codegen.packing`."""

    entry_bytes: ClassVar[int]
    per_entry: ClassVar[float]
    """Instructions."""

    def supports(self, node: Node) -> bool:
        if not isinstance(node.op, Conv2d):
            return False
        limit = 2 ** (4 * self.entry_bytes - 1)
        weights = node.op.weights.astype(np.int64)
        countable = weights[0].size < 2**16  # a channel's number of entries is stored in 16 bits
        return bool(countable and weights.min() >= -limit and weights.max() < limit)

    def resolve(self, site: Site) -> Invocation:
        stream = pack(conv2d_of(site).weights, self.entry_bytes)
        lengths = np.array(stream.lengths, np.uint16)
        tables = (
            Table("entries", stream.entries, "gap and weight of every nonzero weight"),
            Table("lengths", lengths, "number of entries of each output channel"),
        )
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}_{suffix(site)}",
            sources=("conv2d_sparse.c",),
            tables=(*tables, *conv2d_tables(site)),
            cost=plain_cost(site, int(lengths.sum()), self.per_entry),
            code=640,
            structure="pqk_conv2d_sparse_t",
            fields=(*conv2d_fields(site), ("entries", "@entries"), ("lengths", "@lengths"), ("taps", "@taps")),
        )


class Conv2dSparse4(Conv2dSparse):
    """One byte an entry: weights of 4 bits, gaps to 15."""

    name = "conv2d_sparse4"
    entry_bytes = 1
    per_entry = 17.6


class Conv2dSparse8(Conv2dSparse):
    """Two bytes an entry: weights of 8 bits, gaps to 255."""

    name = "conv2d_sparse8"
    entry_bytes = 2
    per_entry = 19.4
