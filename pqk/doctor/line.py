"""What answers at the other end of a port: our firmware, another program, noise, or nothing."""

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pqk.boards import Board
from pqk.device import Device
from pqk.doctor.finding import Finding, ok, problem
from pqk.links import Link
from pqk.monitor import ask_hello
from pqk.protocol import Frame, Type
from pqk.traffic import Traffic, escaped, readable

RATES = (115_200, 9600, 921_600, 57_600, 230_400, 460_800, 38_400, 19_200)  # the usual ones first
PATIENCE_S = 5.0  # a board that was reset by opening the port may have a boot loader that waits
OTHER_RATE_S = 0.8
ASK_EVERY_S = 0.4
SHOWN_BYTES = 32

Opener = Callable[[int], Link]
"""Opens the port at a baud rate."""


@dataclass(frozen=True)
class Heard:
    """What came at a baud rate after HELLO was said."""

    baud: int
    data: bytes
    frames: tuple[Frame, ...]

    @property
    def echo(self) -> bool:
        """Whether what came is what was sent."""
        return bool(self.frames) and all(frame.type == Type.HELLO for frame in self.frames)

    @property
    def text(self) -> str:
        """How it begins."""
        return escaped(self.data[:SHOWN_BYTES])

    @property
    def both(self) -> str:
        """How it begins, in hexadecimal and as text."""
        return f"{self.data[:SHOWN_BYTES].hex(' ')} = {self.text}"


def host(url: str, resolve: Callable[[str, int | None], object] = socket.getaddrinfo) -> Finding | None:
    """Whether the host of a URL is known; None where the URL has none."""
    parts = urlsplit(url)
    if parts.hostname is None:
        return None
    try:
        resolve(parts.hostname, parts.port)
    except ValueError as error:  # the port is no number
        return problem(f"{url} is no address: {error}", "write it like socket://host:4000")
    except OSError as error:
        return problem(f"the host {parts.hostname} is not known: {error}", f"ping {parts.hostname}")
    return ok(f"the host {parts.hostname} is known")


def answers(
    open_at: Opener,
    board: Board,
    port: str,
    expected_build: str | None,
    *,
    rates: Sequence[int] = RATES,
    patience_s: float = PATIENCE_S,
    clock: Callable[[], float] = time.monotonic,
) -> Finding:
    """What is at the other end, and at which baud rate. The port is opened once for each rate.

    Args:
        open_at: opens the port.
        board: which should be there.
        port: its name, for messages.
        expected_build: the build that it should run; None for any.
        rates: to be tried where nothing makes sense at the board's own.
        patience_s: seconds to wait for an answer at the board's own rate.
        clock: seconds, for tests.

    Raises:
        LinkError: the port cannot be opened, breaks, or what answers is not what should be there.
    """
    link = open_at(board.uart.baud)
    try:
        heard = _listen(link, board.uart.baud, patience_s, clock)
        if heard.frames and not heard.echo:
            return _introduced(link, board, port, expected_build, clock)
    finally:
        link.close()
    others = [] if heard.echo or readable(heard.data) else _elsewhere(open_at, rates, board.uart.baud, clock)
    return _verdict(board, port, heard, others)


def _listen(link: Link, baud: int, seconds: float, clock: Callable[[], float]) -> Heard:
    """Say HELLO again and again until a frame comes, or the time is over."""
    traffic, data = Traffic(), b""
    limit = clock() + seconds
    while clock() < limit:
        ask_hello(link)
        ask_again = min(limit, clock() + ASK_EVERY_S)
        while (left := ask_again - clock()) > 0:
            new = link.read(left)
            data += new
            frames = tuple(item for item in traffic.feed(new) if isinstance(item, Frame))
            if frames:
                return Heard(baud, data, frames)
    return Heard(baud, data, ())


def _elsewhere(open_at: Opener, rates: Sequence[int], but: int, clock: Callable[[], float]) -> list[Heard]:
    """What comes at other rates, up to one at which it makes sense."""
    heard = []
    for baud in rates:
        if baud == but:
            continue
        link = open_at(baud)
        try:
            heard.append(_listen(link, baud, OTHER_RATE_S, clock))
        finally:
            link.close()
        if heard[-1].frames or readable(heard[-1].data):
            break
    return heard


def _introduced(link: Link, board: Board, port: str, expected_build: str | None, clock: Callable[[], float]) -> Finding:
    """What the firmware says of itself; LinkError where that is not what is wanted."""
    baud = board.uart.baud
    with Device(link, board=board.name, port=port, baud=baud, expected_build=expected_build, clock=clock) as device:
        return ok(f"{board.name} on {port} answers and runs build {device.facts.build_id}")


def _verdict(board: Board, port: str, heard: Heard, others: Sequence[Heard]) -> Finding:
    """What it means that no frame came at the board's own rate."""
    baud = board.uart.baud
    if heard.echo:
        return problem(
            f"what is sent to {port} comes straight back", "connect its TX with the board's RX, its RX with the TX"
        )
    if readable(heard.data):
        return problem(f"another program answers on {port}: {heard.text}", "pqk-mcu flash")
    for other in others:
        if other.frames:
            return problem(
                f"the firmware on {port} answers at {other.baud} baud; the file of {board.name} says {baud}",
                f"pqk-mcu build and pqk-mcu flash, or uart.baud = {other.baud} in the board's file",
            )
        if readable(other.data):
            return problem(f"another program speaks on {port}, at {other.baud} baud: {other.text}", "pqk-mcu flash")
    noise = next((one for one in (heard, *others) if one.data), None)
    tried = f"{baud} baud" + (f" or {len(others)} other rates" if others else "")
    if noise is None:
        return problem(
            f"nothing at all comes from {port} at {tried}",
            "press the board's reset button, then pqk-mcu flash; an adapter's TX goes to RX, its RX to TX",
        )
    return problem(
        f"what comes from {port} makes no sense at {tried}; at {noise.baud}: {noise.both}",
        "pqk-mcu flash; if that does not help, look at ground and at uart.clock in the board's file",
    )
