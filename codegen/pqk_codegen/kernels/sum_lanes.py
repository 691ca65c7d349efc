"""Global sum of each plane of lanes: codegen/kernels/sum_lanes.c."""

from typing import ClassVar

from pqk_codegen.kernels.base import VECTOR, Form, Invocation, Kernel, Node, Site
from pqk_codegen.kernels.geometry import compiled
from pqk_codegen.kernels.lanes import LANE, WIDE, lanes_expression, lanes_of
from pqk_codegen.ops import SumPool


class SumLanes(Kernel):
    """Both lanes of a word at a time."""

    name = "sum_lanes"
    lane: ClassVar[int] = LANE
    per_word: ClassVar[float] = 2.8
    """Instructions."""

    def supports(self, node: Node) -> bool:
        return isinstance(node.op, SumPool) and node.inputs[0].dtype == "uint8"

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
            cost=compiled(lanes.planes * (self.per_word * lanes.words + 40)),
            code=180,
            structure="pqk_sum_lanes_t",
            fields=(("input", lanes_expression(lanes)),),
        )


class SumWideLanes(SumLanes):
    """The same on lanes 23 bits apart."""

    name = "sum_wide_lanes"
    lane = WIDE
    per_word = 6
