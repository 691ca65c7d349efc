"""How bytes travel to a device: a serial port, or any pySerial URL (socket://, rfc2217://)."""

import errno
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import serial

from pqk.datagrams import SCHEME, DatagramLink
from pqk.errors import LinkError, LinkLost
from pqk.holders import holders

READ_BYTES = 4096
WRITE_TIMEOUT_S = 30.0  # a frame of 16 kB takes 17 at 9,600 baud
QUIET_S = 0.05  # silence after which a line that was just opened counts as quiet
QUIET_LIMIT_S = 2.0  # a line that never falls silent is tried anyway

_FAILURES: tuple[type[Exception], ...] = (serial.SerialException, OSError)
if sys.platform != "win32":
    import termios

    _FAILURES += (termios.error,)  # of a port that is gone; it is no OSError
_REFUSALS: tuple[type[Exception], ...] = (*_FAILURES, ValueError)  # of a URL or a rate that makes no sense
_LET_GO = "close the terminal program or debugger that has it"


class Link(Protocol):
    """A two-way stream of bytes."""

    def read(self, timeout: float) -> bytes:
        """What has arrived; waits up to `timeout` seconds for the first byte, and returns b"" after that."""

    def write(self, data: bytes) -> None:
        """Send all of `data`."""

    def close(self) -> None:
        """End it; may be called twice."""


def open_link(port: str, baud: int) -> Link:
    """The link to `port`: a device name, a pySerial URL, or an emulator's. Raises LinkError when it does not open."""
    return DatagramLink(port) if port.startswith(SCHEME) else SerialLink(port, baud)


def until_quiet(link: Link, clock: Callable[[], float]) -> bytes:
    """Throw away what a reset by opening the port, or an earlier program, has left on the line; returns the last of it.

    `clock` is in seconds.
    """
    last, limit = b"", clock() + QUIET_LIMIT_S
    while clock() < limit and (data := link.read(QUIET_S)):
        last = data
    return last


class SerialLink:
    """A link over pySerial. Every failure is a LinkError that names the port."""

    def __init__(self, port: str, baud: int) -> None:
        """Open `port`, a device name or a pySerial URL, for this program alone."""
        self.port = port
        try:
            # exclusive: two programs on one port take each other's bytes, which looks like a broken device.
            self._serial = serial.serial_for_url(port, baudrate=baud, exclusive=True, **_patience(port))
        except _REFUSALS as error:
            raise _cannot_open(port, error) from error
        _hurry(self._serial)

    def read(self, timeout: float) -> bytes:
        """See `Link.read`."""
        try:
            self._serial.timeout = timeout
            data = self._serial.read(1)
            while len(data) < READ_BYTES and data and (waiting := self._serial.in_waiting):
                data += self._serial.read(waiting)
        except _FAILURES as error:
            raise _broken(self.port, error) from error
        return bytes(data)

    def write(self, data: bytes) -> None:
        """See `Link.write`."""
        try:
            self._serial.write(data)
        except _FAILURES as error:
            raise _broken(self.port, error) from error

    def close(self) -> None:
        """See `Link.close`."""
        self._serial.close()


def _patience(port: str) -> dict[str, float]:
    """An adapter may hold back what it is to send, for ever. URLs, of which rfc2217 refuses a limit, have none."""
    return {} if is_url(port) else {"write_timeout": WRITE_TIMEOUT_S}


def is_url(port: str) -> bool:
    """Whether `port` is one of pySerial's URLs, not a device."""
    return "://" in port


def has_rate(port: str) -> bool:
    """Whether the baud rate of `port` matters; a bare socket and an emulator have none."""
    return not port.startswith(("socket:", SCHEME))


def _hurry(port: serial.SerialBase) -> None:
    """Have a USB adapter hand bytes over at once: FTDI's wait up to 16 ms for more, in every round trip."""
    setter = getattr(port, "set_low_latency_mode", None)  # serial ports on Linux have it, URLs have not
    if setter is not None:
        with suppress(ValueError, NotImplementedError):  # the driver knows no such thing, and needs none
            setter(True)


def _cannot_open(port: str, error: Exception) -> LinkError:
    code = getattr(error, "errno", None)
    if code == errno.EACCES:
        return LinkError(f"no permission to open {port}", "sudo usermod -aG dialout $USER, then log in again")
    if code == errno.ENOENT:
        return LinkError(f"there is no port {port}", "plug the board in; pqk-mcu ports lists what is there")
    if code in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
        return LinkError(f"{port} is in use by {_users(port) or 'another program'}", _LET_GO)
    hint = "check the address, and start what serves the port there" if is_url(port) else "check the name of the port"
    return LinkError(f"cannot open {port}: {error}", hint)


def _broken(port: str, error: Exception) -> LinkLost:
    """What a failing port means. A device that is read in vain is unplugged, or somebody else reads it."""
    if port.startswith("/") and not Path(port).exists():
        return LinkLost(f"the connection on {port} broke: the board was unplugged", "plug it in, then try again")
    users = _users(port)
    if users:
        return LinkLost(f"the connection on {port} broke: {users} has opened it, too", _LET_GO)
    text = str(error)
    if "returned no data" in text:  # how pySerial tells of both on POSIX
        text = "the board was unplugged and is back, or another user's program opened the port"
    return LinkLost(f"the connection on {port} broke: {text}", "check cable and board, then run the command again")


def _users(port: str) -> str:
    return " and ".join(map(str, holders(port)))
