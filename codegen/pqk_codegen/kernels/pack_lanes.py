"""Lanes from planes of bytes: codegen/kernels/pack_lanes.c."""

from pqk_codegen.kernels.base import Conversion, Invocation, Move
from pqk_codegen.kernels.geometry import compiled, planes_expression, planes_of
from pqk_codegen.kernels.lanes import lanes_of
from pqk_codegen.layout import Lanes, Planes


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
            function=f"pqk_{self.name}_{suffix}",
            sources=("pack_lanes.c",),
            tables=(),
            cost=compiled(target.planes * (2.7 * target.plane + 88 * target.lines) + 10 * move.tensor.elements),
            code=420,
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
                ("shift", str(target.shift)),
            ),
        )
