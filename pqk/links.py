"""How bytes travel to a device: a serial port, or any pySerial URL (socket://, rfc2217://)."""

import errno
from typing import Protocol

import serial

from pqk.datagrams import SCHEME, DatagramLink
from pqk.errors import LinkError, LinkLost

READ_BYTES = 4096


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


class SerialLink:
    """A link over pySerial. Every failure is a LinkError that names the port."""

    def __init__(self, port: str, baud: int) -> None:
        """Open `port`, a device name or a pySerial URL, for this program alone."""
        self.port = port
        try:
            # exclusive: two programs on one port take each other's bytes, which looks like a broken device.
            self._serial = serial.serial_for_url(port, baudrate=baud, exclusive=True)
        except (serial.SerialException, ValueError, OSError) as error:
            raise _cannot_open(port, error) from error

    def read(self, timeout: float) -> bytes:
        """See `Link.read`."""
        try:
            self._serial.timeout = timeout
            data = self._serial.read(1)
            while len(data) < READ_BYTES and data and (waiting := self._serial.in_waiting):
                data += self._serial.read(waiting)
        except (serial.SerialException, OSError) as error:
            raise _broken(self.port, error) from error
        return bytes(data)

    def write(self, data: bytes) -> None:
        """See `Link.write`."""
        try:
            self._serial.write(data)
            self._serial.flush()
        except (serial.SerialException, OSError) as error:
            raise _broken(self.port, error) from error

    def close(self) -> None:
        """See `Link.close`."""
        self._serial.close()


def _cannot_open(port: str, error: Exception) -> LinkError:
    code = getattr(error, "errno", None)
    if code == errno.EACCES:
        return LinkError(f"no permission to open {port}", "sudo usermod -aG dialout $USER, then log in again")
    if code == errno.ENOENT:
        return LinkError(f"there is no port {port}", "plug the board in; pqk-mcu ports lists what is there")
    if code in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
        return LinkError(f"{port} is in use by another program", "close the terminal program or debugger that has it")
    return LinkError(f"cannot open {port}: {error}", "check the name of the port")


def _broken(port: str, error: Exception) -> LinkLost:
    text = str(error)
    if "returned no data" in text:  # how pySerial tells of both on POSIX
        text = "the board was unplugged, or another program opened the port"
    return LinkLost(f"the connection on {port} broke: {text}", "check cable and board, then run the command again")
