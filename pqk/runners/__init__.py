"""How firmware gets onto a board and how a board is started: one module for each kind, all listed in RUNNERS.

The verbs here check and wait; what differs between kinds is behind `Runner`. How bytes travel is `pqk.links`.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from pqk.boards import Board
from pqk.device import Device
from pqk.errors import BoardError, ToolError
from pqk.links import SerialLink
from pqk.protocol import Hello
from pqk.runners.qemu import Qemu


class Runner(Protocol):
    """What a kind of board needs."""

    def write(self, board: Board, elf: Path, state_dir: Path) -> None:
        """Put firmware onto the board. `state_dir` is the runner's own, for what it must remember."""

    def start(self, board: Board, state_dir: Path) -> AbstractContextManager[str]:
        """Start the board and yield the pySerial URL of its UART; end it with the block."""


RUNNERS: dict[str, Runner] = {"qemu": Qemu()}


def flash(board: Board, elf: Path, state_dir: Path, *, expected_build: str, port: str | None = None) -> Hello:
    """Put `elf` onto the board, start it, and wait until it says hello as `expected_build`.

    Args:
        board: the board.
        elf: the firmware.
        state_dir: folder for what the board's runner must remember; it is kept from `flash` to `connect`.
        expected_build: the build id in `elf`.
        port: serial port or pySerial URL; None where the runner knows it.

    Raises:
        ToolError: there is no firmware, or a program is missing.
        BoardError: the board file names a runner that does not exist.
        LinkError: the board does not answer afterwards, or as another build.
    """
    runner = _runner(board)
    if not elf.is_file():
        raise ToolError(f"there is no firmware at {elf}", "pqk-mcu build")
    runner.write(board, elf, state_dir)
    with connect(board, state_dir, expected_build=expected_build, port=port) as device:
        return device.facts


@contextmanager
def connect(
    board: Board, state_dir: Path, *, expected_build: str | None = None, port: str | None = None
) -> Iterator[Device]:
    """The device, started if it must be, after its hello. With `port` it is there and runs already.

    Raises:
        ToolError, BoardError, LinkError: see `flash`.
    """
    if port is None:
        with _runner(board).start(board, state_dir) as url, _device(board, url, expected_build) as device:
            yield device
    else:
        with _device(board, port, expected_build) as device:
            yield device


def _device(board: Board, port: str, expected_build: str | None) -> Device:
    baud = board.uart.baud
    return Device(SerialLink(port, baud), board=board.name, port=port, baud=baud, expected_build=expected_build)


def _runner(board: Board) -> Runner:
    runner = RUNNERS.get(board.runner.kind)
    if runner is None:
        known = ", ".join(sorted(RUNNERS))
        raise BoardError(f"{board.name}: unknown runner.kind {board.runner.kind!r}", f"known: {known}")
    return runner
