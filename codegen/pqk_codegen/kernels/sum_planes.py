"""Global sum of each plane, plain C: codegen/kernels/sum_planes.c."""

from dataclasses import replace

from pqk_codegen.kernels.base import PLANES, VECTOR, Form, Invocation, Kernel, Node, Site
from pqk_codegen.kernels.geometry import compiled, planes_expression, planes_of, suffix
from pqk_codegen.layout import Planes
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
        planes, width = summed(site), site.inputs[0].shape[2]
        elements = planes.channels * planes.height * width
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}_{suffix(site)}",
            sources=("sum_planes.c",),
            tables=(),
            cost=compiled(4 * elements + 8 * elements / width),
            code=110,
            structure="pqk_sum_planes_t",
            fields=(
                ("input", planes_expression(planes)),
                ("first", str(sum_pool_of(site).first_row * planes.row)),
            ),
        )


def sum_pool_of(node: Node) -> SumPool:
    """The node's operation, which must be a sum."""
    if not isinstance(node.op, SumPool):
        raise TypeError(f"{node.op.kind} is not a sum")
    return node.op


def summed(site: Site) -> Planes:
    """The planes that are summed up: a part of the input's rows, as far apart as all of them."""
    source = planes_of(site.layouts[site.inputs[0].name])
    first, last = sum_pool_of(site).rows(site.inputs[0])
    height = last - first + 1
    return replace(source, height=height, top=0, bottom=source.plane // source.row - height)
