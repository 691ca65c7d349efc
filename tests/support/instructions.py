"""Which instructions a core has, and which instructions of a compiled file it does not have.

An emulator is no judge of that: QEMU's Cortex-M3 runs what a Cortex-M0 has not, so a mistake shows only on the real
core. Lists: ARMv6-M ARM (DDI 0419), chapter A6; ARMv7-M ARM (DDI 0403), chapter A7, where the DSP extension is marked;
Armv8-M ARM (DDI 0553), chapter C2. Mnemonics are those of objdump. No core here may use floating point.

It is part of the tests, not of the build: compiler and assembler refuse most of this already, and what gets past them
(inline assembly with its own .arch, a library for another core, wrong flags in a board's file) is a mistake in this
repository and none of the user's.
"""

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from pqk import tools

OBJDUMP = "arm-none-eabi-objdump"
LARGEST = "armv8.1-m.main"  # its names for everything: by itself objdump 2.40 shows MVE as coprocessor instructions

_LINE = re.compile(r"^\s*([0-9a-f]+):\t([0-9a-f]{4}(?: [0-9a-f]{4})?)\s*\t(.*)$")
_FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
_DIRECTIVE = re.compile(r"\.(?:word|short|byte)\b")  # data: literal pools and tables


@dataclass(frozen=True)
class Instruction:
    """One instruction as objdump shows it."""

    function: str
    address: int
    mnemonic: str
    """Without .n or .w."""
    operands: str
    size: int
    """Bytes: 2 or 4."""

    def __str__(self) -> str:
        return f"{self.address:#x} in {self.function}: {self.mnemonic} {self.operands}"


@dataclass(frozen=True)
class InstructionSet:
    """What a core can execute."""

    mnemonics: Set[str]
    wide: Set[str] | None = None
    """Mnemonics allowed with 32 bits; None: all of them."""
    special_registers: Set[str] | None = None
    """For MRS and MSR; None: all of them."""
    faultmask: bool = True
    """Whether CPS can change FAULTMASK, too."""
    vectors: bool = False
    """Whether there is MVE for integers."""

    def has(self, instruction: Instruction) -> bool:
        """Whether the core can execute it."""
        name = instruction.mnemonic
        if name.startswith("v"):
            return self.vectors and not re.search(r"\.(?:f|bf)\d", name)
        if name.partition(".")[0] not in self.mnemonics:  # dlstp.16 and its like
            return False
        if instruction.size == 4 and self.wide is not None and name not in self.wide:
            return False
        if name.startswith("cps") and not self.faultmask and "f" in instruction.operands:
            return False
        if name in ("mrs", "msr") and self.special_registers is not None:
            return bool(self.special_registers & set(re.split(r"[,\s]+", instruction.operands.lower())))
        return True


def instructions(path: Path) -> Iterator[Instruction]:
    """Every instruction in an object file or ELF."""
    function = ""
    for line in tools.run([OBJDUMP, "-d", "-z", "-m", LARGEST, str(path)]).splitlines():
        if header := _FUNCTION.match(line):
            function = header[1]
        elif (match := _LINE.match(line)) and not _DIRECTIVE.match(match[3]):
            address, code, text = match.groups()
            name, _, operands = text.partition("\t")
            mnemonic = re.sub(r"\.[nw]$", "", name.strip())
            yield Instruction(function, int(address, 16), mnemonic, operands.strip(), len(code.replace(" ", "")) // 2)


def foreign(path: Path, core: str) -> list[Instruction]:
    """The instructions in an object file or ELF that `core` (as -mcpu has it) does not have; empty is good.

    Raises:
        ValueError: the core is not in CORES, or there are no instructions in the file at all.
    """
    if core not in CORES:
        raise ValueError(f"no instruction set is known for {core!r}; there are {', '.join(CORES)}")
    found = list(instructions(path))
    if not found:
        raise ValueError(f"{path} has no instructions")
    return [instruction for instruction in found if not CORES[core].has(instruction)]


_CONDITIONS = ["", "eq", "ne", "cs", "cc", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al"]


def _names(text: str) -> set[str]:
    return set(text.split())


def _conditional(names: set[str]) -> set[str]:
    """Each name as it is and with every condition, as it stands in an IT block."""
    return {name + condition for name in names for condition in _CONDITIONS}


_ARMV6M = _conditional({"b"}) | _names("""
    adcs add adds adr ands asrs bics bkpt bl blx bx cmn cmp cpsid cpsie dmb dsb eors isb ldm ldmia ldr ldrb ldrh ldrsb
    ldrsh lsls lsrs mov movs mrs msr muls mvns negs nop orrs pop push rev rev16 revsh rors rsbs sbcs sev stm stmia str
    strb strh sub subs svc sxtb sxth tst udf uxtb uxth wfe wfi yield
""")

_WITH_FLAGS = _names("adc add and asr bic eor lsl lsr mov mul mvn neg orn orr ror rrx rsb sbc sub")
_WITHOUT_FLAGS = _names("""
    addw adr b bfc bfi bkpt bl blx bx clrex clz cmn cmp csdb dbg dmb dsb isb ldm ldmdb ldmia ldr ldrb ldrbt ldrd ldrex
    ldrexb ldrexh ldrh ldrht ldrsb ldrsbt ldrsh ldrsht ldrt mla mls movt movw mrs msr nop pld pli pop push rbit rev
    rev16 revsh sbfx sdiv sev smlal smull ssat ssbb stm stmdb stmia str strb strbt strd strex strexb strexh strh strht
    strt subw svc sxtb sxth tbb tbh teq tst ubfx udf udiv umlal umull usat uxtb uxth wfe wfi yield
""")
_IT = _names("it itt ite ittt itte itet itee itttt ittte ittet ittee itett itete iteet iteee")
_ARMV7M = (
    _names("cbz cbnz cpsid cpsie")
    | _IT
    | _conditional(_WITH_FLAGS | {name + "s" for name in _WITH_FLAGS} | _WITHOUT_FLAGS)
)

_PARALLEL = {prefix + name for prefix in _names("s u q uq sh uh") for name in _names("add16 add8 asx sax sub16 sub8")}
_HALVES = {name + halves for name in _names("smla smlal smul") for halves in _names("bb bt tb tt")}
_DSP = _conditional(
    _PARALLEL
    | _HALVES
    | _names("""
    pkhbt pkhtb qadd qdadd qdsub qsub sel smlad smladx smlald smlaldx smlawb smlawt smlsd smlsdx smlsld smlsldx smmla
    smmlar smmls smmlsr smmul smmulr smuad smuadx smulwb smulwt smusd smusdx ssat16 sxtab sxtab16 sxtah sxtb16 umaal
    usad8 usada8 usat16 uxtab uxtab16 uxtah uxtb16
    """)
)

_ARMV8M = {"sg"} | _conditional(
    _names("lda ldab ldaex ldaexb ldaexh ldah stl stlb stlex stlexb stlexh stlh tt tta ttat ttt bxns blxns")
)

_ARMV81M = _names("""
    bf bfcsel bfl bflx bfx cinc cinv clrm cneg csel cset csetm csinc csinv csneg dls le wls asrl dlstp lctp letp lsll
    lsrl sqrshr sqrshrl sqshl sqshll srshr srshrl uqrshl uqrshll uqshl uqshll urshr urshrl wlstp
""")

_SMALL = InstructionSet(
    mnemonics=_ARMV6M,
    wide=_names("bl dmb dsb isb mrs msr udf"),
    special_registers=_names("apsr iapsr eapsr xpsr ipsr epsr iepsr msp psp primask control"),
    faultmask=False,
)
_DSP_CORE = InstructionSet(_ARMV7M | _DSP)

CORES = {
    "cortex-m0": _SMALL,
    "cortex-m0plus": _SMALL,
    "cortex-m3": InstructionSet(_ARMV7M),
    "cortex-m4": _DSP_CORE,
    "cortex-m7": _DSP_CORE,
    "cortex-m33": InstructionSet(_ARMV7M | _DSP | _ARMV8M),
    "cortex-m55": InstructionSet(_ARMV7M | _DSP | _ARMV8M | _ARMV81M, vectors=True),
}
