"""Boards emulated by QEMU: "flashing" keeps a copy of the ELF, starting boots it with its UART on a local port."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pqk import datagrams, tools
from pqk.boards import Board
from pqk.errors import LinkError, LinkLost
from pqk.files import atomic_write_bytes
from pqk.runners.probe import Flashing

PROGRAM = "qemu-system-arm"
FLASHED = "flashed.elf"  # the emulated flash
EXIT_TIMEOUT_S = 5.0
LAST_WORDS_TIMEOUT_S = 0.5  # a process that just closed its socket may still be on its way out


class Qemu:
    """See `pqk.runners.Runner`."""

    def write(self, flashing: Flashing) -> None:
        """Keep the firmware until the next `write`."""
        if not tools.rehearsing():
            atomic_write_bytes(flashing.state_dir / FLASHED, flashing.elf.read_bytes())

    @contextmanager
    def start(self, board: Board, state_dir: Path, probe: str | None = None) -> Iterator[str]:
        """Boot what was flashed. QEMU ends with the block, whatever ends it. It has no probes.

        Raises:
            LinkError: nothing was flashed, or QEMU ended by itself; the message has its last words.
            ToolError: QEMU is not installed.
        """
        del probe
        elf = state_dir / FLASHED
        if not elf.is_file():
            raise LinkError(f"nothing has been flashed to {board.name} (no {elf})", "pqk-mcu flash")
        url = datagrams.free_url()
        with tempfile.TemporaryFile() as output:
            # Its threads hand every byte to one another: on two processors that takes twice as long.
            process = tools.start(arguments(board, elf, on_datagrams(url)), stderr=output, one_cpu=True)
            try:
                datagrams.wait(url, lambda: process.poll() is None)
                yield url
            except LinkError as error:
                raise _explained(error, board, process, output) from error
            finally:
                _end(process)

    def reset(self, board: Board, state_dir: Path, probe: str | None = None) -> None:
        """Starting it boots it anew."""
        del board, state_dir, probe


def on_datagrams(url: str) -> str:
    """The character device on the ports of `url`, see `pqk.datagrams`."""
    theirs, ours = datagrams.ports(url)
    host = datagrams.HOST
    return f"udp,id=uart,host={host},port={ours},localaddr={host},localport={theirs},mux=on"


def arguments(board: Board, elf: Path, chardev: str) -> list[str]:
    """The command that boots `elf` with the UART on a character device whose id is `uart`."""
    # A multiplexed line takes 32 bytes from a datagram at a time (otherwise one: 15 us a byte instead of 5); 256 is an
    # escape character that no byte can be.
    machine = ["-machine", board.runner.target, *board.runner.args, "-kernel", str(elf)]
    uart = ["-chardev", chardev, "-echr", "256", "-serial", "chardev:uart"]
    return [PROGRAM, *machine, "-display", "none", "-monitor", "none", *uart]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(EXIT_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _explained(error: LinkError, board: Board, process: subprocess.Popen[bytes], output: IO[bytes]) -> LinkError:
    """The same error, with what QEMU said where it is QEMU that has ended."""
    try:
        status = process.wait(LAST_WORDS_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return error
    output.seek(0)
    words = "\n".join(
        line for line in tools.tail(output.read().decode(errors="replace")).splitlines() if "info:" not in line
    )
    ended = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    return LinkLost(
        f"{error.message}; the emulator of {board.name} {ended}{': ' + words if words else ''}",
        error.hint or "run the command again",
    )
