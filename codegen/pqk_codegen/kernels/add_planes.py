"""Residual addition, plain C: codegen/kernels/add_planes.c."""

from pqk_codegen.kernels.base import PLANES, Form, Invocation, Kernel, Node, Site
from pqk_codegen.kernels.geometry import clearing_cost, compiled, planes_expression, planes_of
from pqk_codegen.ops import Add


class AddPlanes(Kernel):
    """Element by element."""

    plain = True
    aligned = False
    name = "add_planes"

    def supports(self, node: Node) -> bool:
        return isinstance(node.op, Add)

    def reads(self, node: Node) -> tuple[Form, ...]:
        del node
        return (PLANES, PLANES)

    def writes(self, node: Node) -> tuple[Form, ...]:
        del node
        return (PLANES,)

    def resolve(self, site: Site) -> Invocation:
        first, second = (planes_of(site.layouts[tensor.name]) for tensor in site.inputs)
        output = planes_of(site.layouts[site.output.name])
        channels, height, _ = site.output.shape
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}",
            sources=("add_planes.c",),
            tables=(),
            cost=compiled(13 * site.output.elements + 14 * channels * height) + clearing_cost(output),
            code=165,
            structure="pqk_add_planes_t",
            fields=(
                ("a", planes_expression(first)),
                ("b", planes_expression(second)),
                ("output", planes_expression(output)),
                ("maximum", str(site.output.maximum)),
            ),
        )
