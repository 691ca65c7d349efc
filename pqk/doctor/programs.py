"""Programs and packages that pqk-mcu works with: are they there, and can they do what the board needs?"""

import re
import shutil
import tempfile
from pathlib import Path

from pqk import runners, tools
from pqk.boards import Board
from pqk.boards import Runner as BoardRunner
from pqk.doctor.finding import Finding, in_a_line, note, of_error, ok, problem, trouble
from pqk.errors import BoardError, ToolError
from pqk.firmware import COMPILE_FLAGS, COMPILER, LIBRARIES, LINK_FLAGS, PREFIX, compiler_version
from pqk.runners.qemu import PROGRAM
from pqk.sources.microphone import sounddevice

BINUTILS = ("objcopy", "nm", "size")
OLDEST_QEMU = (7, 2)
LIMIT_S = 20.0  # for a program to tell its version

_ENTRY = "quotient"
# A division of 64 bits is a function of libgcc, as in the firmware.
_SOURCE = f"""unsigned long long {_ENTRY}(unsigned long long a, unsigned long long b) {{
    return a / b;
}}
"""


def compiler(board: Board) -> Finding:
    """Whether the compiler is there, compiles for the board's core and finds libgcc."""
    try:
        version = compiler_version()
    except ToolError as error:
        return of_error(error)
    try:
        _compile(board)
    except ToolError as error:
        text = f"{version} cannot compile for the {board.cpu} of {board.name}: {trouble(error.message)}"
        return problem(text, f"sudo apt-get install --reinstall {tools.PACKAGES[COMPILER]}")
    return ok(f"{version} compiles and links for the {board.cpu} of {board.name}")


def _compile(board: Board) -> None:
    flags = [*board.flags, *COMPILE_FLAGS, *LINK_FLAGS, f"-Wl,-e,{_ENTRY}"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "check.c").write_text(_SOURCE, encoding="utf-8")
        tools.run([COMPILER, *flags, "check.c", *LIBRARIES, "-o", "check.elf"], cwd=Path(folder), limit_s=LIMIT_S)


def binutils() -> Finding:
    """Whether the programs are there that make and measure firmware."""
    try:
        for name in BINUTILS:
            tools.run([f"{PREFIX}{name}", "--version"], limit_s=LIMIT_S)
    except ToolError as error:
        return of_error(error)
    return ok(f"{PREFIX}{', '.join(BINUTILS)} are there")


def emulator(board: Board) -> Finding:
    """Whether the emulator is there, new enough, and knows the board."""
    try:
        version = _version([PROGRAM, "--version"])
        machines = tools.run([PROGRAM, "-machine", "help"], limit_s=LIMIT_S)
    except ToolError as error:
        return of_error(error)
    newer = f"sudo apt-get install {tools.PACKAGES[PROGRAM]}, from a newer release of your system"
    if tuple(map(int, version.split(".")[:2])) < OLDEST_QEMU:
        return problem(f"{PROGRAM} {version} is older than {'.'.join(map(str, OLDEST_QEMU))}", newer)
    if board.runner.target not in {line.partition(" ")[0] for line in machines.splitlines()}:
        return problem(f"{PROGRAM} {version} does not know the machine {board.runner.target}", newer)
    return ok(f"{PROGRAM} {version} knows the machine {board.runner.target}")


def flashers(board: Board) -> list[Finding]:
    """Which of the ways to flash the board have what they need; one is enough."""
    findings, fixes = [], []
    for how in board.runners:
        try:
            findings.append(ok(_flasher(board, how)))
        except (ToolError, BoardError) as error:
            findings.append(note(in_a_line(error.message), error.hint))
            fixes.append(error.hint)
    if len(fixes) == len(findings):
        findings.append(problem(f"no program is there that can flash {board.name}", fixes[0]))
    return findings


def _flasher(board: Board, how: BoardRunner) -> str:
    program = runners.program(board, how)
    if program is None:
        return f"pqk-mcu flash --runner {how.kind} needs no program, only the board's drive"
    name, *version = program
    if shutil.which(name) is None:
        raise tools.missing(name)
    told = _version(program) if version else "is there"
    return f"{name} {told}, for pqk-mcu flash --runner {how.kind}"


def packages() -> list[Finding]:
    """Python packages, and their libraries, that only some commands need."""
    return [_microphone(), _files()]


def _microphone() -> Finding:
    try:
        version = sounddevice().__version__
    except ToolError as error:
        return note(error.message, error.hint)
    return ok(f"sounddevice {version}, for the microphone of pqk-mcu listen")


def _files() -> Finding:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # the package, or its library
        return note(f"recordings cannot be read: {error}", "pip install --force-reinstall soundfile")
    return ok(f"soundfile {soundfile.__version__}, for recordings")


def _version(argv: list[str]) -> str:
    """The version in what a program prints. Raises ToolError where there is none."""
    printed = tools.run(argv, limit_s=LIMIT_S, stderr=True)
    found = re.search(r"\d+(\.\d+)+", printed)
    if found is None:
        raise ToolError(f"{argv[0]} does not tell its version: {printed!r}", f"install {argv[0]} again")
    return found.group()
