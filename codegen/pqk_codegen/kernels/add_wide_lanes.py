"""Residual addition on wide lanes: codegen/kernels/add_wide_lanes.c."""

from pqk_codegen.kernels.add_lanes import AddLanes
from pqk_codegen.kernels.base import DSP_CORES
from pqk_codegen.kernels.lanes import WIDE


class AddWideLanes(AddLanes):
    """The same on lanes 23 bits apart, for which there is no saturating instruction."""

    name = "add_wide_lanes"
    lane = WIDE
    cores = DSP_CORES
    group = 4
    listing = """
    ldmia r0!, {r4-r7}
    ldmia r1!, {r8-r11}
    .rept 4
    add r4, r8
    and r8, r4, r12
    sub r8, r8, r8, lsr #7
    orr r4, r8
    and r4, lr
    .endr
    stmia r2!, {r4-r7}
    subs r3, #1
    bne 1b @ taken
    """
