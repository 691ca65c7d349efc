"""Global sum of each plane, plain C: codegen/kernels/sum_planes.c."""

from pqk_codegen.kernels.base import PLANES, VECTOR, Form, Invocation, Kernel, Node, Site
from pqk_codegen.kernels.geometry import compiled, planes_expression, planes_of, suffix
from pqk_codegen.ops import SumPool


class SumPlanes(Kernel):
    """One 32-bit sum a channel."""

    plain = True
    aligned = False
    name = "sum_planes"

    def supports(self, node: Node) -> bool:
        return isinstance(node.op, SumPool)

    def reads(self, node: Node) -> tuple[Form, ...]:
        del node
        return (PLANES,)

    def writes(self, node: Node) -> tuple[Form, ...]:
        del node
        return (VECTOR,)

    def resolve(self, site: Site) -> Invocation:
        elements, width = site.inputs[0].elements, site.inputs[0].shape[2]
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}_{suffix(site)}",
            sources=("sum_planes.c",),
            tables=(),
            cost=compiled(4 * elements + 8 * elements / width),
            code=110,
            structure="pqk_sum_planes_t",
            fields=(("input", planes_expression(planes_of(site.layouts[site.inputs[0].name]))),),
        )
