"""Boards: one TOML file each, in the folder boards/ or anywhere the user likes."""

import difflib
import re
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pqk import assets
from pqk.errors import BoardError

SUFFIX = ".toml"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_USB_ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
_Section = TypeVar("_Section")
_ITEMS: dict[Any, type] = {tuple[str, ...]: str, tuple[int, ...]: int}
"""What lists in a board's file may hold."""


@dataclass(frozen=True)
class Region:
    """A stretch of memory, in bytes."""

    origin: int
    size: int

    def __post_init__(self) -> None:
        if self.origin < 0 or self.size <= 0 or self.origin + self.size > 2**32:
            raise BoardError(f"origin {self.origin:#x} with size {self.size:#x} is no part of a 32-bit address space")


@dataclass(frozen=True)
class Memory:
    """What the firmware may use, in bytes."""

    flash: Region
    ram: Region
    stack: int
    """Reserve for the stack, at RAM's lowest address."""
    wait_states: int
    """Cycles that the processor waits for a word of flash that was not prefetched; part of the cycle model."""
    caches: bool = False
    """Whether the processor has caches of its own, as a Cortex-M7 may, that the firmware switches on."""

    def __post_init__(self) -> None:
        if not 0 < self.stack < self.ram.size or self.stack % 8:
            raise BoardError(f"memory.stack = {self.stack} must be a multiple of 8 and less than the RAM")
        if not 0 <= self.wait_states <= 15:
            raise BoardError(f"memory.wait_states = {self.wait_states} must lie in 0..15")


@dataclass(frozen=True)
class Uart:
    """The serial port. `driver` names firmware/port/uart_<driver>.c."""

    driver: str
    base: int
    irq: int
    """Interrupt of reception."""
    clock: int
    """Hz of the clock that the baud rate is divided from."""
    baud: int
    largest_payload: int
    """Bytes in one frame; the firmware keeps a buffer of this size."""
    ring: int = 1024
    """Bytes received while the firmware is busy, a power of two."""
    in_flight: int = 1
    """Requests that the host may send before the first is answered: more than one only where nothing is lost while the
    firmware keeps reception waiting, which it does whenever it measures."""
    pins: tuple[int, ...] = ()
    """Of transmission and reception; empty where the hardware leaves no choice."""

    def __post_init__(self) -> None:
        _driver("uart", self.driver)
        if not 0 <= self.irq < 240:
            raise BoardError(f"uart.irq = {self.irq} must lie in 0..239")
        if self.baud <= 0 or self.clock < self.baud:
            raise BoardError(f"uart.clock = {self.clock} cannot give uart.baud = {self.baud}")
        if not 64 <= self.largest_payload <= 65536:
            raise BoardError(f"uart.largest_payload = {self.largest_payload} must lie in 64..65536")
        if not 16 <= self.ring <= 65536 or self.ring & (self.ring - 1):
            raise BoardError(f"uart.ring = {self.ring} must be a power of two in 16..65536")
        if not 1 <= self.in_flight <= 64:
            raise BoardError(f"uart.in_flight = {self.in_flight} must lie in 1..64")
        if len(self.pins) not in (0, 2) or not all(0 <= pin < 256 for pin in self.pins):
            raise BoardError(f"uart.pins = {list(self.pins)} must be two numbers in 0..255: transmission, reception")


@dataclass(frozen=True)
class Timer:
    """The counter that inferences are measured with. `driver` names firmware/port/timer_<driver>.c."""

    driver: str
    base: int
    hz: int
    unit: str
    """What is counted, e.g. "emulated instructions"."""
    units_per_tick: float
    prescaler: int = 1
    """What `driver` (stm32) divides the timer's clock by, so that 32 bits last for the longest inference."""

    def __post_init__(self) -> None:
        _driver("timer", self.driver)
        if not 1 <= self.prescaler <= 65536:
            raise BoardError(f"timer.prescaler = {self.prescaler} must lie in 1..65536")
        if self.hz <= 0 or self.units_per_tick <= 0:
            raise BoardError("timer.hz and timer.units_per_tick must be greater than 0")


@dataclass(frozen=True)
class Runner:
    """A way to get firmware onto the board and to start it; `kind` names a module of pqk.runners."""

    kind: str
    target: str
    """What the program at work calls the board or its chip."""
    args: tuple[str, ...] = ()
    """Given to that program, too."""


@dataclass(frozen=True)
class Boot:
    """What the chip's ROM wants to see in flash before it starts the firmware: firmware/boot/<kind>.S."""

    kind: str
    checked: int = 0
    """Bytes at the start of flash that the ROM compares with the CRC-32 behind them; 0 where it compares nothing."""

    def __post_init__(self) -> None:
        known = sorted(path.stem for path in (assets.directory("firmware") / "boot").glob("*.S"))
        if self.kind not in known:
            raise BoardError(f"boot.kind = {self.kind!r} is unknown; there are {', '.join(known)}")
        if not 0 <= self.checked <= 65536 or self.checked % 4:
            raise BoardError(f"boot.checked = {self.checked} must be a multiple of 4 in 0..65536")


@dataclass(frozen=True)
class Usb:
    """How the board's serial port is found among others."""

    ids: tuple[str, ...]
    """Of vendor and product, in hexadecimal, for instance "0483:374b"."""

    def __post_init__(self) -> None:
        if not self.ids or not all(_USB_ID.fullmatch(one) for one in self.ids):
            raise BoardError(f'usb.ids = {list(self.ids)} must be of the form "0483:374b", four small digits each')


@dataclass(frozen=True)
class Step:
    """One register of the set-up at start: bits in `clear` are cleared, then those in `set` set, in a single write.

    Then the firmware waits until all bits in `wait` are set, for instance until an oscillator is steady; not for ever.
    Where they do not come it says so in HELLO, and nothing is measured, unless the step is not `needed`.
    """

    address: int
    set: int = 0
    clear: int = 0
    wait: int = 0
    needed: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.address < 2**32 or self.address % 4:
            raise BoardError(f"setup.address = {self.address:#x} must be a multiple of 4 in a 32-bit address space")
        for name, value in (("set", self.set), ("clear", self.clear), ("wait", self.wait)):
            if not 0 <= value < 2**32:
                raise BoardError(f"setup.{name} = {value:#x} has more than 32 bits")
        if not (self.set or self.clear or self.wait):
            raise BoardError(f"setup of {self.address:#x} changes nothing: give it set, clear or wait")


MODELLED = ("cortex-m3", "cortex-m4", "cortex-m33")  # cores that the model of the Cortex-M4's cycles is close to


@dataclass(frozen=True)
class Board:
    """Everything that a board's file says."""

    name: str
    title: str
    emulated: bool
    status: str
    """Whether it has ever been run: "runs in CI (QEMU)" or "builds, never run"."""
    cpu: str
    """The core, as `-mcpu` and the kernels' names have it."""
    flags: tuple[str, ...]
    """Compiler flags of the core."""
    memory: Memory
    uart: Uart
    timer: Timer
    runners: tuple[Runner, ...]
    """The first is the usual one."""
    setup: tuple[Step, ...] = ()
    """What clocks and pins need, in this order, before the UART and the timer are used."""
    usb: Usb | None = None
    """None where the port has to be named, or is no serial port at all."""
    boot: Boot | None = None
    """None where the chip starts what it finds in flash."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BoardError(f"board.name = {self.name!r} may have only a-z, 0-9, - and _")
        kinds = [runner.kind for runner in self.runners]
        if not kinds or len(set(kinds)) < len(kinds):
            raise BoardError(f"there must be a [[runner]], and not two of a kind: {kinds}")

    @property
    def runner(self) -> Runner:
        """The usual one."""
        return self.runners[0]

    @property
    def modelled(self) -> bool:
        """Whether modelled cycles (`pqk_codegen.cycles`) say something about its core."""
        return self.cpu in MODELLED


def names() -> list[str]:
    """The boards that come with pqk-mcu."""
    return sorted(path.stem for path in assets.directory("boards").glob(f"*{SUFFIX}"))


def load(name: str, root: Path = Path()) -> Board:
    """The board called `name`, or the one described by the file `name`, seen from `root`, where that is a .toml file.

    Raises:
        BoardError: there is no such board, or its file has an unknown, missing or wrong key.
    """
    path = root / name if is_file(name) else assets.directory("boards") / f"{name}{SUFFIX}"
    if not is_file(name) and name not in names():
        raise _unknown(name)
    try:
        return _board(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BoardError(f"cannot read the board file {path}: {error.strerror}", "pqk-mcu boards") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BoardError(f"{path} is not valid TOML: {error}", f"mend {path}") from error
    except BoardError as error:
        raise BoardError(f"{path}: {error.message}", f"mend {path}") from error


def is_file(name: str) -> bool:
    """Whether `name` is the path of a board's file, not one of `names`."""
    return name.endswith(SUFFIX)


def from_anywhere(name: str, root: Path = Path()) -> str:
    """`name`, or the whole path where it is one, seen from `root`: it means the same in every folder."""
    return str((root / name).resolve()) if is_file(name) else name


def _unknown(name: str) -> BoardError:
    near = difflib.get_close_matches(name, names(), n=3, cutoff=0.4) or names()
    return BoardError(f"unknown board {name!r}", f"did you mean {' or '.join(near)}? All: pqk-mcu boards")


_TABLES = {"memory": Memory, "uart": Uart, "timer": Timer}
_OPTIONAL: dict[str, type] = {"boot": Boot, "usb": Usb}


def _board(file: dict[str, Any]) -> Board:
    _known("table", "[{}]", file, ["board", *_TABLES, "runner", "setup", *_OPTIONAL])
    for key in ("board", *_TABLES, *sorted(file.keys() & _OPTIONAL)):
        if not isinstance(file.get(key), dict):
            raise BoardError(f"there is no table [{key}]")
    parts: dict[str, object] = {key: _section(kind, key, file[key]) for key, kind in _TABLES.items()}
    parts["runners"] = _sections(Runner, "runner", file.get("runner", []))
    parts["setup"] = _sections(Step, "setup", file.get("setup", []))
    parts |= {key: _section(kind, key, file[key]) if key in file else None for key, kind in _OPTIONAL.items()}
    return _section(Board, "board", file["board"], parts)


def _sections(kind: type[_Section], where: str, tables: object) -> tuple[_Section, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise BoardError(f"{where} is a list of tables: write [[{where}]] over each")
    return tuple(_section(kind, where, table) for table in tables)


def _section(
    kind: type[_Section], where: str, table: dict[str, Any], given: Mapping[str, object] = MappingProxyType({})
) -> _Section:
    """A dataclass from `given` fields and a table with the others. `where` is the table's dotted name.

    Only what has a default may be missing.
    """
    hints = {key: hint for key, hint in typing.get_type_hints(kind).items() if key not in given}
    _known("key", where + ".{}", table, list(hints))
    for key in hints:
        if key not in table and not hasattr(kind, key):  # a dataclass keeps a default as an attribute of its class
            raise BoardError(f"{where}.{key} is missing")
    values = {key: _value(f"{where}.{key}", table[key], hint) for key, hint in hints.items() if key in table}
    return kind(**given, **values)


def _known(what: str, spelling: str, table: dict[str, Any], known: Sequence[str]) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            advice = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise BoardError(f"unknown {what} {spelling.format(key)}; {advice}")


def _value(key: str, value: Any, wanted: Any) -> object:
    if wanted is Region and isinstance(value, dict):
        return _section(Region, key, value)
    item = _ITEMS.get(wanted)
    if item is not None and isinstance(value, list) and all(type(element) is item for element in value):
        return tuple(value)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        names = {Region: "{ origin, size }", **{kind: f"list of {item.__name__}" for kind, item in _ITEMS.items()}}
        name = names.get(wanted) or wanted.__name__
        raise BoardError(f"{key} = {value!r} is not of type {name}")
    return value


def _driver(part: str, driver: str) -> None:
    folder = assets.directory("firmware") / "port"
    known = sorted(path.stem.removeprefix(f"{part}_") for path in folder.glob(f"{part}_*.c"))
    if driver not in known:
        raise BoardError(f"{part}.driver = {driver!r} is unknown; there are {', '.join(known)}")
