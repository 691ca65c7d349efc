"""Convolution with every weight stored, plain C: codegen/kernels/conv2d_dense.c."""

from pqk_codegen.kernels.base import Invocation, Kernel, Site, Table
from pqk_codegen.kernels.geometry import conv2d_fields, conv2d_of, conv2d_tables, suffix
from pqk_codegen.ops import Conv2d


class Conv2dDense(Kernel):
    """One byte a weight, zero or not."""

    name = "conv2d_dense"

    def supports(self, site: Site) -> bool:
        return isinstance(site.op, Conv2d)

    def resolve(self, site: Site) -> Invocation:
        weights = conv2d_of(site).weights
        tables = (Table("weights", weights.ravel(), "output channel, input channel, kernel row, kernel column"),)
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}_{suffix(site)}",
            sources=("conv2d_dense.c",),
            tables=(*tables, *conv2d_tables(site)),
            structure="pqk_conv2d_dense_t",
            fields=(
                *conv2d_fields(site),
                ("weights", "@weights"),
                ("taps", "@taps"),
                ("tap_count", str(weights[0].size)),
            ),
            planes=(site.inputs[0].name, site.output.name),
        )
