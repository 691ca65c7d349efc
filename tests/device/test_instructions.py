"""Firmware for every board has only instructions of the board's core; and the check of that can fail."""

import itertools
from pathlib import Path

import pytest
from pqk_codegen.generate import generate
from pqk_codegen.ir import Network
from pqk_codegen.plan import plan
from support import instructions, networks, seeds
from support.device import build

from pqk import boards, firmware, tools

LARGEST = "cortex-m55"
"""Has every instruction that any core here has, so a snippet can be assembled for it and examined for another."""


def assembled(folder: Path, text: str, *flags: str) -> Path:
    source, target = folder / "snippet.s", folder / "snippet.o"
    source.write_text(f".syntax unified\n.thumb\nsnippet:\n{text}\n")
    tools.run([firmware.COMPILER, *flags, "-mthumb", "-c", str(source), "-o", str(target)])
    return target


def compiled(folder: Path, core: str, text: str) -> Path:
    source, target = folder / "snippet.c", folder / "snippet.o"
    source.write_text(text)
    flags = [f"-mcpu={core}", "-mthumb", "-mfloat-abi=soft", "-O2", "-ffreestanding"]
    tools.run([firmware.COMPILER, *flags, "-c", str(source), "-o", str(target)])
    return target


# ---- what is built here ----


@pytest.mark.parametrize("name", boards.names())
def test_firmware_has_only_what_the_core_has(name: str, tmp_path: Path) -> None:
    board = boards.load(name)
    elf = build(tmp_path, board).elf
    assert len(list(instructions.instructions(elf))) > 500
    assert [str(found) for found in instructions.foreign(elf, board.cpu)] == []


@pytest.mark.parametrize("name", boards.names())
def test_so_has_a_generated_network(name: str, tmp_path: Path) -> None:
    board = boards.load(name)
    planned = plan(every_kind_of_layer(), board.cpu)
    generate(planned, tmp_path / "generated")
    elf = firmware.compile_firmware(board, tmp_path / "generated", tmp_path / "firmware").elf
    assert {layer.function for layer in planned.layers} & functions(elf)
    assert [str(found) for found in instructions.foreign(elf, board.cpu)] == []


def every_kind_of_layer() -> Network:
    """Small, with dense and sparse convolutions of 4 and 8 bits, a strided one, a residual, mean and classifier."""
    builder = networks.Builder(seeds.fresh("network"), (1, 21, 14))
    residual = builder.conv(4, sparsity=0.0, pool=(2, 2))
    builder.conv(4, sparsity=0.9)
    builder.bits = 8
    builder.conv(4, sparsity=0.9)
    builder.add(residual)
    builder.conv(6, kernel=(1, 1), padding=(0, 0, 0, 0), sparsity=0.8)
    builder.conv(6, stride=(2, 2), sparsity=0.8)
    return builder.finish(("a", "b", "c"))


def functions(elf: Path) -> set[str]:
    return {instruction.function for instruction in instructions.instructions(elf)}


# ---- the check can fail ----


FOREIGN = [
    ("cortex-m0", "mla r0, r1, r2, r3", "mla"),
    ("cortex-m0", "movw r0, #1000", "movw"),
    ("cortex-m0", "add.w r0, r1, r2", "add"),
    ("cortex-m0", "ldr.w r0, [r1, #256]", "ldr"),
    ("cortex-m0", "it eq\nmoveq r0, r1", "it"),
    ("cortex-m0", "cbz r0, 1f\nnop\nnop\n1:", "cbz"),
    ("cortex-m0", "b.w snippet", "b"),
    ("cortex-m0", "udiv r0, r1, r2", "udiv"),
    ("cortex-m0", "cpsid f", "cpsid"),
    ("cortex-m0", "msr basepri, r0", "msr"),
    ("cortex-m0", "umull r0, r1, r2, r3", "umull"),
    ("cortex-m0plus", "ldrd r0, r1, [r2]", "ldrd"),
    ("cortex-m3", "smlawb r0, r1, r2, r3", "smlawb"),
    ("cortex-m3", "uxtab16 r0, r1, r2", "uxtab16"),
    ("cortex-m3", "uxtb16 r0, r1", "uxtb16"),
    ("cortex-m3", "pkhtb r0, r1, r2, asr #16", "pkhtb"),
    ("cortex-m3", "usat16 r0, #7, r1", "usat16"),
    ("cortex-m3", "smlalbt r0, r1, r2, r3", "smlalbt"),
    ("cortex-m3", "smlald r0, r1, r2, r3", "smlald"),
    ("cortex-m3", "smlad r0, r1, r2, r3", "smlad"),
    ("cortex-m3", "it ne\nuadd8ne r0, r1, r2", "uadd8ne"),
    ("cortex-m3", "umaal r0, r1, r2, r3", "umaal"),
    ("cortex-m4", "vadd.f32 s0, s1, s2", "vadd.f32"),
    ("cortex-m4", "vmov s0, r0", "vmov"),
    ("cortex-m4", "sg", "sg"),
    ("cortex-m7", "csel r0, r1, r2, eq", "csel"),
    ("cortex-m7", "lda r0, [r1]", "lda"),
    ("cortex-m33", "vmla.s16 q0, q1, r2", "vmla.s16"),
    ("cortex-m33", "vmul.f32 s0, s1, s2", "vmul.f32"),
    ("cortex-m33", "1: dls lr, r0\nle lr, 1b", "dls"),
    ("cortex-m55", "vadd.f32 q0, q1, q2", "vadd.f32"),
    ("cortex-m55", "vmul.f64 d0, d1, d2", "vmul.f64"),
]


@pytest.mark.parametrize(("core", "text", "mnemonic"), FOREIGN)
def test_a_foreign_instruction_is_found(core: str, text: str, mnemonic: str, tmp_path: Path) -> None:
    path = assembled(tmp_path, text, f"-mcpu={LARGEST}", "-mfloat-abi=hard")
    found = instructions.foreign(path, core)
    assert mnemonic in [instruction.mnemonic for instruction in found]
    assert f"in snippet: {mnemonic}" in str(next(one for one in found if one.mnemonic == mnemonic))


OWN = {
    "cortex-m0": """ldmia r0!, {r1, r2, r3}\n muls r1, r2\n add r8, r1\n mov r1, r8\n bl snippet\n beq snippet\n
        mrs r0, primask\n msr primask, r0\n cpsid i\n dsb\n dmb\n isb\n uxtb r0, r1\n rsbs r0, r1, #0\n udf #0\n wfi""",
    "cortex-m3": """mla r0, r1, r2, r3\n smlal r0, r1, r2, r3\n umull r0, r1, r2, r3\n usat r0, #7, r1
        ubfx r0, r1, #1, #2\n ite eq\n moveq r0, r1\n addne r0, r0, #1\n cbz r0, 1f\n 1: ldrd r0, r1, [r2]
        udiv r0, r1, r2\n msr basepri, r0
        sxtb.w r0, r1, ror #8\n ldm r0, {r1-r8}\n add.w r0, r1, r2, lsl #3\n tbb [pc, r0]\n movt r0, #1\n clz r0, r1""",
    "cortex-m4": """smlawb r0, r1, r2, r3\n pkhtb r0, r1, r2, asr #16\n usat16 r0, #7, r1\n smlad r0, r1, r2, r3
        uxtab16 r0, r1, r2, ror #8\n smlaltt r0, r1, r2, r3\n uhadd8 r0, r1, r2\n qsub16 r0, r1, r2\n sel r0, r1, r2
        it eq\n smlabbeq r0, r1, r2, r3\n smulwt r0, r1, r2\n smmulr r0, r1, r2""",
    "cortex-m33": "sg\n lda r0, [r1]\n tt r0, r1\n smlad r0, r1, r2, r3\n stlh r0, [r1]",
    "cortex-m55": """vldrb.s16 q0, [r0]\n vmla.s16 q1, q0, r1\n dlstp.16 lr, r0\n 1: vstrb.16 q1, [r0]\n letp lr, 1b
        vmov.32 q0[0], r0\n vpush {d8}\n csel r0, r1, r2, eq\n lsll r0, r1, #2\n vqrshrnb.s32 q0, q1, #3""",
}


@pytest.mark.parametrize("core", OWN)
def test_a_cores_own_instructions_pass(core: str, tmp_path: Path) -> None:
    abi = "hard" if core == LARGEST else "soft"
    path = assembled(tmp_path, OWN[core], f"-mcpu={core}", f"-mfloat-abi={abi}")
    assert [str(found) for found in instructions.foreign(path, core)] == []


def test_what_a_larger_core_adds_is_foreign_to_the_smaller(tmp_path: Path) -> None:
    for smaller, larger in itertools.pairwise(OWN):
        path = assembled(tmp_path, OWN[larger], f"-mcpu={LARGEST}", "-mfloat-abi=hard")
        assert instructions.foreign(path, smaller), (smaller, larger)


def test_an_instruction_hidden_in_inline_assembly_is_found(tmp_path: Path) -> None:
    """The object says ARMv6-M and the assembler was told nothing else; the encoding is SMLAWB's."""
    path = compiled(tmp_path, "cortex-m0", 'void f(void) { __asm volatile(".inst.w 0xfb313203"); }')
    assert instructions.foreign(path, "cortex-m0")
    path = compiled(tmp_path, "cortex-m3", 'void f(void) { __asm volatile(".inst.w 0xfb313203"); }')
    assert instructions.foreign(path, "cortex-m3")


def test_c_for_a_larger_core_is_found(tmp_path: Path) -> None:
    text = "int f(int a, int b, int c) { return (short)a * (short)b + c; }"
    path = compiled(tmp_path, "cortex-m4", text)
    assert [found.mnemonic for found in instructions.foreign(path, "cortex-m3")] == ["smlabb"]
    assert instructions.foreign(path, "cortex-m4") == []
    assert instructions.foreign(compiled(tmp_path, "cortex-m3", text), "cortex-m3") == []


def test_data_is_no_instruction(tmp_path: Path) -> None:
    text = "ldr r0, =0xfb313203\nbx lr\n.ltorg\n.word 0xfb313203\n.short 0xfb31\n.byte 1, 2"
    path = assembled(tmp_path, text, "-mcpu=cortex-m0")
    assert [one.mnemonic for one in instructions.instructions(path)] == ["ldr", "bx"]


def test_nothing_to_examine_is_an_error(tmp_path: Path) -> None:
    path = assembled(tmp_path, "", "-mcpu=cortex-m0")
    with pytest.raises(ValueError, match="has no instructions"):
        instructions.foreign(path, "cortex-m0")
    with pytest.raises(ValueError, match="no instruction set is known for 'cortex-m99'"):
        instructions.foreign(path, "cortex-m99")


def test_every_boards_core_is_known() -> None:
    assert {boards.load(name).cpu for name in boards.names()} <= instructions.CORES.keys()
