"""Emulated boards that listen on the network, as boards behind a terminal server do."""

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import serial
import serial.rfc2217

from pqk.boards import Board
from pqk.runners import qemu


@contextmanager
def listening(board: Board, elf: Path) -> Iterator[str]:
    """QEMU with the UART on a TCP port; yields a `socket://` URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        argv = qemu.arguments(board, elf, f"socket,id=uart,fd={listener.fileno()},server=on,wait=on,nodelay=on,mux=on")
        process = subprocess.Popen(argv, pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL)
        url = f"socket://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield url
    finally:
        process.kill()
        process.wait()


@contextmanager
def rfc2217(url: str) -> Iterator[str]:
    """A server of RFC 2217 for one client and the port at `url`; yields its `rfc2217://` URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        thread = threading.Thread(target=_serve, args=(listener, url), daemon=True)
        thread.start()
        yield f"rfc2217://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)
        assert not thread.is_alive()


class _Client:
    """What pySerial's PortManager writes its negotiations to."""

    def __init__(self, connection: socket.socket) -> None:
        self.write = connection.sendall


def _serve(listener: socket.socket, url: str) -> None:
    connection, _ = listener.accept()
    with connection, serial.serial_for_url(url, timeout=0.02) as port:
        manager = serial.rfc2217.PortManager(port, _Client(connection))
        ended = threading.Event()

        def from_the_port() -> None:
            with contextlib.suppress(OSError, serial.SerialException):
                while not ended.is_set():
                    if data := port.read(1) + port.read(port.in_waiting):
                        connection.sendall(b"".join(manager.escape(data)))

        back = threading.Thread(target=from_the_port)
        back.start()
        while data := connection.recv(4096):
            port.write(b"".join(manager.filter(data)))
        ended.set()
        back.join()
