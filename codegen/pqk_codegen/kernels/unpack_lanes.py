"""Planes of bytes from lanes: codegen/kernels/unpack_lanes.c."""

from pqk_codegen.kernels.base import Conversion, Invocation, Move
from pqk_codegen.kernels.geometry import clearing_cost, compiled, planes_expression, planes_of
from pqk_codegen.kernels.lanes import lanes_expression, lanes_of
from pqk_codegen.layout import Lanes, Planes


class UnpackLanes(Conversion):
    """For readers that know bytes only."""

    name = "unpack_lanes"

    def supports(self, move: Move) -> bool:
        lanes = isinstance(move.source, Lanes) and move.source.stride == (1, 1)
        return lanes and isinstance(move.target, Planes) and move.tensor.dtype == "uint8"

    def resolve(self, move: Move) -> Invocation:
        target = planes_of(move.target)
        channels, height, _ = move.tensor.shape
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}",
            sources=("unpack_lanes.c",),
            tables=(),
            cost=compiled(7 * move.tensor.elements + 29 * channels * height) + clearing_cost(target),
            code=180,
            structure="pqk_unpack_lanes_t",
            fields=(
                ("input", lanes_expression(lanes_of(move.source))),
                ("output", planes_expression(target)),
            ),
        )
