"""Convolution with every weight stored, plain C: codegen/kernels/conv2d_dense.c."""

from pqk_codegen.kernels.base import Invocation, Node, Site, Table
from pqk_codegen.kernels.geometry import PlainConvolution, conv2d_fields, conv2d_of, conv2d_tables, plain_cost, suffix
from pqk_codegen.ops import Conv2d


class Conv2dDense(PlainConvolution):
    """One byte a weight, zero or not."""

    name = "conv2d_dense"

    def supports(self, node: Node) -> bool:
        return isinstance(node.op, Conv2d)

    def resolve(self, site: Site) -> Invocation:
        weights = conv2d_of(site).weights
        tables = (Table("weights", weights.ravel(), "output channel, input channel, kernel row, kernel column"),)
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}_{suffix(site)}",
            sources=("conv2d_dense.c",),
            tables=(*tables, *conv2d_tables(site)),
            cost=plain_cost(site, weights.size, per_entry=15),
            code=620,
            structure="pqk_conv2d_dense_t",
            fields=(
                *conv2d_fields(site),
                ("weights", "@weights"),
                ("taps", "@taps"),
                ("tap_count", str(weights[0].size)),
            ),
        )
