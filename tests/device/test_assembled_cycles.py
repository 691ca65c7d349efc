"""The cycle model reads what the assembler and the compiler make."""

import re
from pathlib import Path

import pytest
from pqk_codegen import assets
from pqk_codegen.cycles import ListingError, block, from_objdump

from pqk import tools

LOOPS = {
    "lanes": """
        ldrsh r6, [r0], #2
        ldrh r7, [r0], #2
        add r7, r1
        ldm r7, {r8, r9, r10, r11}
        mla r2, r6, r8, r2
        mla r3, r6, r9, r3
        smlal r4, r5, r6, r10
        cmp r0, lr
        bne 0b @ taken
    """,
    "requantise": """
        ldr r0, [r1], #4
        eors r0, r2
        smlawb r3, r0, r4, r5
        smlawt r6, r0, r4, r5
        pkhtb r3, r6, r3, asr #16
        usat16 r3, #7, r3
        str r3, [r7, r12, lsl #2]
        adds r7, #4
        subs r8, r8, #1
        bne 0b @ taken
    """,
    "conditional": """
        ldrb r0, [r1, #3]
        cmp r0, #0
        itte eq
        moveq r0, #1
        streq r0, [r2]
        addne r9, r9, #4
        strd r0, r9, [r3, #8]
        cbz r0, 1f
        b 0b
        1:
    """,
}


def objdump(source: Path, assembled: Path, *compiler: str) -> str:
    tools.run(["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", *compiler, "-c", str(source), "-o", str(assembled)])
    return tools.run(["arm-none-eabi-objdump", "-d", str(assembled)])


@pytest.mark.parametrize("name", LOOPS)
def test_a_listing_costs_what_its_assembly_does(name: str, tmp_path: Path) -> None:
    source = tmp_path / "loop.s"
    source.write_text(f".syntax unified\n.thumb\n0:\n{LOOPS[name]}\n")
    disassembled = from_objdump(objdump(source, tmp_path / "loop.o"))
    if "@ taken" in LOOPS[name]:
        disassembled += " @ taken"  # the last instruction; objdump does not know
    for wait_states in (0, 5):
        assert block(disassembled, wait_states=wait_states) == block(LOOPS[name], wait_states=wait_states)


@pytest.mark.parametrize("kernel", sorted(path.stem for path in assets.directory("kernels").glob("*.c")))
def test_every_instruction_of_the_kernels_is_known(kernel: str, tmp_path: Path) -> None:
    source = assets.directory("kernels") / f"{kernel}.c"
    text = objdump(source, tmp_path / "kernel.o", "-std=c99", "-O2", "-ffreestanding")
    rows = re.findall(r"(?m)^ +[0-9a-f]+:\t(?!.*\t\.(?:word|short))", text)
    listing = from_objdump(text)
    cost = block(listing)
    assert cost.instructions == len(rows) > 10
    assert cost.cycles > cost.instructions
    with pytest.raises(ListingError):
        block(text)
