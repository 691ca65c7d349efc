"""Rows of earlier runs above new ones, on lanes of 16 bits: codegen/kernels/append_lanes.c."""

from pqk_codegen.cycles import Cost
from pqk_codegen.kernels.append_planes import append_of, state_bytes
from pqk_codegen.kernels.base import ANY_OWNER, Form, Invocation, Kernel, Node, Site
from pqk_codegen.kernels.geometry import compiled
from pqk_codegen.kernels.lanes import convolved, lanes_expression
from pqk_codegen.lane_limits import LANE
from pqk_codegen.layout import Lanes
from pqk_codegen.ops import Append


class AppendLanes(Kernel):
    """From the lanes of what is new to those that the reader of all rows wants, whatever lies how far apart in them."""

    aligned = False
    name = "append_lanes"

    def supports(self, node: Node) -> bool:
        return isinstance(node.op, Append) and node.inputs[0].dtype == "uint8"

    def reads(self, node: Node) -> tuple[Form, ...]:
        del node
        return (Form("lanes", LANE, owner=ANY_OWNER),)

    def writes(self, node: Node) -> tuple[Form, ...]:
        del node
        return (Form("lanes", LANE, owner=ANY_OWNER), Form("lanes", LANE))

    def fits(self, site: Site) -> bool:
        source, output = convolved(site)
        whole = source.height - source.rows <= source.lines - source.top  # every row is in a line
        return whole and output.top == 0 and (1, 1) == source.stride == output.stride

    def resolve(self, site: Site) -> Invocation:
        source, output = convolved(site)
        op = append_of(site)
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}",
            sources=("append_lanes.c",),
            tables=(),
            cost=_cost(op, source, output),
            code=2500,
            structure="pqk_append_lanes_t",
            fields=(
                ("input", lanes_expression(source)),
                ("output", lanes_expression(output)),
                ("lines", str(output.lines)),
                ("history", str(op.history)),
                ("first", str(op.first)),
            ),
            state=state_bytes(site),
        )


def _cost(op: Append, source: Lanes, output: Lanes) -> Cost:
    """Estimate, fitted to what was measured on a Cortex-M4 (GCC 12, -O2): a line is copied, or made of two rows."""
    width = source.width
    copied, one, two, kept = 22 + 2.2 * width, 25 + 2.7 * width, 44 + 4 * width, 22 + 2.5 * width
    total = 15 + op.history * kept
    for line in range(output.lines):
        lower, upper = (op.first + row - op.history for row in (line, line + output.rows))
        if line + output.rows >= output.height:
            total += one
        else:
            total += copied if lower >= 0 and upper - lower == source.rows else two
    return compiled(source.channels * total)
