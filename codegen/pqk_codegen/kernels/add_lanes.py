"""Residual addition on lanes of 16 bits: codegen/kernels/add_lanes.c."""

from pqk_codegen.cycles import block
from pqk_codegen.kernels.base import DSP_CORES, Form, Invocation, Kernel, Node, Site
from pqk_codegen.kernels.geometry import compiled
from pqk_codegen.kernels.lanes import LANE, activation_bits, lanes_of
from pqk_codegen.ops import Add

GROUP = 5
GROUP_OF_WORDS = """
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


class AddLanes(Kernel):
    """Two elements at a time, halo included."""

    name = "add_lanes"

    def supports(self, node: Node) -> bool:
        small = all(tensor.maximum <= 255 for tensor in node.inputs)
        return isinstance(node.op, Add) and node.core in DSP_CORES and activation_bits(node.output) is not None and small

    def reads(self, node: Node) -> tuple[Form, ...]:
        del node
        return (Form("lanes", LANE), Form("lanes", LANE))

    def writes(self, node: Node) -> tuple[Form, ...]:
        del node
        return (Form("lanes", LANE),)

    def resolve(self, site: Site) -> Invocation:
        words = lanes_of(site.layouts[site.output.name]).size // 4
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}_u{activation_bits(site.output)}",
            sources=("add_lanes.c",),
            tables=(),
            cost=block(GROUP_OF_WORDS) * (words // GROUP) + compiled(60),
            code=200,
            structure="pqk_add_lanes_t",
            fields=(("words", str(words)),),
        )
