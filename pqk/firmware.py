"""From generated C to firmware for a board: renders the board's files, compiles, links, and measures the result."""

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import jinja2
from pqk_codegen.generate import MLPERF_HEADER

from pqk import assets, tools
from pqk.boards import Board
from pqk.errors import FitError, ToolError
from pqk.files import atomic_write_text

PREFIX = "arm-none-eabi-"
COMPILER = f"{PREFIX}gcc"

# The only place with flags that do not depend on the board.
COMPILE_FLAGS = (
    "-std=c99",
    "-O2",
    "-g",
    "-Wall",
    "-Wextra",
    "-Wundef",  # a feature would be off where a header was forgotten
    "-Werror",
    "-ffreestanding",
    "-ffunction-sections",
    "-fdata-sections",
)
LINK_FLAGS = ("-nostdlib", "-Wl,--gc-sections", "-Wl,--fatal-warnings", "-Wl,-Map=firmware.map")
LIBRARIES = ("-lgcc",)  # 64-bit division and the like; no libc

TEMPLATES = ("board.h", "link.ld")
WEIGHT_PREFIX = "pqk_w_"  # of the generator's constant tables
ARENA = "pqk_arena"
AUDIO_HEADER = "spotter.h"  # among what is generated, where the network comes with a front end
AUDIO_SOURCES = ("audio.c", "crc32.c")  # of the firmware, only for such a network
MLPERF_SOURCES = ("line.c", "mlperf.c", "text.c")  # only where MLPerf Tiny's protocol is spoken, too
MLPERF_FLASH = 6144  # bytes of code for the check before compiling; measured: 4.9 KB on Cortex-M4
MLPERF_RAM = 128  # bytes of its variables, input and results aside
FIRMWARE_FLASH = 6144  # bytes of code for the check before compiling, kernels aside; most on rpi-pico: 5.0 KB
FIRMWARE_RAM = 1024  # bytes of its variables, frame buffer and receive ring aside: last reply, fault stack


@dataclass(frozen=True)
class FlashUse:
    """Bytes."""

    total: int
    weights: int
    code: int


@dataclass(frozen=True)
class RamUse:
    """Bytes."""

    total: int
    arena: int
    stack: int
    static: int


@dataclass(frozen=True)
class BuildResult:
    """Compiled firmware. `symbols` has the bytes of every function and variable."""

    elf: Path
    hex: Path
    bin: Path
    map: Path
    flash: FlashUse
    ram: RamUse
    symbols: dict[str, int]


@functools.cache
def compiler_version() -> str:
    """For instance "arm-none-eabi-gcc 12.2.1".

    Raises:
        ToolError: the compiler is not installed.
    """
    return f"{COMPILER} {tools.run([COMPILER, '-dumpfullversion']).strip()}"


def check_fit(board: Board, flash: Mapping[str, int], ram: Mapping[str, int]) -> None:
    """Compare what a network needs with what the board has, before anything is compiled.

    Args:
        board: the board.
        flash: bytes of flash by part, without the firmware's own.
        ram: bytes of RAM by part, without the firmware's own and the stack.

    Raises:
        FitError: the flash or the RAM is too small; the message lists every part.
    """
    memory = board.memory
    needs = {
        "flash": (memory.flash.size, {**flash, "code": FIRMWARE_FLASH}),
        "RAM": (memory.ram.size, {**ram, **_own_ram(board)}),
    }
    problems = [
        f"{kind}: needs {sum(parts.values()):,} bytes ({_listed(parts)}), has {size:,}"
        for kind, (size, parts) in needs.items()
        if sum(parts.values()) > size
    ]
    if problems:
        raise FitError(
            f"the network does not fit {board.name}; {'; '.join(problems)}",
            "a smaller network, more sparsity or fewer bits in pqk.toml, or a larger board",
        )


def spare_ram(board: Board) -> int:
    """Bytes that are left for a network's arena."""
    return board.memory.ram.size - sum(_own_ram(board).values())


def _own_ram(board: Board) -> dict[str, int]:
    """Bytes of RAM that the firmware needs, by part."""
    return {
        "firmware": FIRMWARE_RAM,
        "receive ring": board.uart.ring,
        "frame buffer": board.uart.largest_payload,
        "stack": board.memory.stack,
    }


def compile_firmware(board: Board, generated: Path, out: Path) -> BuildResult:
    """Compile the firmware with the network in `generated` into the folder `out`.

    Leaves firmware.elf, .hex, .bin and .map, sizes.json, and the rendered board.h and link.ld. The same inputs give
    the same .bin. A caller who wants all or nothing passes the folder of `pqk.files.atomic_directory`.

    Raises:
        ToolError: the compiler is missing, or refused the code.
        FitError: the linker found that it does not fit after all.
    """
    out.mkdir(parents=True, exist_ok=True)
    firmware = assets.directory("firmware")
    render(board, out)
    objects = [_compile(board, source, generated, firmware, out) for source in _sources(board, generated, firmware)]
    _link(board, objects, _boot_checksum(board, out), out)
    for kind, suffix in (("ihex", "hex"), ("binary", "bin")):
        tools.run([f"{PREFIX}objcopy", "-O", kind, "firmware.elf", f"firmware.{suffix}"], cwd=out)
    for path in objects:
        (out / path).unlink()
    return _measured(board, out)


def _sources(board: Board, generated: Path, firmware: Path) -> list[Path]:
    optional = {AUDIO_HEADER: AUDIO_SOURCES, MLPERF_HEADER: MLPERF_SOURCES}
    absent = {name for header, names in optional.items() if not (generated / header).is_file() for name in names}
    drivers = [f"uart_{board.uart.driver}.c", f"timer_{board.timer.driver}.c"]
    return [
        *(path for path in sorted(firmware.glob("*.c")) if path.name not in absent),
        *(firmware / "port" / name for name in drivers),
        *([firmware / "boot" / f"{board.boot.kind}.S"] if board.boot else []),
        *sorted(generated.glob("*.c")),
    ]


def render(board: Board, out: Path) -> None:
    """Write what C code and linker must know of the board, board.h and link.ld, into the folder `out`."""
    loader = jinja2.FileSystemLoader(assets.directory("firmware"))
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters["hex"] = lambda value: f"0x{value:08X}"
    for name in TEMPLATES:
        (out / name).write_text(environment.get_template(f"{name}.j2").render(board=board), encoding="utf-8")


def _compile(board: Board, source: Path, generated: Path, firmware: Path, out: Path) -> str:
    """Compile one file and return the object's name, which `out` is to be prefixed to."""
    target = _object(source)
    # Where a checkout or a temporary folder lies must not show in the result.
    stable = [f"-ffile-prefix-map={folder.resolve()}={name}" for folder, name in _folders(generated, firmware, out)]
    include = [f"-I{folder.resolve()}" for folder, _ in _folders(generated, firmware, out)]
    argv = [COMPILER, *board.flags, *COMPILE_FLAGS, *stable, *include, "-c", str(source.resolve()), "-o", target]
    tools.run(argv, cwd=out)
    return target


def _object(source: Path) -> str:
    return f"{source.parent.name}-{source.stem}.o"


def _folders(generated: Path, firmware: Path, out: Path) -> list[tuple[Path, str]]:
    # GCC tries the last map first, so the innermost folder comes last.
    return [(firmware, "firmware"), (out, "board"), (generated, "network")]


def _boot_checksum(board: Board, out: Path) -> list[str]:
    """The flag that tells the linker the checksum of what comes first in flash, where the chip's ROM compares one."""
    if board.boot is None or not board.boot.checked:
        return []
    source = out / _object(Path("boot", f"{board.boot.kind}.S"))
    block = out / "boot.bin"
    tools.run([f"{PREFIX}objcopy", "-O", "binary", "-j", ".boot_first", str(source), str(block)])
    checksum = rom_checksum(block.read_bytes()[: board.boot.checked])
    block.unlink()
    return [f"-Wl,--defsym=pqk_boot_checksum={checksum:#x}"]


def rom_checksum(block: bytes) -> int:
    """CRC-32 as the RP2040's ROM computes it: highest bit first, from all ones, not inverted (datasheet, 2.8.1.3.1)."""
    crc = 0xFFFFFFFF
    for byte in block:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    return crc


def _link(board: Board, objects: list[str], extra: list[str], out: Path) -> None:
    argv = [COMPILER, *board.flags, *LINK_FLAGS, *extra, "-Tlink.ld", *objects, *LIBRARIES, "-o", "firmware.elf"]
    try:
        tools.run(argv, cwd=out)
    except ToolError as error:
        overflows = re.findall(r"region `(\w+)' overflowed by (\d+) bytes", error.message)
        if not overflows:
            raise
        listed = "; ".join(f"{name}: {int(count):,} bytes too many" for name, count in overflows)
        raise FitError(f"the firmware does not fit {board.name}; {listed}", "choose a smaller network") from error


def _measured(board: Board, out: Path) -> BuildResult:
    sections = _sections(tools.run([f"{PREFIX}size", "-A", "firmware.elf"], cwd=out))
    symbols = _symbols(tools.run([f"{PREFIX}nm", "-S", "firmware.elf"], cwd=out))
    weights = sum(size for name, size in symbols.items() if name.startswith(WEIGHT_PREFIX))
    total = (out / "firmware.bin").stat().st_size
    arena, stack = symbols.get(ARENA, 0), board.memory.stack
    ram = sections[".data"] + sections[".bss"] + stack
    flash_use = FlashUse(total=total, weights=weights, code=total - weights)
    ram_use = RamUse(total=ram, arena=arena, stack=stack, static=ram - arena - stack)
    record = {"schema": 1, "flash": asdict(flash_use), "ram": asdict(ram_use), "symbols": symbols}
    atomic_write_text(out / "sizes.json", json.dumps(record, indent=1) + "\n")
    files = {suffix: out / f"firmware.{suffix}" for suffix in ("elf", "hex", "bin", "map")}
    return BuildResult(**files, flash=flash_use, ram=ram_use, symbols=symbols)


def flash_of(linker_map: str, folder: str) -> int:
    """Bytes of flash, alignment aside, of what was compiled from the sources in `folder` (its name, not its path).

    Args:
        linker_map: the text of firmware.map.
        folder: "generated" for the network's own code and tables.
    """
    placed = linker_map.partition("Linker script and memory map")[2]
    entry = rf"^ \.(?:text|rodata|data)\S*\s+0x[0-9a-f]+\s+(0x[0-9a-f]+) {re.escape(folder)}-\S+\.o$"
    return sum(int(size, 16) for size in re.findall(entry, placed, re.MULTILINE))


def _sections(listing: str) -> dict[str, int]:
    return {name: int(size) for name, size in re.findall(r"^(\.\S+)\s+(\d+)", listing, re.MULTILINE)}


def _symbols(listing: str) -> dict[str, int]:
    """Bytes by symbol; file-local ones of the same name are added up."""
    sizes: dict[str, int] = {}
    for size, name in re.findall(r"^[0-9a-f]+ ([0-9a-f]+) \w (\S+)$", listing, re.MULTILINE):
        sizes[name] = sizes.get(name, 0) + int(size, 16)
    return dict(sorted(sizes.items()))


def _listed(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {size:,}" for name, size in parts.items())
