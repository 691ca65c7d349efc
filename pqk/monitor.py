"""`pqk-mcu monitor`: what comes over a line, as it comes, also after its port was away."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from pqk import ports, runners
from pqk.boards import Board
from pqk.errors import LinkError
from pqk.links import Link, open_link
from pqk.ports import LOOK_EVERY_S, Port
from pqk.protocol import DELIMITER, Frame, Type, encode
from pqk.traffic import Traffic, described

QUIET_S = 0.3  # what has not ended before such a silence is shown as it is
HELLO_ATTEMPTS = 20  # a board that was reset by opening its port hears nothing until it has booted


def ask_hello(link: Link) -> None:
    """Ask the device for its HELLO."""
    link.write(DELIMITER + encode(Frame(Type.HELLO, 0)))


def run(board: Board, port: str | None, state_dir: Path | None, show: Callable[[str], None], *, hello: bool) -> None:
    """Show what comes from a board until Ctrl-C; an emulated one is started.

    Args:
        board: the board.
        port: its port or a pySerial URL; None where it is found by USB ids, or is emulated.
        state_dir: where an emulated board's flash is; None where there is none.
        show: takes a line.
        hello: ask the device for its HELLO first.

    Raises:
        LinkError: the port cannot be opened, or the emulator ended.
        ToolError: there is no emulator.
    """
    emulated = board.emulated and port is None
    if emulated and state_dir is None:
        raise LinkError(
            f"there is no project here with firmware for {board.name}", "name a port: --port, or pqk-mcu --project"
        )

    def opened(name: str) -> Link:
        return open_link(name, board.uart.baud)

    with suppress(KeyboardInterrupt), runners.started(board, state_dir or Path(), port=port) as where:
        if emulated:
            show(f"-- {board.title}; Ctrl-C ends it")
            with closing(opened(where)) as link:
                watch(link, show, hello=hello, nudge=True)
        else:
            show(f"-- {where} at {board.uart.baud} baud; Ctrl-C ends it")
            watch_port(where, opened, show, hello=hello)


def watch(link: Link, show: Callable[[str], None], *, hello: bool = False, nudge: bool = False) -> None:
    """Show what comes, a line for each frame or line of text, until Ctrl-C.

    With `nudge` a delimiter, which means nothing, is sent into every silence: only a datagram that is refused tells
    that an emulator has ended.

    Raises:
        LinkError: the link broke.
    """
    traffic, data = Traffic(), b""
    asks = HELLO_ATTEMPTS if hello else 0
    try:
        while True:
            if asks and not data:
                ask_hello(link)
                asks -= 1
            elif nudge and not data:
                link.write(DELIMITER)
            data = link.read(QUIET_S)
            items = traffic.feed(data) if data else traffic.flush()
            if any(isinstance(item, Frame) for item in items):
                asks = 0
            _show(items, show)
    finally:
        _show(traffic.flush(), show)


def watch_port(
    port: str,
    open_port: Callable[[str], Link],
    show: Callable[[str], None],
    *,
    hello: bool = False,
    look: Callable[[], Sequence[Port]] = ports.found,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show what comes over a port until Ctrl-C. Where it goes away, wait until it is back, under whatever name.

    Args:
        port: its name, or a pySerial URL.
        open_port: opens a port by its name.
        show: takes a line.
        hello: ask the device for its HELLO first.
        look: lists the ports, for tests.
        sleep: waits, for tests.

    Raises:
        LinkError: the port cannot be opened at the beginning.
    """
    known = next((one for one in look() if one.name == port), None)
    link = open_port(port)
    try:
        while True:
            try:
                watch(link, show, hello=hello)
            except LinkError as error:
                show(f"-- {error.message}; waiting for it to come back")
            hello = False
            link.close()
            link = _reopened(lambda: ports.again(known, look) if known else port, open_port, show, sleep)
    finally:
        link.close()


def _reopened(
    name: Callable[[], str | None],
    open_port: Callable[[str], Link],
    show: Callable[[str], None],
    sleep: Callable[[float], None],
) -> Link:
    told = ""
    while True:
        sleep(LOOK_EVERY_S)
        port = name()
        if port is None:
            continue
        try:
            link = open_port(port)
        except LinkError as error:  # for a moment after it appeared nobody may open it
            if error.message != told:
                show(f"-- {error.message}")
            told = error.message
        else:
            show(f"-- {port} is back")
            return link


def stamped(write: Callable[[str], None], now: Callable[[], datetime] = datetime.now) -> Callable[[str], None]:
    """Writes lines with the time of day, to the millisecond, before them."""
    return lambda line: write(f"{now():%H:%M:%S.%f}"[:-3] + f"  {line}")


def _show(items: Sequence[Frame | bytes], show: Callable[[str], None]) -> None:
    for item in items:
        for line in described(item):
            show(line)
