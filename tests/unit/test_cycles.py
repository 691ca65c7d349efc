"""The cycle model: each rule of the Cortex-M4 manual on its own, then a loop worked by hand."""

import pytest
from pqk_codegen.cycles import DIVIDE, REFILL, Cost, ListingError, block, from_objdump
from support.seeds import fresh

P = REFILL


def lines(text: str) -> str:
    """A listing of instructions separated by semicolons, which `block` itself takes for comments."""
    return text.replace(";", "\n")


def cycles(text: str, **options: int) -> float:
    return block(lines(text), **options).cycles


# The first seven are the examples of the manual's load/store timings (Arm 100166, 3.3.2), and what it says beside them.
RULES = {
    "two loads": ("ldr r0, [r1]; ldr r1, [r2]", 3),
    "load, store": ("ldr r0, [r1, r2]; str r0, [r3, #20]", 3),
    "load, store with register offset": ("ldr r0, [r1, r2]; str r1, [r3, r2]", 3),
    "three loads": ("ldr r0, [r1, r5]; ldr r1, [r2]; ldr r2, [r3, #4]", 4),
    "three registers loaded": ("ldm r0, {r1, r2, r3}", 4),
    "eight registers stored": ("stmia r0!, {r1-r8}", 9),
    "doubleword": ("ldrd r0, r1, [r2]", 3),
    "doubleword stored": ("strd r0, r1, [r2], #8", 3),
    "data processing": ("add r1, r2, r3, lsl #2", 1),
    "multiply": (
        "mla r0, r1, r2, r0; smlal r0, r1, r2, r3; smulwb r0, r1, r2; smmulr r0, r1, r2; smlad r0,r1,r2,r3",
        5,
    ),
    "saturate, extend, pack": ("usat16 r0, #7, r1; sxtb16 r2, r3; pkhtb r0, r1, r2, asr #16; uadd8 r0, r1, r2", 4),
    "divide": ("sdiv r0, r1, r2; udiv r0, r1, r2", 2 * DIVIDE),
    "load": ("ldrsb r0, [r1]", 2),
    "literal": ("ldr r0, =0x12345678", 2),
    "store": ("strh r0, [r1, #2]", 1),
    "store with register offset": ("strb r0, [r1, r2, lsl #2]", 2),
    "load with its address loaded": ("ldr r0, [r1]; ldr r2, [r0]", 4),
    "load with its index loaded": ("ldr r0, [r1]; ldr r2, [r3, r0, lsl #2]", 4),
    "store with its index loaded": ("ldr r0, [r1]; str r2, [r3, r0]", 4),
    "load from a base written back": ("ldr r0, [r1], #4; ldr r2, [r1]", 4),
    "load from a base written back before": ("ldr r0, [r1, #4]!; ldr r2, [r1]", 4),
    "load over its own base": ("ldr r1, [r1]; ldr r2, [r3]", 3),
    "nothing after a store": ("str r0, [r1]; ldr r2, [r3]", 3),
    "nothing beside a doubleword": ("ldr r0, [r1]; ldrd r2, r3, [r4]; ldr r5, [r6]", 7),
    "nothing beside a list": ("ldr r0, [r1]; ldmia r2!, {r3, r4}; ldr r5, [r6]", 7),
    "a load that another instruction parts": ("ldr r0, [r1]; nop; ldr r2, [r3]", 5),
    "address computed just before": ("add r1, r1, #4; ldr r0, [r1]", 4),
    "address computed just before, stored to": ("add r1, r1, #4; str r0, [r1]", 3),
    "address computed just before, by another name": ("add ip, r1, #4; ldr r0, [r12]", 4),
    "high half of a long product as address": ("smull r0, r1, r2, r3; ldr r4, [r1]", 4),
    "list at an address computed just before": ("subs r1, #4; ldmdb r1!, {r2, r3}", 5),
    "stack pointer computed just before": ("sub sp, #8; push {r4, lr}", 5),
    "address computed earlier": ("add r1, r1, #4; nop; ldr r0, [r1]", 4),
    "a stored value is no address": ("add r0, r1, #4; str r0, [r1]", 2),
    "a comparison writes nothing": ("cmp r1, #4; ldr r0, [r1]", 3),
    "push": ("push {r4-r7, lr}", 6),
    "pop": ("pop {r4, r5}", 3),
    "return by pop": ("pop {r4, pc}", 3 + P),
    "return by ldmia": ("ldmia.w sp!, {r4-r6, pc}", 5 + P),
    "load into pc": ("ldr r0, [r1]; ldr pc, [r2]", 4 + P),
    "move into pc": ("mov pc, lr", 1 + P),
    "branches": ("b somewhere; bl somewhere; bx lr; blx r3", 4 * (1 + P)),
    "branch not taken": ("bne somewhere; cbz r0, somewhere; bls.n somewhere; blt somewhere", 4),
    "table branch": ("tbb [pc, r0]", 3 + P),
    "if-then": ("itte eq; moveq r0, r1; ldreq r0, [r2]; movne r0, r3", 5),
    "conditional return not taken": ("it ne; bxne lr", 2),
}


@pytest.mark.parametrize("name", RULES)
def test_rule(name: str) -> None:
    text, expected = RULES[name]
    assert block(lines(text)) == Cost(text.count(";") + 1, expected)


@pytest.mark.parametrize("branch", ["bne loop", "bhs.w loop", "cbnz r0, loop", "popeq {r4, pc}"])
def test_a_marked_branch_is_taken(branch: str) -> None:
    not_taken = 1
    taken = 3 + P if "pop" in branch else 1 + P
    assert block(branch).cycles == block(f"{branch}  @ never taken").cycles == not_taken
    assert block(f"{branch}  @ taken, 7 times of 8").cycles == taken


def test_refill() -> None:
    assert [cycles("b somewhere", refill=refill) for refill in (1, 2, 3)] == [2, 3, 4]


def test_a_loop_worked_by_hand() -> None:
    """The inner loop of a lane kernel: a stream of (weight, offset), four words of activations a nonzero weight."""
    loop = """
    loop:                              @ cycles
        ldrsh   r6, [r0], #2           @ 2  the weight
        ldrh    r7, [r0], #2           @ 2  not pipelined: its base is written back just before
        add     r7, r1                 @ 1  address of the activations
        ldr     r8, [r7]               @ 3  the address comes from the instruction before
        ldr     r9, [r7, #4]           @ 1  pipelined
        ldr     r10, [r7, #8]          @ 1
        ldr     r11, [r7, #12]         @ 1
        mla     r2, r6, r8, r2         @ 1
        mla     r3, r6, r9, r3         @ 1
        mla     r4, r6, r10, r4        @ 1
        mla     r5, r6, r11, r5        @ 1
        cmp     r0, lr                 @ 1
        bne     loop                   @ taken: 1 + P
    """
    once = block(loop)
    assert once == Cost(13, 17 + P)
    last = block(loop.replace("@ taken", "@"))
    assert 9 * once + last == Cost(130, 10 * 17 + 9 * P)
    assert block(f".rept 10\n{loop}\n.endr") == 10 * once


def test_empty_lines_comments_and_labels_cost_nothing() -> None:
    text = "\n  @ comment\n// comment\n; comment\nstart:\n.L3:\n1: MOVS R0, #1 // one\n  nop ; two\n\n"
    assert block(text) == Cost(2, 2)
    assert block("") == Cost(0, 0)


# ---- repeats ----


def test_repeats_are_written_out() -> None:
    rng = fresh("repeats")
    outer, inner = (int(n) for n in rng.integers(0, 9, 2))
    text = f".rept {outer}\nldr r0, [r1]\n.rept {inner}\nmla r2, r3, r4, r2\n.endr\nstr r0, [r1]\n.endr"
    assert block(text) == Cost(outer * (inner + 2), outer * (2 + inner + 1))


def test_neighbours_see_each_other_across_repeats() -> None:
    assert block(".rept 5\nldr r0, [r1]\n.endr") == Cost(5, 6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".rept 3\nnop", "rept without .endr"),
        ("nop\n.endr", "line 2, '.endr'"),
        (".rept\nnop\n.endr", "line 1, '.rept'"),
        (".rept x\nnop\n.endr", "line 1, '.rept x'"),
    ],
)
def test_broken_repeats(text: str, message: str) -> None:
    with pytest.raises(ListingError, match=message):
        block(text)


# ---- what cannot be counted ----


@pytest.mark.parametrize(
    "line", ["vmla.f32 s0, s1, s2", "frobs r0, r1", "addxx r0, r1", "cmps r0, r1", "add.q r0, r1", ".word 3", "ldr.n"]
)
def test_unknown_lines_are_named(line: str) -> None:
    with pytest.raises(ListingError, match=rf"^line 3, '{line}.*': ") as caught:
        block(f"nop\n\n  {line}  @ here\nnop")
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("line", ["mla", "ldr", "push", "push r4", "ldm {r1}", "stm r0"])
def test_registers_missing(line: str) -> None:
    with pytest.raises(ListingError, match="registers are missing"):
        block(line)


def test_only_branches_are_taken() -> None:
    with pytest.raises(ListingError, match=r"line 1, .*no branch"):
        block("adds r0, #1 @ taken")


# ---- wait states ----


def test_prefetch_hides_what_the_line_took() -> None:
    """Eight narrow or four wide instructions a line; moving on waits for what is left of 1 + wait states."""
    for wait_states in range(10):
        assert cycles(".rept 24; movs r0, #1; .endr", wait_states=wait_states) == 24 + 2 * max(0, wait_states + 1 - 8)
        wide = ".rept 12; mla r0, r1, r2, r0; .endr"
        assert cycles(wide, wait_states=wait_states) == 12 + 2 * max(0, wait_states + 1 - 4)
        loads = ".rept 12; ldrd r0, r1, [r2]; .endr"
        assert cycles(loads, wait_states=wait_states) == 36 + 2 * max(0, wait_states + 1 - 12)


def test_an_instruction_across_two_lines_waits_for_the_second() -> None:
    text = ".rept 7; movs r0, #1; .endr; mla r0, r1, r2, r0"
    assert cycles(text, wait_states=9) == 8 + 3
    assert cycles(f"{text}; .rept 7; movs r0, #1; .endr", wait_states=9) == 15 + 3
    assert cycles(f"{text}; .rept 8; movs r0, #1; .endr", wait_states=9) == 16 + 3 + 2


def test_a_taken_branch_waits_and_starts_a_line() -> None:
    assert cycles("b somewhere; bx lr", wait_states=5) == 2 * (1 + P + 5)
    assert cycles("bne somewhere", wait_states=5) == 1
    assert cycles(".rept 3; nop; nop; nop; nop; b next; .endr", wait_states=5) == 3 * (5 + P + 5)


def test_widths() -> None:
    """`wide` of four instructions crosses a line at the fifth, `narrow` does not."""
    narrow = ["adds r0, r1, #1", "moveq r0, #1", "mov r8, r9", "cmp r0, #1", "str r0, [sp, #4]", "mla.n r0, r1, r2, r0"]
    wide = ["add r0, r1, #1", "moveq r8, #1", "movs r8, r9, lsl #1", "ldr r8, [r1]", "ldr r0, [r1], #4", "nop.w"]
    for sizes, stalls in ((narrow, False), (wide, True)):
        for line in sizes:
            repeated = f".rept 5; {line}; .endr"
            assert (cycles(repeated, wait_states=40) > cycles(repeated)) == stalls, line


# ---- arithmetic and objdump ----


def test_costs_add_and_scale() -> None:
    one, two = Cost(1, 2), Cost(10, 20.5)
    assert one + two == sum([one, two]) == Cost(11, 22.5)
    assert 3 * one == one * 3 == Cost(3, 6)
    assert one * 0.5 == Cost(0.5, 1.0)


OBJDUMP = """
x.o:     file format elf32-littlearm

Disassembly of section .text:

00000000 <main>:
   0:\tfb01 0002 \tmla\tr0, r1, r2, r0
   4:\tc93c      \tldmia\tr1!, {r2, r3, r4, r5}
   6:\tf851 0f04 \tldr.w\tr0, [r1, #4]!
   a:\t4801      \tldr\tr0, [pc, #4]\t@ (10 <main+0x10>)
   c:\td1f8      \tbne.n\t0 <main>
   e:\tbf00      \tnop
  10:\t12345678 \t.word\t0x12345678
"""


def test_objdumps_text() -> None:
    listing = from_objdump(OBJDUMP)
    names = ["mla.w", "ldmia.n", "ldr.w", "ldr.n", "bne.n", "nop.n"]
    assert [line.split()[0] for line in listing.splitlines()] == names
    assert block(listing) == Cost(6, 1 + 5 + 2 + 1 + 1 + 1)
