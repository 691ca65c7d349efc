"""Global sum of each plane of lanes: codegen/kernels/sum_lanes.c."""

from collections.abc import Sequence
from typing import ClassVar

from pqk_codegen.cycles import Cost
from pqk_codegen.ir import Tensor
from pqk_codegen.kernels.base import VECTOR, Form, Invocation, Kernel, Node, Site
from pqk_codegen.kernels.geometry import compiled
from pqk_codegen.kernels.lanes import WIDE, lanes_expression, lanes_of
from pqk_codegen.kernels.sum_planes import sum_pool_of
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
        both, lower, upper = _lines(lanes, *sum_pool_of(site).rows(site.inputs[0]))
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}",
            sources=("sum_lanes.c",),
            tables=(),
            cost=self._cost(lanes, (both, lower, upper)),
            code=330,
            structure="pqk_sum_lanes_t",
            fields=(
                ("input", lanes_expression(lanes)),
                ("both", _expression(both)),
                ("lower", _expression(lower)),
                ("upper", _expression(upper)),
            ),
        )

    def _cost(self, lanes: Lanes, parts: Sequence[range]) -> Cost:
        dense = lanes.row == lanes.width
        lines = sum(min(len(part), 1) if dense else len(part) for part in parts)
        words = sum(map(len, parts)) * lanes.width
        return compiled(lanes.planes * (self.per_word * words + 14 * lines + 30))


def _lines(lanes: Lanes, first: int, last: int) -> tuple[range, range, range]:
    """The lines of which both lanes are among the rows first..last, only the lower, only the upper."""
    lower = range(min(first, lanes.rows), min(last + 1, lanes.rows))
    upper = range(max(first - lanes.rows, 0), max(last + 1 - lanes.rows, 0))
    both = range(max(lower.start, upper.start), min(lower.stop, upper.stop))
    if not both:
        return range(0), lower, upper
    # Rows follow each other: the lower lane goes on to the last line, the upper one begins with the first.
    return both, range(both.stop, lower.stop), range(upper.start, both.start)


def _expression(lines: range) -> str:
    return f"{{ .first = {lines.start}, .count = {len(lines)} }}"


class SumWideLanes(SumLanes):
    """The same on lanes 23 bits apart, each on its own."""

    name = "sum_wide_lanes"
    lane = WIDE
    per_word = 6

    def fits_sum(self, source: Tensor) -> bool:
        del source
        return True
