"""Depthwise convolution with every weight stored, plain C: codegen/kernels/depthwise_conv2d.c."""

from pqk_codegen.kernels.base import Invocation, Node, Site, Table
from pqk_codegen.kernels.geometry import (
    PlainConvolution,
    conv2d_fields,
    conv2d_of,
    conv2d_tables,
    plain_cost,
    planes_of,
    suffix,
)
from pqk_codegen.ops import DepthwiseConv2d


class DepthwiseConv2dDense(PlainConvolution):
    """One byte a weight, zero or not."""

    name = "depthwise_conv2d"

    def supports(self, node: Node) -> bool:
        return isinstance(node.op, DepthwiseConv2d)

    def resolve(self, site: Site) -> Invocation:
        weights = conv2d_of(site).weights
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}_{suffix(site)}",
            sources=("depthwise_conv2d.c",),
            tables=(Table("weights", weights.ravel(), "channel, kernel row, kernel column"), *conv2d_tables(site)),
            cost=plain_cost(site, weights.size, per_entry=15),
            code=650,
            structure="pqk_depthwise_conv2d_t",
            fields=(
                *conv2d_fields(site),
                ("weights", "@weights"),
                ("taps", "@taps"),
                ("tap_count", str(weights[0].size)),
                ("input_plane", str(planes_of(site.layouts[site.inputs[0].name]).plane)),
            ),
        )
