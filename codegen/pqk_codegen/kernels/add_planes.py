"""Residual addition, plain C: codegen/kernels/add_planes.c."""

from pqk_codegen.kernels.base import Invocation, Kernel, Site
from pqk_codegen.kernels.geometry import planes_expression, planes_of
from pqk_codegen.ops import Add


class AddPlanes(Kernel):
    """Element by element."""

    name = "add_planes"

    def supports(self, site: Site) -> bool:
        return isinstance(site.op, Add)

    def resolve(self, site: Site) -> Invocation:
        first, second = (planes_of(site.layouts[tensor.name]) for tensor in site.inputs)
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}",
            sources=("add_planes.c",),
            tables=(),
            structure="pqk_add_planes_t",
            fields=(
                ("a", planes_expression(first)),
                ("b", planes_expression(second)),
                ("output", planes_expression(planes_of(site.layouts[site.output.name]))),
                ("maximum", str(site.output.maximum)),
            ),
            planes=(*(tensor.name for tensor in site.inputs), site.output.name),
        )
