"""Serial ports: which are there, and which one is a board's. Ports are told apart by USB ids and serial numbers."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serial.tools import list_ports

from pqk.boards import Board
from pqk.errors import LinkError

APPEARS_S = 10.0  # after flashing a port may vanish and come back under another name
LOOK_EVERY_S = 0.25


@dataclass(frozen=True)
class Port:
    """A serial port. `usb` is vendor and product, "" where the port is none of USB's."""

    name: str
    usb: str
    serial_number: str
    what: str


def found() -> list[Port]:
    """Every serial port of this computer, by name."""
    return sorted(
        (
            Port(
                name=one.device,
                usb=f"{one.vid:04x}:{one.pid:04x}" if one.vid is not None and one.pid is not None else "",
                serial_number=one.serial_number or "",
                what=one.description if one.description != "n/a" else "",
            )
            for one in list_ports.comports()
        ),
        key=lambda port: port.name,
    )


def could_be(port: Port, known: Sequence[Board]) -> list[str]:
    """The names of the boards whose port it could be, by its USB ids."""
    return [board.name for board in known if board.usb is not None and port.usb in board.usb.ids]


def again(known: Port, look: Callable[[], Sequence[Port]] = found) -> str | None:
    """The name that a port which went away has now; None where it is not there, or cannot be told from others."""
    alike = [port.name for port in look() if (port.usb, port.serial_number) == (known.usb, known.serial_number)]
    if known.name in alike:
        return known.name
    return alike[0] if len(alike) == 1 and known.usb else None


def of(
    board: Board,
    probe: str | None = None,
    *,
    wait_s: float = APPEARS_S,
    look: Callable[[], Sequence[Port]] = found,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """The name of the board's port; waits for it to appear.

    Args:
        board: the board.
        probe: serial number, where there may be several such boards.
        wait_s: how long, in seconds.
        look: lists the ports, for tests.
        sleep: waits, for tests.

    Raises:
        LinkError: there is none, there are several, or the board's file does not say how to tell.
    """
    if board.usb is None:
        raise LinkError(
            f"the serial port of {board.name} has no USB ids to know it by", "name it: --port; pqk-mcu ports"
        )
    for _ in range(int(wait_s / LOOK_EVERY_S) + 1):
        matching = [port for port in look() if port.usb in board.usb.ids and _is_of(port, probe)]
        if len(matching) == 1:
            return matching[0].name
        if matching:
            listed = ", ".join(f"{port.name} ({port.serial_number or 'no serial number'})" for port in matching)
            raise LinkError(
                f"{len(matching)} ports could be the {board.name}: {listed}",
                f"choose one: --port {matching[0].name}, or --probe and a serial number",
            )
        sleep(LOOK_EVERY_S)
    raise LinkError(
        f"no serial port of a {board.name} is there (USB {' or '.join(board.usb.ids)}"
        + (f", serial number {probe})" if probe else ")"),
        "plug the board in, or name its port: --port; pqk-mcu ports lists all",
    )


def _is_of(port: Port, probe: str | None) -> bool:
    """J-Link's programs leave out the zeros that its serial number on USB begins with."""
    return probe is None or port.serial_number.lstrip("0") == probe.lstrip("0")
