"""Global sum of each plane on cores with MVE: codegen/kernels/sum_planes_mve.c."""

from dataclasses import replace

from pqk_codegen.kernels.base import Invocation, Node, Site
from pqk_codegen.kernels.geometry import MVE_CORES, compiled
from pqk_codegen.kernels.sum_planes import SumPlanes, summed


class SumPlanesMve(SumPlanes):
    """16 elements at a time."""

    name = "sum_planes_mve"
    plain = False
    aligned = True

    def supports(self, node: Node) -> bool:
        return node.core in MVE_CORES and super().supports(node)

    def resolve(self, site: Site) -> Invocation:
        return replace(super().resolve(site), sources=("sum_planes_mve.c",), cost=compiled(self._instructions(site)))

    def _instructions(self, site: Site) -> int:
        """Estimated instructions of an inference, from the compiled code (GCC 12, -O2)."""
        planes = summed(site)
        return 30 + planes.channels * (9 + 3 * -(-((planes.height - 1) * planes.row + planes.width) // 16))
