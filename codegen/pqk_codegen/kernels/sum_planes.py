"""Global sum of each plane, plain C: codegen/kernels/sum_planes.c."""

from pqk_codegen.kernels.base import Invocation, Kernel, Site
from pqk_codegen.kernels.geometry import planes_expression, planes_of, suffix
from pqk_codegen.ops import SumPool


class SumPlanes(Kernel):
    """One 32-bit sum a channel."""

    name = "sum_planes"

    def supports(self, site: Site) -> bool:
        return isinstance(site.op, SumPool)

    def resolve(self, site: Site) -> Invocation:
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}_{suffix(site)}",
            sources=("sum_planes.c",),
            tables=(),
            structure="pqk_sum_planes_t",
            fields=(("input", planes_expression(planes_of(site.layouts[site.inputs[0].name]))),),
            planes=(site.inputs[0].name, site.output.name),
        )
