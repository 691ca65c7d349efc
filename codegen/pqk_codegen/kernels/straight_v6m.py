"""Straight-line code of ARMv6-M's instructions: a short list of them, printed as Thumb assembly and as plain C.

As in `straight`, both texts come from the same list. r3 walks through the input words and r12 through the output; in C
they are bytes from the first input and output word. Words are multiplied in r0 - r7, the only registers for that.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pqk_codegen.cycles import Cost, block
from pqk_codegen.kernels.base import Site
from pqk_codegen.kernels.scaling import short_scaling
from pqk_codegen.kernels.straight import Tile, tile_name

SMALL = 255  # largest immediate
BRANCH = 120  # instructions that a conditional branch reaches over
FLAGS = 0x8000  # of a lane; a lane that has it is not negative


class Instruction(ABC):
    """A few processor instructions that belong together."""

    @abstractmethod
    def assembly(self) -> list[str]:
        """Thumb, unified syntax. "@ taken" marks branches that mostly are."""

    @abstractmethod
    def c(self) -> str:
        """C statements; registers are variables of type uint32_t."""

    def listing(self) -> list[str]:
        """What is executed, for `cycles.block`."""
        return [line for line in self.assembly() if not line.startswith(".")]

    @property
    def literals(self) -> int:
        """Constants kept behind the code."""
        return 0


@dataclass(frozen=True)
class Set(Instruction):
    """A low register becomes value (modulo 2^32)."""

    name: str
    value: int

    def assembly(self) -> list[str]:
        value = self.value % 2**32
        return [f"movs {self.name}, #{value}" if value <= SMALL else f"ldr {self.name}, ={value:#x}"]

    def c(self) -> str:
        return f"{self.name} = {self.value % 2**32}u;"

    @property
    def literals(self) -> int:
        return int(self.value % 2**32 > SMALL)


@dataclass(frozen=True)
class Move(Instruction):
    """target = source; one of them an upper register."""

    target: str
    source: str

    def assembly(self) -> list[str]:
        return [f"mov {self.target}, {self.source}"]

    def c(self) -> str:
        return f"{self.target} = {self.source};"


@dataclass(frozen=True)
class Point(Instruction):
    """r3 = the input's first word."""

    def assembly(self) -> list[str]:
        return ["ldr r3, [sp]"]

    def c(self) -> str:
        return "r3 = 0;"


@dataclass(frozen=True)
class Advance(Instruction):
    """r3 moves by so many bytes."""

    distance: int

    def assembly(self) -> list[str]:
        name, left, lines = "adds" if self.distance > 0 else "subs", abs(self.distance), []
        while left:
            lines.append(f"{name} r3, #{min(left, SMALL)}")
            left -= min(left, SMALL)
        return lines

    def c(self) -> str:
        return f"r3 += {self.distance % 2**32}u;"


@dataclass(frozen=True)
class Load(Instruction):
    """Words at r3 into registers of ascending number; r3 moves behind them."""

    registers: Sequence[str]

    def assembly(self) -> list[str]:
        return [f"ldmia r3!, {{{', '.join(self.registers)}}}"]

    def c(self) -> str:
        return " ".join(f"{name} = input[r3 / 4]; r3 += 4;" for name in self.registers)


@dataclass(frozen=True)
class Multiply(Instruction):
    """name *= factor."""

    name: str
    factor: str

    def assembly(self) -> list[str]:
        return [f"muls {self.name}, {self.factor}"]

    def c(self) -> str:
        return f"{self.name} *= {self.factor};"


@dataclass(frozen=True)
class Add(Instruction):
    """target += value; one of them may be an upper register."""

    target: str
    value: str

    def assembly(self) -> list[str]:
        return [f"add {self.target}, {self.value}"]

    def c(self) -> str:
        return f"{self.target} += {self.value};"


@dataclass(frozen=True)
class Subtract(Instruction):
    """target -= value."""

    target: str
    value: str

    def assembly(self) -> list[str]:
        return [f"subs {self.target}, {self.target}, {self.value}"]

    def c(self) -> str:
        return f"{self.target} -= {self.value};"


@dataclass(frozen=True)
class ShiftRight(Instruction):
    """target = source >> bits, without a sign."""

    target: str
    source: str
    bits: int

    def assembly(self) -> list[str]:
        if self.bits == 0:
            return [] if self.target == self.source else [f"movs {self.target}, {self.source}"]
        return [f"lsrs {self.target}, {self.source}, #{self.bits}"]

    def c(self) -> str:
        return f"{self.target} = {self.source} >> {self.bits};"


@dataclass(frozen=True)
class LowerLane(Instruction):
    """target = source & 0xFFFF."""

    target: str
    source: str

    def assembly(self) -> list[str]:
        return [f"uxth {self.target}, {self.source}"]

    def c(self) -> str:
        return f"{self.target} = {self.source} & 0xFFFFu;"


@dataclass(frozen=True)
class Rectify(Instruction):
    """Lanes above FLAGS lose that, others become 0. r5 = 0x10001, r6 = FLAGS - 1, scratch r4."""

    name: str

    def assembly(self) -> list[str]:
        return [f"lsrs r4, {self.name}, #15", "ands r4, r5", "muls r4, r6", f"ands {self.name}, r4"]

    def c(self) -> str:
        return f"{self.name} &= ({self.name} >> 15 & r5) * r6;"


@dataclass(frozen=True)
class Limit(Instruction):
    """name = min(name, most)."""

    name: str
    most: int

    def assembly(self) -> list[str]:
        return [f"cmp {self.name}, #{self.most}", "bls 2f @ taken", f"movs {self.name}, #{self.most}", "2:"]

    def c(self) -> str:
        return f"{self.name} = {self.name} < {self.most}u ? {self.name} : {self.most}u;"

    def listing(self) -> list[str]:
        return self.assembly()[:2]


@dataclass(frozen=True)
class StoreLanes(Instruction):
    """The word of lanes low and high goes to r12, which moves on to the next plane."""

    low: str
    high: str
    plane: int

    def assembly(self) -> list[str]:
        low, high = self.low, self.high
        lines = [f"lsls {high}, {high}, #16", f"orrs {high}, {low}", "mov r3, r12", f"str {high}, [r3]"]
        return [*lines, *Set("r3", self.plane).assembly(), "add r12, r3"]

    def c(self) -> str:
        return f"output[r12 / 4] = {self.low} | {self.high} << 16; r12 += {self.plane}u;"

    @property
    def literals(self) -> int:
        return Set("r3", self.plane).literals


@dataclass(frozen=True)
class Repeat(Instruction):
    """`body`, `count` times, until r3 is lr."""

    body: Sequence[Instruction]
    count: int

    def assembly(self) -> list[str]:
        inside = _lines(self.body)
        back = ["bne 1b"] if len(inside) < BRANCH else ["beq 1f", "b 1b", "1:"]
        return ["1:", *inside, "cmp r3, lr", *back]

    def c(self) -> str:
        return "do { " + " ".join(instruction.c() for instruction in self.body) + " } while (r3 != lr);"

    def listing(self) -> list[str]:
        inside = [line for instruction in self.body for line in instruction.listing()]
        return [f".rept {self.count}", *inside, "cmp r3, lr", "bne 1b @ taken", ".endr"]

    @property
    def literals(self) -> int:
        return sum(instruction.literals for instruction in self.body)


@dataclass(frozen=True)
class Literals(Instruction):
    """The constants that the code before needs, which must not be far."""

    def assembly(self) -> list[str]:
        return ["b 3f", ".ltorg", "3:"]

    def c(self) -> str:
        return ""


ENTER = (
    "push {r4-r7, lr}",
    "mov r4, r8",
    "mov r5, r9",
    "mov r6, r10",
    "mov r7, r11",
    "push {r4-r7}",
    "sub sp, #4",
    "str r0, [sp]",
    "mov r12, r1",
)
LEAVE = (
    "add sp, #4",
    "pop {r4-r7}",
    "mov r8, r4",
    "mov r9, r5",
    "mov r10, r6",
    "mov r11, r7",
    "pop {r4-r7, pc}",
)


def printed(site: Site, code: Sequence[Instruction]) -> Tile:
    """The code of a site's tile, printed."""
    name = tile_name(site)
    return Tile(name, cost(code, site.wait_states), function(name, code), size(code))


def cost(code: Sequence[Instruction], wait_states: int) -> Cost:
    """Cost of a call."""
    inside = [line for instruction in code for line in instruction.listing()]
    return block("\n".join((*ENTER, *inside, *LEAVE)), wait_states=wait_states)


def size(code: Sequence[Instruction]) -> int:
    """Bytes of code and literals, about."""
    lines = [line for line in _lines(code) if not line.startswith(".") and not line.endswith(":")]
    return 2 * (len(ENTER) + len(lines) + len(LEAVE)) + 4 * sum(instruction.literals for instruction in code)


def function(name: str, code: Sequence[Instruction]) -> str:
    """C text of `static void name(const uint32_t *input, uint32_t *output)`, as assembly and as plain C."""
    lines = (".syntax unified", *ENTER, *_lines(code), *LEAVE, ".ltorg")
    assembly = "\n".join(f'        "{line.partition(" @")[0]}\\n"' for line in lines)
    statements = "\n".join(f"    {text}" for text in (instruction.c() for instruction in code) if text)
    names = [*(f"r{i}" for i in range(12)), "lr"]
    unused = " ".join(f"(void){register};" for register in names)
    return f"""#if defined(__thumb__)
__attribute__((naked)) static void {name}(__attribute__((unused)) const uint32_t *input,
                                          __attribute__((unused)) uint32_t *output) {{
    __asm(
{assembly}
    );
}}
#else
static void {name}(const uint32_t *input, uint32_t *output) {{
    uint32_t {", ".join(names)}, r12 = 0;
{statements}
    {unused} (void)input;
}}
#endif"""


def _lines(code: Sequence[Instruction]) -> list[str]:
    return [line for instruction in code for line in instruction.assembly()]


def scaled(names: Sequence[str], total: int, multiplier: int, maximum: int) -> Iterator[Instruction]:
    """Each name = min((name * multiplier + 2^31) >> 32, maximum) for 0 <= name <= total < 2^20; scratch r2 - r7."""
    if short := short_scaling(total, multiplier, maximum):
        yield Set("r4", short.multiplier)
        yield Set("r7", short.rounding)
        for name in names:
            yield Multiply(name, "r4")
            yield Add(name, "r7")
            yield ShiftRight(name, name, short.shift)
    else:
        yield from _scaled_in_pieces(names, total, multiplier)
    if (total * multiplier + 2**31) >> 32 > maximum:
        yield from (Limit(name, maximum) for name in names)


def _scaled_in_pieces(names: Sequence[str], total: int, multiplier: int) -> Iterator[Instruction]:
    """The multiplier is taken in pieces, from the lowest up.

    Each product is added to what is left, shifted, of those before. What a shift drops is below every later piece's
    unit, so that the last one drops what a single shift of the whole product would.
    """
    pieces = _pieces(total, multiplier)
    factors = ("r4", "r5", "r6")[: len(pieces)]
    for register, (piece, _) in zip(factors, pieces, strict=True):
        yield Set(register, piece)
    rest = 32 - sum(bits for _, bits in pieces)
    yield Set("r7", 2 ** (rest - 1))
    for name in names:
        for index, (register, (_, bits)) in enumerate(zip(factors[:-1], pieces, strict=False)):
            product = "r2" if index else "r3"
            yield ShiftRight(product, name, 0)
            yield Multiply(product, register)
            if index:
                yield Add(product, "r3")
            yield ShiftRight("r3", product, bits)
        yield Multiply(name, factors[-1])
        yield Add(name, "r3")
        yield Add(name, "r7")
        yield ShiftRight(name, name, rest)


def _pieces(total: int, multiplier: int) -> list[tuple[int, int]]:
    """At least two pieces of the multiplier, lowest first, and the bits that are shifted out after each.

    The last one, of which nothing is shifted out, leaves room for the rounding.
    """
    room = 32 - total.bit_length()
    pieces: list[tuple[int, int]] = []
    while not pieces or multiplier >> room:
        pieces.append((multiplier & ((1 << room) - 1), room))
        multiplier >>= room
        room = min(room, 31 - total.bit_length())
    return [*pieces, (multiplier, 0)]
