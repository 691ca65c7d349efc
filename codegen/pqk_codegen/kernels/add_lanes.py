"""Residual addition on lanes: codegen/kernels/add_lanes.c."""

from typing import ClassVar

from pqk_codegen.cycles import Cost, block
from pqk_codegen.kernels.base import DSP_CORES, V6M_CORES, Form, Invocation, Kernel, Node, Site
from pqk_codegen.kernels.geometry import compiled
from pqk_codegen.kernels.lanes import activation_bits, lanes_of
from pqk_codegen.lane_limits import LANE
from pqk_codegen.ops import Add

V6M_GROUP = 4
V6M_LISTING = """
    .rept 2
    ldmia r0!, {r3, r4}
    ldmia r1!, {r5, r6}
    .rept 2
    add r3, r5
    tst r3, r7
    beq 2f @ taken
    .endr
    stmia r2!, {r3, r4}
    .endr
    cmp r2, r8
    bne 1b @ taken
"""


class AddLanes(Kernel):
    """Two elements at a time, halo included."""

    name = "add_lanes"
    lane: ClassVar[int] = LANE
    group: ClassVar[int] = 5
    """Words in a turn of the loop."""
    cores: ClassVar[tuple[str, ...]] = DSP_CORES + V6M_CORES
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
        if not isinstance(node.op, Add) or node.core not in self.cores or activation_bits(node.output) is None:
            return False
        return all(tensor.maximum <= node.output.maximum for tensor in node.inputs)

    def reads(self, node: Node) -> tuple[Form, ...]:
        del node
        return (Form("lanes", self.lane, surrounded=True),) * 2

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
            cost=self._cost(site, words),
            code=200,
            structure="pqk_add_lanes_t",
            fields=(("words", str(words)),),
        )

    def _cost(self, site: Site, words: int) -> Cost:
        listing, group = (self.listing, self.group) if site.core in DSP_CORES else (V6M_LISTING, V6M_GROUP)
        return block(listing, wait_states=site.wait_states) * (words // group) + compiled(60)
