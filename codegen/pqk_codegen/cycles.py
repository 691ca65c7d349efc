"""Instruction counts and modelled Cortex-M4 cycles of listings of Thumb-2 instructions, before anything runs.

Sources: "Arm Cortex-M4 Processor Technical Reference Manual" (Arm 100166, earlier DDI 0439), the table of processor
instructions (3.3.1) for the cycles of an instruction alone, and the load/store timings (3.3.2) for what neighbours do
to each other. A model, not silicon: 5-10 % is realistic for integer code at zero wait states.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

# Cycles of a pipeline refill, the manual's P: 1 to 3 "depending on the alignment and width of the target instruction".
REFILL = 2
# The manual gives 2 to 12 by the operands' values, which a listing does not know: the middle.
DIVIDE = 7
# Bytes of the flash lines that ST's ART accelerator and its likes fetch.
LINE = 16

Kind = Literal["alu", "load", "store", "double", "multiple", "branch", "table"]

# Patterns of whole mnemonics, without condition, width and S.
_FLAG_SETTING = "adc|add|and|asr|bic|eor|lsl|lsr|mov|mul|mvn|neg|orn|orr|ror|rrx|rsb|sbc|sub"
_COMPARES = "cmp|cmn|tst|teq"
_TWO_RESULTS = "[su]mull|[su]mlal|umaal|smlal[bt][bt]|sml[as]ldx?"
_KINDS: dict[Kind, str] = {
    "alu": f"{_FLAG_SETTING}|{_COMPARES}|{_TWO_RESULTS}|addw|adr|clz|movt|movw|nop|sel|subw|[su]div"
    "|bfc|bfi|[su]bfx|pkhbt|pkhtb|rbit|rev|rev16|revsh|usada?8|[su]sat(16)?|qd?add|qd?sub|[su]xta?(b|b16|h)"
    "|(s|q|sh|u|uq|uh)(add8|add16|sub8|sub16|asx|sax)"
    "|mla|mls|sm(ul|la)([bt][bt]|w[bt])|sm(la|ls|ua|us)dx?|smm(ul|la|ls)r?",
    "load": "ldr(s?[bh])?",
    "store": "str[bh]?",
    "double": "(ldr|str)d",
    "multiple": "push|pop|(ldm|stm)(ia|db|fd|ea)?",
    "branch": "b|bl|bx|blx|cbn?z",
    "table": "tb[bh]",
}
_CONDITION = "eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le"
# What has a 16-bit encoding for low registers; so has data processing, with S outside IT and without inside.
_NARROW = f"{_COMPARES}|rev|rev16|revsh|[su]xt[bh]|(ldr|str)[bh]?|push|pop|nop|(ldm|stm)(ia)?|b|bx|blx|cbn?z"

_REGISTERS = [f"r{i}" for i in range(13)] + ["sp", "lr", "pc"]
_ALIASES = {"sb": "r9", "sl": "r10", "fp": "r11", "ip": "r12", "r13": "sp", "r14": "lr", "r15": "pc"}
_REGISTER = re.compile(r"\b(r1[0-5]|r[0-9]|s[pbl]|lr|pc|fp|ip)\b")
_COMMENT = re.compile(r"@|//|;")
_LABEL = re.compile(r"^\s*[\w.$]+:")
_WIDE_OPERANDS = re.compile(r"\b(lsl|lsr|asr|ror|rrx)\b|\]\s*[!,]")
_OBJDUMP = re.compile(r"^\s*[0-9a-f]+:\s+((?:[0-9a-f]{4} )?[0-9a-f]{4})\s+([a-z]\w*)(?:\.[nw])?(.*)$")


class ListingError(ValueError):
    """A line of a listing that cannot be counted."""


@dataclass(frozen=True)
class Cost:
    """Executed instructions and modelled Cortex-M4 cycles; adds, scales and goes into `sum`."""

    instructions: float
    cycles: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.instructions + other.instructions, self.cycles + other.cycles)

    def __radd__(self, other: int) -> "Cost":
        """`sum` starts from 0."""
        return self if other == 0 else NotImplemented

    def __mul__(self, times: float) -> "Cost":
        return Cost(self.instructions * times, self.cycles * times)

    __rmul__ = __mul__


@dataclass(frozen=True)
class Instruction:
    """One instruction, as far as its timing goes.

    `size` in bytes; `writes` includes a base register written back; `address` holds what the address is computed from;
    `listed` is the length of a register list; `jumps` if it is a branch or writes pc, `taken` if it does so here.
    """

    base: str
    kind: Kind
    size: int
    writes: tuple[str, ...] = ()
    address: tuple[str, ...] = ()
    listed: int = 0
    jumps: bool = False
    taken: bool = False


def block(listing: str, *, wait_states: int = 0, refill: int = REFILL) -> Cost:
    """Cost of a listing executed once from top to bottom.

    Args:
        listing: unified Thumb assembly, an instruction a line. Comments (@, // and ;), blank lines and labels do not
            count; `.rept N` ... `.endr` repeats, nested if need be. A conditional branch whose comment starts with
            "taken" is taken, others are not; unconditional ones always are.
        wait_states: of the flash that the code runs from.
        refill: cycles to refill the pipeline after a taken branch, the manual's P.

    The rules (Arm 100166, 3.3.1 and 3.3.2), at zero wait states:
        Data processing and all multiplications 1, divisions `DIVIDE`; IT 1 (its folding is left out).
        Branches, and whatever writes pc, +`refill` when taken. A jump that is not taken is 1.
        LDR 2, STR 1, STR with register offset 2. After an LDR, LDR and STR with register offset lose a cycle, unless
        their address comes from it; nothing is pipelined after a store. A base written back counts as the LDR's
        result, which is pessimistic: the manual is silent.
        LDRD and STRD 3, LDM, STM, PUSH and POP 1 + N; none is pipelined. TBB, TBH 3 + `refill` (3.3.2; the table: 2).
        +1 for a load or store whose address comes from data processing directly before it.

    Wait states: flash is fetched in lines of 16 bytes, the next line while this one executes, so moving on to it costs
    max(0, wait_states + 1 - cycles spent in this line); a taken branch waits out all wait states. The listing and the
    targets of its branches are taken to start a line. Encodings are taken to be 16 bits wide where mnemonic and
    registers allow it, which ignores limits of immediates: write .n or .w, or use `from_objdump`, to be exact.

    Left out: an instruction cache (ART's keeps short loops: with wait states they are cheaper than this), data and
    literals in flash, unaligned data, bus contention, conditions that fail inside IT, floating point, system registers.

    Raises:
        ListingError: a line is none of these (its number and text are named), or a repeat is left open.
    """
    cycles, count, offset, in_line = 0, 0, 0, 0
    previous: Instruction | None = None
    for instruction in _instructions(listing):
        if offset + instruction.size > LINE:
            cycles += max(0, wait_states + 1 - in_line)
            offset, in_line = offset - LINE, 0
        own = _cycles(instruction, previous, refill)
        cycles, count, previous = cycles + own, count + 1, instruction
        offset, in_line = offset + instruction.size, in_line + own
        if instruction.taken:
            cycles += wait_states
            offset, in_line = 0, 0
    return Cost(count, cycles)


def from_objdump(text: str) -> str:
    """A listing for `block` of `objdump -d`'s text: its instructions, with the widths that were assembled."""
    rows = [row.groups() for row in map(_OBJDUMP.match, text.splitlines()) if row]
    return "\n".join(f"{name}.{'n' if len(code) == 4 else 'w'}{operands}" for code, name, operands in rows)


def _cycles(now: Instruction, previous: Instruction | None, refill: int) -> int:
    if now.jumps and not now.taken:
        return 1
    one = DIVIDE if now.base in ("sdiv", "udiv") else 1
    more = {"load": 2, "store": len(now.address), "double": 3, "multiple": 1 + now.listed, "table": 3}
    cycles = more.get(now.kind, one)
    if previous is not None:
        depends = bool(set(previous.writes) & set(now.address))
        if previous.kind == "alu":
            cycles += depends
        elif previous.kind == "load" and now.kind in ("load", "store") and not depends and not now.jumps:
            cycles = 1
    return cycles + refill * now.taken


def _instructions(listing: str) -> Iterator[Instruction]:
    """The listing's instructions with its repeats written out."""
    levels: list[tuple[int, list[Instruction]]] = [(1, [])]
    for number, line in enumerate(listing.splitlines(), start=1):
        words, marked = _words(line)
        match words:
            case [".rept", times] if times.strip().isdigit():
                levels.append((int(times), []))
            case [".endr"] if len(levels) > 1:
                count, body = levels.pop()
                levels[-1][1].extend(body * count)
            case [mnemonic, *operands]:
                try:
                    levels[-1][1].append(_parse(mnemonic, "".join(operands), marked))
                except ListingError as error:
                    raise ListingError(f"line {number}, '{line.strip()}': {error}") from None
    if len(levels) > 1:
        raise ListingError(".rept without .endr")
    yield from levels[0][1]


@cache
def _words(line: str) -> tuple[list[str], bool]:
    """Mnemonic and operands of a line, if it has them, and whether it is marked as taken. Code repeats its lines."""
    code, *comment = _COMMENT.split(line, maxsplit=1)
    marked = bool(comment and re.match(r"\s*taken\b", comment[0]))
    return _LABEL.sub("", code).lower().split(maxsplit=1), marked


@cache
def _parse(mnemonic: str, operands: str, marked: bool) -> Instruction:
    name, _, width = mnemonic.partition(".")
    if width not in ("", "n", "w"):
        raise ListingError(f"the model does not know '{mnemonic}'")
    if re.fullmatch("it[te]{0,3}", name):
        return Instruction("it", "alu", 2)
    base, kind, sets_flags, conditional = _split(name)
    if kind != "branch" and base != "nop" and not _expand(operands):
        raise ListingError("registers are missing")
    writes, address, listed = _registers(base, kind, operands)
    jumps = kind in ("branch", "table") or "pc" in writes
    if marked and not jumps:
        raise ListingError("marked as taken, but no branch")
    taken = jumps and (marked or not (conditional or base in ("cbz", "cbnz")))
    narrow = width == "n" if width else _is_narrow(base, sets_flags != conditional, operands)
    return Instruction(base, kind, 2 if narrow else 4, tuple(writes), tuple(address), listed, jumps, taken)


def _split(name: str) -> tuple[str, Kind, bool, bool]:
    """Base mnemonic, its kind, whether it has the S suffix, whether it has a condition."""
    for stem, condition in ((name, ""), (name[:-2], name[-2:])):
        if condition and not re.fullmatch(_CONDITION, condition):
            continue
        for kind, pattern in _KINDS.items():
            if re.fullmatch(pattern, stem):
                return stem, kind, False, bool(condition)
        if stem.endswith("s") and re.fullmatch(_FLAG_SETTING, stem[:-1]):
            return stem[:-1], "alu", True, bool(condition)
    raise ListingError(f"the model does not know '{name}'")


def _registers(base: str, kind: Kind, operands: str) -> tuple[list[str], list[str], int]:
    """Registers written, registers the address is computed from, and how many a list holds."""
    plain = _expand(operands.partition("[")[0])
    if kind == "alu":
        return plain[: 0 if re.fullmatch(_COMPARES, base) else 2 if re.fullmatch(_TWO_RESULTS, base) else 1], [], 0
    if kind == "branch":
        return [], [], 0
    if kind == "multiple":
        before, _, inner = operands.partition("{")
        listed = _expand(inner)
        on_stack = base in ("push", "pop")
        pointer = ["sp"] if on_stack else _expand(before)
        if not listed or not pointer:
            raise ListingError("registers are missing")
        loaded = listed if base == "pop" or base.startswith("ldm") else []
        return loaded + (pointer if on_stack or "!" in before else []), pointer, len(listed)
    inside = re.search(r"\[([^\]]*)\](.*)", operands)
    address = _expand(inside[1]) if inside else ["pc"]
    back = address[:1] if inside and inside[2].strip() else []
    return (plain if base.startswith("ldr") else []) + back, address, 0


def _expand(operands: str) -> list[str]:
    """Registers in the order of their mention, ranges written out, under their canonical names."""
    found: list[str] = []
    for part in operands.split(","):
        names = [_ALIASES.get(name, name) for name in _REGISTER.findall(part)]
        if len(names) == 2 and "-" in part:
            names = _REGISTERS[_REGISTERS.index(names[0]) : _REGISTERS.index(names[1]) + 1]
        found += names
    return found


def _is_narrow(base: str, flags_fit: bool, operands: str) -> bool:
    two_registers = base in ("add", "cmp", "mov") and "#" not in operands and operands.count(",") == 1
    encodable = re.fullmatch(f"{_NARROW}|{_FLAG_SETTING}" if flags_fit else _NARROW, base)
    low = not set(_expand(operands)) & set(_REGISTERS[8:13])
    return bool(two_registers or (encodable and low)) and not _WIDE_OPERANDS.search(operands)
