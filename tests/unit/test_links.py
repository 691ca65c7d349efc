"""Serial links over pseudo terminals: who is named when one breaks, and adapters that shall not wait."""

import errno
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial
from support import processes
from support.ptys import Pty

from pqk import datagrams, holders, links
from pqk.errors import LinkError, LinkLost
from pqk.holders import Process
from pqk.links import SerialLink


@contextmanager
def another_program(port: str) -> Iterator[Process]:
    """Has the port open."""
    code = f"import sys; port = open({port!r}, 'rb', 0); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield Process(Path(f"/proc/{process.pid}/comm").read_text().strip(), process.pid)
        process.communicate()


def test_who_has_a_port_open() -> None:
    pty = Pty()
    link = SerialLink(pty.name, 115_200)
    assert holders.holders(pty.name) == []  # this program has, but it does not count
    link.close()
    with another_program(pty.name) as other:
        assert holders.holders(pty.name) == [other]
    assert holders.holders(pty.name) == []
    pty.unplug()


def test_a_port_is_known_by_any_of_its_names(tmp_path: Path) -> None:
    device, by_id = tmp_path / "ttyACM0", tmp_path / "usb-STLink"
    device.touch()
    by_id.symlink_to(device)
    running: dict[int, tuple[str, list[Path]]] = {
        10_000_001: ("minicom", [Path("/dev/null"), device]),
        10_000_002: ("bash", [Path("/dev/null")]),
        10_000_003: ("screen", [device]),
    }
    table = processes.table(tmp_path / "proc", running)
    (table / "10000004").mkdir()  # has ended meanwhile
    (table / "10000005").mkdir()
    (table / "10000005" / "comm").write_text("secret\n")  # another user's, whose files are not shown
    named = [Process("minicom", 10_000_001), Process("screen", 10_000_003)]
    assert holders.holders(str(by_id), table) == holders.holders(str(device), table) == named
    assert str(named[0]) == "minicom (process 10000001)"
    assert holders.holders(str(device), tmp_path / "no-proc") == []


def test_unplugged() -> None:
    for act in (lambda link: link.read(1), lambda link: link.write(b"x")):
        pty = Pty()
        link = SerialLink(pty.name, 115_200)
        pty.unplug()
        with pytest.raises(LinkError, match=f"the connection on {pty.name} broke: the board was unplugged") as caught:
            act(link)
        assert "plug it in" in caught.value.hint
        link.close()


def test_unplugged_while_bytes_are_on_their_way() -> None:
    pty = Pty()
    link = SerialLink(pty.name, 115_200)
    link.write(b"x")
    pty.unplug()
    with pytest.raises(LinkError, match="the board was unplugged"):
        link.write(b"x")
    link.close()


def test_a_port_that_takes_no_bytes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "WRITE_TIMEOUT_S", 0.2)
    pty = Pty()
    link = SerialLink(pty.name, 115_200)
    with pytest.raises(LinkLost, match="broke"):
        link.write(bytes(1 << 20))
    link.close()


def test_an_emulator_s_port_that_was_taken_meanwhile() -> None:
    url = datagrams.free_url()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((datagrams.HOST, datagrams.ports(url)[1]))
        for act in (lambda: datagrams.wait(url, lambda: True), lambda: links.open_link(url, 115_200)):
            with pytest.raises(LinkLost, match="in use"):
                act()


def reports_readiness_in_vain(*_: object) -> None:
    raise serial.SerialException("device reports readiness to read but returned no data (...)")


def test_another_program_reads_the_port_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pty = Pty()
    link = SerialLink(pty.name, 115_200)
    monkeypatch.setattr(link._serial, "read", reports_readiness_in_vain)
    with another_program(pty.name) as other, pytest.raises(LinkError) as caught:
        link.read(1)
    assert caught.value.message == f"the connection on {pty.name} broke: {other} has opened it, too"
    assert "close the terminal program" in caught.value.hint
    with pytest.raises(LinkError, match="unplugged and is back, or another user's program"):
        link.read(1)
    link.close()
    pty.unplug()


def test_a_port_that_is_in_use() -> None:
    pty = Pty()
    code = (
        f"import serial, sys; port = serial.Serial({pty.name!r}, exclusive=True); print('open', flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(LinkError, match=rf"is in use by \S+ \(process {process.pid}\)"):
            SerialLink(pty.name, 115_200)
        process.communicate()
    pty.unplug()


class Adapter:
    """What pySerial opens."""

    def __init__(self, refuses: type[Exception] | None) -> None:
        self.refuses, self.low_latency = refuses, False

    def set_low_latency_mode(self, wanted: bool) -> None:
        if self.refuses:
            raise self.refuses("no")
        self.low_latency = wanted


@pytest.mark.parametrize("refuses", [None, ValueError, NotImplementedError])
def test_an_adapter_shall_not_wait(refuses: type[Exception] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = Adapter(refuses)
    monkeypatch.setattr(links.serial, "serial_for_url", lambda *_, **__: adapter)
    SerialLink("/dev/ttyUSB0", 115_200)
    assert adapter.low_latency == (refuses is None)


@pytest.mark.parametrize(
    ("port", "error", "told", "hint"),
    [
        ("/dev/x", serial.SerialException(errno.EACCES, "no"), "no permission to open /dev/x", "usermod"),
        ("/dev/x", serial.SerialException(errno.ENOENT, "no"), "there is no port /dev/x", "pqk-mcu ports"),
        ("/dev/x", serial.SerialException(errno.EBUSY, "no"), "/dev/x is in use by another program", "close"),
        ("/dev/x", ValueError("no such rate"), "cannot open /dev/x: no such rate", "check the name"),
        ("socket://x:1", serial.SerialException("refused"), "cannot open socket://x:1: refused", "start what serves"),
    ],
)
def test_a_port_that_cannot_be_opened(
    port: str, error: Exception, told: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(links.serial, "serial_for_url", refuse)
    with pytest.raises(LinkError) as caught:
        SerialLink(port, 115_200)
    assert caught.value.message == told
    assert hint in caught.value.hint
