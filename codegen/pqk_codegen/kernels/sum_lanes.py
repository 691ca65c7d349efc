"""Global sum of each plane of lanes: codegen/kernels/sum_lanes.c."""

from typing import ClassVar

from pqk_codegen.cycles import Cost
from pqk_codegen.ir import Tensor
from pqk_codegen.kernels.base import VECTOR, Form, Invocation, Kernel, Node, Site
from pqk_codegen.kernels.geometry import compiled
from pqk_codegen.kernels.lanes import WIDE, lanes_expression, lanes_of
from pqk_codegen.lane_limits import LANE
from pqk_codegen.layout import Lanes
from pqk_codegen.ops import SumPool


class SumLanes(Kernel):
    """Both lanes of a word at a time, where a plane's sum fits a lane."""

    name = "sum_lanes"
    lane: ClassVar[int] = LANE
    per_word: ClassVar[float] = 2.7
    """Instructions."""

    def supports(self, node: Node) -> bool:
        return isinstance(node.op, SumPool) and node.inputs[0].dtype == "uint8" and self.fits_sum(node.inputs[0])

    def fits_sum(self, source: Tensor) -> bool:
        """Whether a lane holds the sum of half a plane."""
        _, height, width = source.shape
        return bool(source.maximum * -(-height // 2) * width < 2**LANE)

    def reads(self, node: Node) -> tuple[Form, ...]:
        del node
        return (Form("lanes", self.lane),)

    def writes(self, node: Node) -> tuple[Form, ...]:
        del node
        return (VECTOR,)

    def resolve(self, site: Site) -> Invocation:
        lanes = lanes_of(site.layouts[site.inputs[0].name])
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}",
            sources=("sum_lanes.c",),
            tables=(),
            cost=self._cost(lanes),
            code=240,
            structure="pqk_sum_lanes_t",
            fields=(("input", lanes_expression(lanes)),),
        )

    def _cost(self, lanes: Lanes) -> Cost:
        full = lanes.height - lanes.rows
        lines = 1 if lanes.row == lanes.width else full
        single = (lanes.rows - full) * lanes.width
        return compiled(lanes.planes * (self.per_word * full * lanes.width + 14 * lines + 5 * single + 15))


class SumWideLanes(SumLanes):
    """The same on lanes 23 bits apart, each on its own."""

    name = "sum_wide_lanes"
    lane = WIDE
    per_word = 6

    def fits_sum(self, source: Tensor) -> bool:
        del source
        return True
