"""Which port is the board's, and what USB itself says of boards that have none: Linux's /sys/bus/usb/devices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pqk import ports
from pqk.boards import Board
from pqk.doctor.access import may_open
from pqk.doctor.finding import Finding, note, of_error, ok, problem
from pqk.errors import LinkError
from pqk.ports import Port

DEVICES = Path("/sys/bus/usb/devices")
NODES = Path("/dev/bus/usb")

# Linux's drivers by USB vendor; what is not listed follows the standard for serial ports.
_DRIVERS = {"0403": "ftdi_sio", "10c4": "cp210x", "1a86": "ch341", "067b": "pl2303"}
_STANDARD_DRIVER = "cdc_acm"


@dataclass(frozen=True)
class Device:
    """Something that is plugged in. `usb` is vendor and product."""

    usb: str
    title: str
    node: Path
    """Through which programs speak to it that need no driver, such as those that flash."""


def devices(folder: Path = DEVICES, nodes: Path = NODES) -> list[Device]:
    """What is plugged in; nothing where the system does not tell."""
    found = []
    for path in sorted(folder.glob("*")):
        try:
            usb = f"{_read(path / 'idVendor')}:{_read(path / 'idProduct')}"
            node = nodes / f"{int(_read(path / 'busnum')):03}" / f"{int(_read(path / 'devnum')):03}"
        except (OSError, ValueError):
            continue  # an interface, or it was just unplugged
        found.append(Device(usb, _read(path / "product") if (path / "product").exists() else usb, node))
    return found


def port_of(board: Board, seen: Sequence[Port], plugged: Sequence[Device]) -> tuple[Finding, str | None]:
    """The board's port among those that are there; None where it cannot be told."""
    try:
        port = ports.of(board, wait_s=0, look=lambda: seen, sleep=lambda _: None)
    except LinkError as error:
        driverless = _driverless(board, seen, plugged)
        return driverless or _among(of_error(error), seen), None
    return ok(f"{port} is the port of {board.name}, by its USB ids"), port


def _driverless(board: Board, seen: Sequence[Port], plugged: Sequence[Device]) -> Finding | None:
    """A board that is plugged in and has no port."""
    ids = board.usb.ids if board.usb else ()
    here = [device for device in plugged if device.usb in ids]
    if not here or any(port.usb in ids for port in seen):
        return None
    driver = _DRIVERS.get(here[0].usb.partition(":")[0], _STANDARD_DRIVER)
    return problem(
        f"{here[0].title} ({here[0].usb}) is plugged in but has no serial port: the driver is missing",
        f"sudo modprobe {driver}",
    )


def _among(finding: Finding, seen: Sequence[Port]) -> Finding:
    there = ", ".join(f"{port.name} ({port.usb or 'no USB'})" for port in seen) or "none"
    return problem(f"{finding.text}; ports that are there: {there}", finding.fix)


def other_boards(known: Sequence[Board], seen: Sequence[Port]) -> list[Finding]:
    """Real boards whose ports are there, for somebody who looks at an emulated one."""
    findings = []
    for port in seen:
        names = ports.could_be(port, known)
        if names:
            findings.append(
                note(f"{port.name} could be {' or '.join(names)}", f"pqk-mcu doctor --board {names[0]} to look at it")
            )
    return findings


def probe(board: Board, plugged: Sequence[Device], allowed: Callable[[Path], bool] = may_open) -> list[Finding]:
    """Whether programs that flash may speak to the board's debug probe, as far as it has the USB ids of the port."""
    ids = board.usb.ids if board.usb else ()
    return [
        ok(f"{device.title} ({device.usb}) may be opened by programs that flash")
        if allowed(device.node)
        else problem(
            f"no permission to open {device.title} ({device.usb}) at {device.node}",
            "sudo apt-get install openocd, whose udev rules allow it, then plug the board in again",
        )
        for device in plugged
        if device.usb in ids
    ]


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip()
