"""Residual addition on lanes: codegen/kernels/add_lanes.c."""

from typing import ClassVar

from pqk_codegen.cycles import block
from pqk_codegen.kernels.base import DSP_CORES, Form, Invocation, Kernel, Node, Site
from pqk_codegen.kernels.geometry import compiled
from pqk_codegen.kernels.lanes import LANE, activation_bits, lanes_of
from pqk_codegen.ops import Add


class AddLanes(Kernel):
    """Two elements at a time, halo included."""

    name = "add_lanes"
    lane: ClassVar[int] = LANE
    group: ClassVar[int] = 5
    """Words in a turn of the loop."""
    listing: ClassVar[str] = """
    ldmia r0!, {r4-r8}
    ldmia r1!, {r9-r12, lr}
    .rept 5
    add r4, r9
    usat16 r4, #7, r4
    .endr
    stmia r2!, {r4-r8}
    subs r3, #1
    bne 1b @ taken
    """

    def supports(self, node: Node) -> bool:
        if not isinstance(node.op, Add) or node.core not in DSP_CORES or activation_bits(node.output) is None:
            return False
        return all(tensor.maximum <= node.output.maximum for tensor in node.inputs)

    def reads(self, node: Node) -> tuple[Form, ...]:
        del node
        return (Form("lanes", self.lane), Form("lanes", self.lane))

    def writes(self, node: Node) -> tuple[Form, ...]:
        del node
        return (Form("lanes", self.lane),)

    def resolve(self, site: Site) -> Invocation:
        words = lanes_of(site.layouts[site.output.name]).size // 4
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}_u{activation_bits(site.output)}",
            sources=(f"{self.name}.c",),
            tables=(),
            cost=block(self.listing) * (words // self.group) + compiled(60),
            code=200,
            structure="pqk_add_lanes_t",
            fields=(("words", str(words)),),
        )
