"""A link to an emulator on this computer by datagrams.

QEMU takes a byte at a time from a stream, with a turn of its main loop for each; a datagram it takes whole, which
halves the time that audio takes to get in. What a full buffer drops is sent again like anything that a line loses.
"""

import contextlib
import errno
import socket
import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from pqk.errors import LinkLost

SCHEME = "udp://"
HOST = "127.0.0.1"
LARGEST = 2048  # bytes of a datagram; QEMU cuts off what is beyond 4096
RECEIVE_BUFFER = 1 << 22  # bytes; every byte from QEMU is a datagram, and counts as 768 there; Linux may give 554 only
STARTS_S = 10.0
LOOK_EVERY_S = 0.005


def free_url() -> str:
    """A URL with two ports that are free now, the emulator's and ours."""
    with _socket() as theirs, _socket() as ours:
        for each in (theirs, ours):
            each.bind((HOST, 0))
        return f"{SCHEME}{HOST}:{theirs.getsockname()[1]}?localport={ours.getsockname()[1]}"


def wait(url: str, runs: Callable[[], bool]) -> None:
    """Wait until the emulator has opened its end, for as long as it `runs`.

    Raises:
        LinkLost: it has ended, or does not open it within some seconds; or our port has been taken meanwhile.
    """
    limit = time.monotonic() + STARTS_S
    with _socket() as probe:
        _join(probe, url)
        while _refused(probe):
            if not runs() or time.monotonic() > limit:
                raise LinkLost(f"the emulator does not open {url}", "run the command again")
            time.sleep(LOOK_EVERY_S)


def _refused(probe: socket.socket) -> bool:
    """Whether nobody takes datagrams yet; to try, it sends a byte that says nothing in our protocols."""
    try:
        probe.send(b"\0")
        return probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
    except ConnectionRefusedError:
        return True


def _join(end: socket.socket, url: str) -> None:
    """Make `end` our end of `url`. Raises LinkLost when that port is in use."""
    theirs, ours = ports(url)
    try:
        end.bind((HOST, ours))
        end.connect((HOST, theirs))
    except OSError as error:
        raise _lost(url, error) from error


def _lost(url: str, error: OSError) -> LinkLost:
    text = error.strerror or str(error)
    return LinkLost(f"the connection to the emulator on {url} broke: {text}", "run the command again")


def _socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def ports(url: str) -> tuple[int, int]:
    """The emulator's port and ours."""
    parts = urlsplit(url)
    return int(parts.port or 0), int(parse_qs(parts.query)["localport"][0])


class DatagramLink:
    """See `pqk.links.Link`."""

    def __init__(self, url: str) -> None:
        """Open `url`, which `free_url` has made. Raises LinkLost when that port of ours is in use."""
        self.port = url
        self._socket = _socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        try:
            _join(self._socket, url)
        except LinkLost:
            self.close()
            raise

    def read(self, timeout: float) -> bytes:
        """See `Link.read`."""
        try:
            self._socket.settimeout(max(timeout, 0.0))
            data = self._socket.recv(LARGEST)
            self._socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while more := self._socket.recv(LARGEST):
                    data += more
        except (TimeoutError, BlockingIOError):
            return b""
        except OSError as error:
            raise _lost(self.port, error) from error
        return data

    def write(self, data: bytes) -> None:
        """See `Link.write`."""
        try:
            self._socket.setblocking(True)
            for start in range(0, len(data), LARGEST):
                self._socket.send(data[start : start + LARGEST])
        except OSError as error:
            raise _lost(self.port, error) from error

    def close(self) -> None:
        """See `Link.close`."""
        self._socket.close()
