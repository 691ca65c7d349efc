"""Lanes from planes of bytes: codegen/kernels/pack_lanes.c."""

from pqk_codegen.cycles import Cost
from pqk_codegen.kernels.base import Conversion, Invocation, Move
from pqk_codegen.kernels.geometry import compiled, planes_expression, planes_of
from pqk_codegen.kernels.lanes import WIDE, lanes_of
from pqk_codegen.lane_limits import LANE
from pqk_codegen.layout import Lanes, Planes

FUNCTIONS = {LANE: "lanes", WIDE: "wide_lanes"}


class PackLanes(Conversion):
    """Any lanes, with or without a stride."""

    name = "pack_lanes"

    def supports(self, move: Move) -> bool:
        return isinstance(move.source, Planes) and isinstance(move.target, Lanes)

    def resolve(self, move: Move) -> Invocation:
        source, target = planes_of(move.source), lanes_of(move.target)
        suffix = {"uint8": "u8", "int8": "s8"}[move.tensor.dtype]
        return Invocation(
            kernel=self.name,
            function=f"pqk_pack_{FUNCTIONS[target.shift]}_{suffix}",
            sources=("pack_lanes.c",),
            tables=(),
            cost=_cost(target, signed=move.tensor.dtype == "int8"),
            code=740,
            structure="pqk_pack_lanes_t",
            fields=(
                ("input", planes_expression(source)),
                ("stride_y", str(target.stride[0])),
                ("stride_x", str(target.stride[1])),
                ("top", str(target.top)),
                ("left", str(target.left)),
                ("lines", str(target.lines)),
                ("row", str(target.row)),
                ("rows", str(target.rows)),
                ("plane", str(target.plane)),
            ),
        )


def _cost(lanes: Lanes, *, signed: bool) -> Cost:
    """Estimate, fitted to what was measured on a Cortex-M4 (GCC 12, -O2)."""
    columns = -(-lanes.width // lanes.stride[1])
    fours = columns // 4 if lanes.stride[1] == 1 else 0
    group = 17 + 6 * signed + 4 * (lanes.shift != LANE)
    line = 69 + fours * group + (columns - 4 * fours) * (8 + 2 * signed)
    return compiled(lanes.planes * (lanes.lines * line + 60))
