"""Straight-line code on lanes: a short list of instructions, printed as Thumb-2 assembly and as plain C.

Both texts come from the same list, so the host runs what the device runs. Registers are named as the processor names
them; r0 points to the tile's first input word and r1 to its first output word. Offsets are in bytes.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from pqk_codegen.cycles import Cost, block
from pqk_codegen.kernels.base import Invocation, Site
from pqk_codegen.kernels.geometry import compiled
from pqk_codegen.kernels.lanes import finishing_cost, lanes_expression, lanes_of

IMMEDIATE = 4096  # bytes that an offset in an instruction reaches
DOUBLE_IMMEDIATE = 1024  # in an LDRD
SEVEN = tuple(f"r{i}" for i in range(4, 11))
ROUND = 2**15  # half a unit in the upper 32 bits of a product, as SMLAWB adds it


class Instruction(ABC):
    """One or two processor instructions that belong together."""

    @abstractmethod
    def assembly(self) -> list[str]:
        """Thumb-2, with the DSP extension."""

    def executed(self) -> list[str]:
        """What is executed, as a listing for `pqk_codegen.cycles`."""
        return self.assembly()

    @abstractmethod
    def c(self) -> str:
        """A C statement; registers are variables of type uint32_t."""


@dataclass(frozen=True)
class Constant(Instruction):
    """name = value (modulo 2^32)."""

    name: str
    value: int

    def assembly(self) -> list[str]:
        value = self.value % 2**32
        if value < 256 or (value < 2**24 and value == (value & 0xFF) * 0x10001):
            return [f"mov {self.name}, #{value}"]
        if 2**32 - 1 - value < 256:
            return [f"mvn {self.name}, #{2**32 - 1 - value}"]
        low = [f"movw {self.name}, #{value & 0xFFFF}"]
        return low + ([f"movt {self.name}, #{value >> 16}"] if value >> 16 else [])

    def c(self) -> str:
        return f"{self.name} = {self.value % 2**32}u;"


@dataclass(frozen=True)
class Load(Instruction):
    """Consecutive input words into registers of ascending number; the first may serve for the address on the way."""

    registers: tuple[str, ...]
    offset: int

    def assembly(self) -> list[str]:
        first, offset = self.registers[0], self.offset
        if len(self.registers) == 1 and offset < IMMEDIATE:
            return [f"ldr {first}, [r0, #{offset}]"]
        if len(self.registers) == 2 and offset < DOUBLE_IMMEDIATE:
            return [f"ldrd {first}, {self.registers[1]}, [r0, #{offset}]"]
        listed = ", ".join(self.registers)
        if not offset:
            return [f"ldmia r0, {{{listed}}}"]
        if offset < IMMEDIATE:
            return [f"add {first}, r0, #{offset}", f"ldmia {first}, {{{listed}}}"]
        return [*Constant(first, offset).assembly(), f"add {first}, r0", f"ldmia {first}, {{{listed}}}"]

    def c(self) -> str:
        return " ".join(f"{name} = input[{self.offset // 4 + i}];" for i, name in enumerate(self.registers))


@dataclass(frozen=True)
class MultiplyAdd(Instruction):
    """target = word * weight + start."""

    target: str
    word: str
    weight: str
    start: str

    def assembly(self) -> list[str]:
        return [f"mla {self.target}, {self.word}, {self.weight}, {self.start}"]

    def c(self) -> str:
        return f"{self.target} = {self.word} * {self.weight} + {self.start};"


@dataclass(frozen=True)
class MultiplySeven(Instruction):
    """r4 .. r10 += seven consecutive input words * weight; r3, r11, r12 and lr are used up."""

    weight: str
    offset: int

    def assembly(self) -> list[str]:
        offset = self.offset
        address = (
            [f"add r3, r0, #{offset}"] if offset < IMMEDIATE else [*Constant("r3", offset).assembly(), "add r3, r0"]
        )
        first, second = ("r11", "r12", "lr"), ("r3", "r11", "r12", "lr")
        return [
            *address,
            f"ldmia r3!, {{{', '.join(first)}}}",
            *(f"mla {name}, {word}, {self.weight}, {name}" for name, word in zip(SEVEN, first, strict=False)),
            f"ldmia r3, {{{', '.join(second)}}}",
            *(f"mla {name}, {word}, {self.weight}, {name}" for name, word in zip(SEVEN[3:], second, strict=True)),
        ]

    def c(self) -> str:
        words = enumerate(SEVEN, self.offset // 4)
        return " ".join(f"{name} += input[{word}] * {self.weight};" for word, name in words)


@dataclass(frozen=True)
class MultiplyHalf(Instruction):
    """target = lower (or upper) lane of word * weight + start; the lane is a signed halfword."""

    target: str
    word: str
    weight: str
    start: str
    upper: bool

    def assembly(self) -> list[str]:
        return [f"smla{'t' if self.upper else 'b'}b {self.target}, {self.word}, {self.weight}, {self.start}"]

    def c(self) -> str:
        half = f"{self.word} >> 16" if self.upper else f"{self.word} & 0xFFFFu"
        return f"{self.target} = ({half}) * {self.weight} + {self.start};"


@dataclass(frozen=True)
class Rectify(Instruction):
    """Each lane of `name` = max(lane - lane of offset, 0)."""

    name: str
    offset: str

    def assembly(self) -> list[str]:
        return [f"uqsub16 {self.name}, {self.name}, {self.offset}"]

    def c(self) -> str:
        return f"{self.name} = pqk_subtract_lanes({self.name}, {self.offset});"


@dataclass(frozen=True)
class RectifyWord(Instruction):
    """name = max(register, 0), signed."""

    name: str

    def assembly(self) -> list[str]:
        return [f"usat {self.name}, #31, {self.name}"]

    def c(self) -> str:
        return f"{self.name} = {self.name} >> 31 ? 0 : {self.name};"


@dataclass(frozen=True)
class Add(Instruction):
    """target = a + b."""

    target: str
    a: str
    b: str

    def assembly(self) -> list[str]:
        return [f"add {self.target}, {self.a}, {self.b}"]

    def c(self) -> str:
        return f"{self.target} = {self.a} + {self.b};"


@dataclass(frozen=True)
class Requantize(Instruction):
    """Each lane of `name`, not negative, becomes min((lane * multiplier + 2^31) >> 32, 2^bits - 1).

    Lanes up to 65535 need `unsigned` and an even multiplier: the processor multiplies signed halfwords, so a lane goes
    in 32768 lower, and multiplier * 32768 / 65536 is added back with the rounding, which then is in `rounding`, too.
    `shift` is the distance of the result's lanes.
    """

    name: str
    multiplier: str
    rounding: str
    scratch: str
    bits: int
    unsigned: bool
    shift: int

    def assembly(self) -> list[str]:
        name, scratch = self.name, self.scratch
        lines = [f"eor {name}, #0x80008000"] if self.unsigned else []
        lines += [
            f"smlawb {scratch}, {self.multiplier}, {name}, {self.rounding}",
            f"smlawt {name}, {self.multiplier}, {name}, {self.rounding}",
            f"pkhtb {name}, {name}, {scratch}, asr #16",
            f"usat16 {name}, #{self.bits}, {name}",
        ]
        if self.shift != 16:
            lines += [f"uxth {scratch}, {name}", f"lsr {name}, #16"]
            lines += [f"orr {name}, {scratch}, {name}, lsl #{self.shift}"]
        return lines

    def c(self) -> str:
        lanes = (f"{self.name} & 0xFFFFu", f"{self.name} >> 16")
        calls = [f"pqk_requantize_lane({lane}, 0, (int32_t){self.multiplier}, {self.bits})" for lane in lanes]
        return f"{self.name} = {calls[0]} | {calls[1]} << {self.shift};"


@dataclass(frozen=True)
class RequantizePair(Instruction):
    """low = element of the 32-bit sum in low, with that of `high` `shift` bits above it."""

    low: str
    high: str
    multiplier: str
    bits: int
    shift: int

    def assembly(self) -> list[str]:
        pair = [
            line
            for name in (self.low, self.high)
            for line in (f"smmulr {name}, {name}, {self.multiplier}", f"usat {name}, #{self.bits}, {name}")
        ]
        return [*pair, f"orr {self.low}, {self.low}, {self.high}, lsl #{self.shift}"]

    def c(self) -> str:
        most = 2**self.bits - 1
        calls = [
            f"(uint32_t)pqk_requantize((int32_t){name}, (int32_t){self.multiplier}, 32, {most})"
            for name in (self.low, self.high)
        ]
        return f"{self.low} = {calls[0]} | {calls[1]} << {self.shift};"


@dataclass(frozen=True)
class Store(Instruction):
    """Registers of ascending number to consecutive output words from r1 on."""

    registers: tuple[str, ...]
    offset: int = 0
    """Of a single register's word, in bytes."""

    def assembly(self) -> list[str]:
        if len(self.registers) == 1:
            return [f"str {self.registers[0]}, [r1, #{self.offset}]"]
        return [f"stmia r1, {{{', '.join(self.registers)}}}"]

    def c(self) -> str:
        return " ".join(f"output[{self.offset // 4 + i}] = {name};" for i, name in enumerate(self.registers))


@dataclass(frozen=True)
class NextPlane(Instruction):
    """The next output channel: r1 moves on by so many bytes."""

    plane: int

    def assembly(self) -> list[str]:
        if self.plane < IMMEDIATE:
            return [f"add r1, r1, #{self.plane}"]
        return [*Constant("r2", self.plane).assembly(), "add r1, r2"]

    def c(self) -> str:
        return f"output += {self.plane // 4};"


@dataclass(frozen=True)
class Repeat(Instruction):
    """`body` so many times, each with the input `step` bytes further on; lr is used up between the turns."""

    times: int
    step: int
    body: tuple[Instruction, ...]

    def assembly(self) -> list[str]:
        body = [line for instruction in self.body for line in instruction.assembly()]
        return [*self._enter(), "1:", *body, *self._next(), "bne 1b", *self._leave()]

    def executed(self) -> list[str]:
        body = [line for instruction in self.body for line in instruction.executed()]
        turns = [f".rept {self.times}", *body, *self._next(), "bne 1b @ taken", ".endr"]
        return [*self._enter(), *turns, *self._leave()]

    def _enter(self) -> list[str]:
        return [*Constant("lr", self.times).assembly(), "push {lr}"]

    def _next(self) -> list[str]:
        return [*self._move("add", self.step), "ldr lr, [sp]", "subs lr, #1", "str lr, [sp]"]

    def _leave(self) -> list[str]:
        return ["add sp, #4", *self._move("sub", self.step * self.times)]

    def _move(self, verb: str, distance: int) -> list[str]:
        if distance < IMMEDIATE:
            return [f"{verb} r0, r0, #{distance}"]
        return [*Constant("lr", distance).assembly(), f"{verb} r0, lr"]

    def c(self) -> str:
        body = "\n        ".join(instruction.c() for instruction in self.body)
        return f"""for (uint32_t turn = 0; turn < {self.times}; turn++) {{
        {body}
        input += {self.step // 4};
    }}
    input -= {self.step // 4 * self.times};"""


ENTER = ("push {r4-r11, lr}",)
LEAVE = ("pop {r4-r11, pc}",)


@dataclass(frozen=True)
class Tile:
    """Printed code of one tile of all output channels."""

    name: str
    cost: Cost
    """Estimate of a call."""
    text: str
    size: int
    """Bytes, about."""


@dataclass(frozen=True)
class Loops:
    """How codegen/kernels/conv2d_straight.c calls a tile's code; the first five as in `pqk_conv2d_straight_t`."""

    lines: int
    columns: int
    tile_columns: int
    input_line: int
    input_column: int
    per_tile: int = 14
    """Instructions of the loops round a tile."""
    code: int = 345
    """Bytes of the loops."""


def tile_name(site: Site) -> str:
    """What the function of an operation's tile is called."""
    return f"pqk_{site.op.name}_tile"


def printed(site: Site, code: Sequence[Instruction]) -> Tile:
    """The code of a site's tile, printed."""
    name = tile_name(site)
    return Tile(name, cost(code, site.wait_states), function(name, code), size(code))


def invocation(kernel: str, site: Site, tile: Tile, loops: Loops) -> Invocation:
    """The call of codegen/kernels/conv2d_straight.c; a line's last tile overlaps the one before it."""
    output = lanes_of(site.layouts[site.output.name])
    tiles = loops.lines * -(-loops.columns // loops.tile_columns)
    return Invocation(
        kernel=kernel,
        function="pqk_conv2d_straight",
        sources=("conv2d_straight.c",),
        tables=(),
        cost=(tile.cost + compiled(loops.per_tile)) * tiles + finishing_cost(output),
        code=loops.code,
        structure="pqk_conv2d_straight_t",
        fields=(
            ("tile", tile.name),
            ("output", lanes_expression(output)),
            ("lines", str(loops.lines)),
            ("columns", str(loops.columns)),
            ("tile_columns", str(loops.tile_columns)),
            ("input_line", str(loops.input_line)),
            ("input_column", str(loops.input_column)),
        ),
        assembly=tile.text,
        assembly_symbol=tile.name,
        assembly_bytes=tile.size,
    )


def cost(code: Sequence[Instruction], wait_states: int) -> Cost:
    """Cost of a call."""
    executed = [line for instruction in code for line in instruction.executed()]
    return block("\n".join((*ENTER, *executed, *LEAVE)), wait_states=wait_states)


def size(code: Sequence[Instruction]) -> int:
    """Bytes of code: nearly all are 4 bytes long."""
    return 4 * len(_lines(code)) + 8


def function(name: str, code: Sequence[Instruction]) -> str:
    """C text of `static void name(const uint32_t *input, uint32_t *output)`, as assembly and as plain C."""
    assembly = "\n".join(f'          "{line}\\n"' for line in (*ENTER, *_lines(code), *LEAVE))
    statements = "\n".join(f"    {instruction.c()}" for instruction in code)
    names = ", ".join(f"r{i}" for i in range(2, 13))
    unused = " ".join(f"(void)r{i};" for i in range(2, 13))
    return f"""#if defined(__ARM_FEATURE_DSP)
__attribute__((naked)) static void {name}(__attribute__((unused)) const uint32_t *input,
                                          __attribute__((unused)) uint32_t *output) {{
    __asm(
{assembly}
    );
}}
#else
static void {name}(const uint32_t *input, uint32_t *output) {{
    uint32_t {names}, lr;
{statements}
    {unused} (void)lr; (void)input;
}}
#endif"""


def _lines(code: Sequence[Instruction]) -> list[str]:
    return [line for instruction in code for line in instruction.assembly()]
