"""A serial port made of a pseudo terminal, with a thread in place of a board at its other end."""

import os
import select
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Respond = Callable[[bytes, int], bytes]
"""What a board says to bytes that come while the port is set to a baud rate."""


class Pty:
    """A port called `name`, which nobody has open; `unplug` makes it vanish."""

    def __init__(self) -> None:
        self._board, port = os.openpty()
        tty.setraw(port)
        self.name = os.ttyname(port)
        os.close(port)

    @property
    def baud(self) -> int:
        """The rate that the port was set to by whoever opened it."""
        constant = termios.tcgetattr(self._board)[4]
        names = [name for name in vars(termios) if name.startswith("B") and name[1:].isdigit()]
        return next(int(name[1:]) for name in names if getattr(termios, name) == constant)

    def say(self, data: bytes) -> None:
        os.write(self._board, data)

    def heard(self, seconds: float) -> bytes:
        """What came within that time."""
        limit = time.monotonic() + seconds
        while (left := limit - time.monotonic()) > 0:
            ready, _, _ = select.select([self._board], [], [], left)
            try:
                if ready:
                    return os.read(self._board, 4096)
            except OSError:  # nobody has the port open
                time.sleep(0.005)
        return b""

    def unplug(self) -> None:
        os.close(self._board)


@contextmanager
def board(respond: Respond) -> Iterator[str]:
    """The name of a port with a board behind it."""
    pty, over = Pty(), threading.Event()

    def serve() -> None:
        while not over.is_set():
            data = pty.heard(0.02)
            if data:
                pty.say(respond(data, pty.baud))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield pty.name
    finally:
        over.set()
        thread.join()
        pty.unplug()
