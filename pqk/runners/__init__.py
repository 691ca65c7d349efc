"""How firmware gets onto a board and how a board is started: one module for each kind, all listed in RUNNERS.

The verbs here check and wait; what differs between kinds is behind `Runner`. How bytes travel is `pqk.links`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from pqk import tools
from pqk.boards import Board
from pqk.boards import Runner as BoardRunner
from pqk.device import Device
from pqk.errors import BoardError, ToolError
from pqk.links import open_link
from pqk.protocol import Hello
from pqk.runners.custom import Custom
from pqk.runners.jlink import JLink
from pqk.runners.mass_storage import MassStorage
from pqk.runners.openocd import OpenOcd
from pqk.runners.probe import Flashing, Probe
from pqk.runners.pyocd import PyOcd
from pqk.runners.qemu import Qemu
from pqk.runners.stm32cubeprogrammer import Stm32CubeProgrammer
from pqk.runners.stm32loader import Stm32Loader
from pqk.runners.uf2 import Uf2


class Runner(Protocol):
    """What a kind of board needs."""

    def write(self, flashing: Flashing) -> None:
        """Put firmware onto the board."""

    def start(self, board: Board, state_dir: Path, probe: str | None = None) -> AbstractContextManager[str]:
        """Start the board and yield its port or the URL of its UART; end it with the block."""

    def reset(self, board: Board, state_dir: Path, probe: str | None = None) -> None:
        """Make a board that hangs begin anew, where that can be done."""


RUNNERS: dict[str, Runner] = {
    "custom": Custom(),
    "jlink": JLink(),
    "mass-storage": MassStorage(),
    "openocd": OpenOcd(),
    "pyocd": PyOcd(),
    "qemu": Qemu(),
    "stm32cubeprogrammer": Stm32CubeProgrammer(),
    "stm32loader": Stm32Loader(),
    "uf2": Uf2(),
}


def flash(
    board: Board,
    elf: Path,
    state_dir: Path,
    *,
    expected_build: str,
    kind: str | None = None,
    probe: str | None = None,
    port: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Hello:
    """Put `elf` onto the board, start it, and wait until it says hello as `expected_build`.

    Args:
        board: the board.
        elf: the firmware; firmware.hex and .bin lie beside it.
        state_dir: folder for what the board's runner must remember; it is kept from `flash` to `connect`.
        expected_build: the build id in `elf`.
        kind: of the board's runners; None for the usual one.
        probe: serial number of the debug probe, where there may be several.
        port: serial port or pySerial URL; None where the runner finds it.
        tell: called with a line about each step as it begins.

    Raises:
        ToolError: there is no firmware, or a program is missing or has failed.
        BoardError: the board's file has no such runner.
        LinkError: the board does not answer afterwards, or as another build.
    """
    tell(f"{kind or board.runner.kind} puts {elf} on {board.name}")
    _write(board, elf, state_dir, kind, probe, port)
    tell("waiting until it says hello")
    with connect(board, state_dir, expected_build=expected_build, port=port, probe=probe) as device:
        return device.facts


def reset(board: Board, state_dir: Path, *, port: str | None = None, probe: str | None = None) -> None:
    """Make a board that hangs begin anew; does nothing where there is no way to, as over a `port` that was named.

    Raises:
        ToolError: the program that should do it is missing or has failed.
    """
    if port is None:
        _runner(board, board.runner.kind).reset(board, state_dir, probe)


def rehearse(
    board: Board,
    elf: Path,
    state_dir: Path,
    *,
    kind: str | None = None,
    probe: str | None = None,
    port: str | None = None,
) -> list[list[str]]:
    """The commands that `flash` would run. Arguments and errors as there."""
    with tools.dry_run() as commands:
        _write(board, elf, state_dir, kind, probe, port)
    return commands


def _write(board: Board, elf: Path, state_dir: Path, kind: str | None, probe: str | None, port: str | None) -> None:
    runner = _runner(board, kind or board.runner.kind)
    if not elf.is_file():
        raise ToolError(f"there is no firmware at {elf}", "pqk-mcu build")
    how = next(one for one in board.runners if RUNNERS[one.kind] is runner)
    runner.write(Flashing(board, how, elf, state_dir, probe, port))


@contextmanager
def connect(
    board: Board,
    state_dir: Path,
    *,
    expected_build: str | None = None,
    port: str | None = None,
    probe: str | None = None,
) -> Iterator[Device]:
    """The device, started if it must be, after its hello. With `port` it is there and runs already.

    Raises:
        ToolError, BoardError, LinkError: see `flash`.
    """
    with started(board, state_dir, port=port, probe=probe) as where, _device(board, where, expected_build) as device:
        yield device


@contextmanager
def started(board: Board, state_dir: Path, *, port: str | None = None, probe: str | None = None) -> Iterator[str]:
    """The port or pySerial URL of a board that runs, started if it must be. With `port` it is that.

    Raises:
        ToolError, BoardError, LinkError: see `flash`; a LinkError in the block is explained where the emulator ended.
    """
    if port is None:
        with _runner(board, board.runner.kind).start(board, state_dir, probe) as where:
            yield where
    else:
        yield port


def program(board: Board, how: BoardRunner) -> list[str] | None:
    """The program that `how` writes firmware with, and the arguments with which it tells its version, if it has any.

    None where no program is needed.

    Raises:
        BoardError: the board's file has a runner that does not exist, or one without a command.
    """
    runner = _runner(board, how.kind)
    if not isinstance(runner, Probe):
        return None
    imagined = Flashing(board, how, Path("firmware.elf"), Path(), probe="PROBE", port="PORT")
    with tools.dry_run():  # in which nothing is written either
        return [runner.commands(imagined)[0][0], *runner.version]


def _device(board: Board, port: str, expected_build: str | None) -> Device:
    baud = board.uart.baud
    return Device(open_link(port, baud), board=board.name, port=port, baud=baud, expected_build=expected_build)


def _runner(board: Board, kind: str) -> Runner:
    own = [one.kind for one in board.runners]
    for name in own:
        if name not in RUNNERS:
            raise BoardError(f"{board.name}: unknown runner.kind {name!r}", f"known: {', '.join(sorted(RUNNERS))}")
    if kind not in own:
        raise BoardError(f"{board.name} has no runner {kind!r}", f"choose: {', '.join(own)}")
    return RUNNERS[kind]
