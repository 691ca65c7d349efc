"""A serial port that is none: a pseudo-terminal in front of a link, for programs that open their ports by name."""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pqk.errors import ToolError
from pqk.links import READ_BYTES, Link

POLL_S = 0.002
"""Bytes from the other program wait for so long at most."""


@contextmanager
def terminal() -> Iterator[tuple[int, str]]:
    """A pseudo-terminal without echo or line editing: the file descriptor of our side, and the path of the other one.

    That other programs close it, and open it again, does not end it.

    Raises:
        ToolError: this is Windows, which has none.
    """
    if sys.platform == "win32":
        raise ToolError("Windows has no pseudo-terminals", "run this under Linux, WSL or macOS")
    import pty
    import tty

    ours, theirs = pty.openpty()  # theirs stays open here: with nobody at that side, reading ours would fail
    try:
        tty.setraw(theirs)
        yield ours, os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def forward(link: Link, ours: int) -> None:
    """Carry bytes between a link and our side of a terminal, both ways, until an exception ends it.

    Raises:
        LinkError: the link broke.
    """
    while True:
        arrived = link.read(POLL_S)
        if arrived:
            os.write(ours, arrived)
        if select.select([ours], [], [], 0)[0]:
            link.write(os.read(ours, READ_BYTES))
