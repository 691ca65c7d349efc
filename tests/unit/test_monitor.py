"""What `monitor` shows: of a line, of a port that goes away and comes back under another name."""

import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from support.command import pqk_mcu, started
from support.ptys import Pty
from support.simulated import SimulatedDevice

from pqk import monitor, ports
from pqk.errors import LinkError
from pqk.links import Link
from pqk.ports import Port
from pqk.protocol import REPLY, Frame, FrameReader, Type, encode


class Script:
    """A link over which this comes, piece by piece; then Ctrl-C is pressed."""

    def __init__(self, *pieces: bytes | LinkError) -> None:
        self.pieces, self.written, self.closed = list(pieces), b"", False

    def read(self, timeout: float) -> bytes:
        assert timeout > 0
        if not self.pieces:
            raise KeyboardInterrupt
        piece = self.pieces.pop(0)
        if isinstance(piece, LinkError):
            raise piece
        return piece

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True


def watched(link: Script, *, hello: bool = False) -> list[str]:
    lines: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        monitor.watch(link, lines.append, hello=hello)
    return lines


def test_lines_as_they_come() -> None:
    frame = encode(Frame(Type.INPUT | REPLY, 5))
    link = Script(b"boo", b"ting\r", b"\n" + frame[:3], frame[3:] + b"log", b"in: ", b"", b"\xff")
    assert watched(link) == ["booting", "INPUT reply 5: 0 bytes", "login: ", r"\xff"]
    assert link.written == b""


def test_hello_is_asked_for_until_a_frame_comes() -> None:
    """A board that boots hears nothing at first, and its boot loader may say something."""
    link = Script(b"", b"boot loader\n", b"", encode(Frame(Type.HELLO | REPLY, 0)), b"", b"more\n")
    assert len(watched(link, hello=True)) == 3
    assert FrameReader().feed(link.written) == [Frame(Type.HELLO, 0)] * 3
    silent = Script(*[b""] * 100)
    watched(silent, hello=True)
    assert len(FrameReader().feed(silent.written)) == monitor.HELLO_ATTEMPTS


def test_a_delimiter_is_sent_into_a_silence() -> None:
    link = Script(b"one\n", b"", b"", b"two\n")
    with pytest.raises(KeyboardInterrupt):
        monitor.watch(link, lambda _: None, nudge=True)
    assert link.written == b"\0" * 3  # before the first, and in two silences


def test_the_time_stands_before_each_line() -> None:
    lines: list[str] = []
    monitor.stamped(lines.append, lambda: datetime(2026, 1, 2, 3, 4, 5, 67_891))("text")
    assert lines == ["03:04:05.067  text"]


# ---- a port that goes away ----

UNPLUGGED = LinkError("the board was unplugged", "")
NUCLEO = Port("/dev/ttyACM0", "0483:374b", "066F", "STLink")
MOVED = Port("/dev/ttyACM1", "0483:374b", "066F", "STLink")
OTHER = Port("/dev/ttyACM2", "0483:374b", "0677", "STLink")


def shown(opens: list[Script | LinkError], *seen: list[Port], hello: bool = False) -> tuple[list[str], list[str]]:
    """Lines, and the names that were opened, where opening gives these one after the other."""
    lines: list[str] = []
    names: list[str] = []
    lists = iter(seen)

    def open_port(name: str) -> Link:
        names.append(name)
        opened = opens[len(names) - 1]
        if isinstance(opened, LinkError):
            raise opened
        return opened

    with pytest.raises(KeyboardInterrupt):
        monitor.watch_port(
            NUCLEO.name, open_port, lines.append, hello=hello, look=lambda: next(lists), sleep=lambda _: None
        )
    assert all(one.closed for one in opens if isinstance(one, Script))
    return lines, names


def test_a_port_that_comes_back_under_another_name() -> None:
    scripts = [Script(b"one\n", UNPLUGGED), Script(b"two\n")]
    lines, names = shown([*scripts], [NUCLEO, OTHER], [OTHER], [], [OTHER, MOVED], hello=True)
    assert lines == [
        "one",
        "-- the board was unplugged; waiting for it to come back",
        "-- /dev/ttyACM1 is back",
        "two",
    ]
    assert names == ["/dev/ttyACM0", "/dev/ttyACM1"]
    assert bool(scripts[0].written)
    assert not scripts[1].written


def test_a_port_that_nobody_may_open_at_first() -> None:
    """Until udev has given it to a group; what is wrong is said once."""
    forbidden = LinkError("no permission to open /dev/ttyACM0", "")
    opens = [Script(UNPLUGGED), forbidden, forbidden, Script(b"on\n")]
    lines, _ = shown(opens, *[[NUCLEO]] * 4)
    assert lines[1:] == ["-- no permission to open /dev/ttyACM0", "-- /dev/ttyACM0 is back", "on"]


def test_a_port_that_is_in_no_list_comes_back_under_its_name() -> None:
    lines, names = shown([Script(UNPLUGGED), Script(b"on\n")], [])
    assert names == [NUCLEO.name] * 2
    assert lines[-1] == "on"


def test_which_port_came_back() -> None:
    def again(known: Port, *seen: Port) -> str | None:
        return ports.again(known, lambda: seen)

    nameless = Port("/dev/ttyUSB0", "0403:6001", "", "")
    assert again(NUCLEO, OTHER, MOVED) == MOVED.name
    assert again(NUCLEO, OTHER) is None
    twin, triplet = Port("/dev/ttyUSB1", "0403:6001", "", ""), Port("/dev/ttyUSB2", "0403:6001", "", "")
    assert again(nameless, twin) == twin.name
    assert again(nameless, twin, triplet) is None
    assert again(nameless, nameless, twin) == nameless.name
    wired = Port("/dev/ttyS0", "", "", "")
    assert again(wired, Port("/dev/ttyS1", "", "", "")) is None
    assert again(wired, wired) == wired.name


# ---- the command, over ports of the system ----


def until(condition: Callable[[], bool]) -> bool:
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_the_command_survives_unplugging(tmp_path: Path) -> None:
    """A link in place of the port's name points to one pty after the other."""
    port, output = tmp_path / "ttyACM0", tmp_path / "output"
    first, second = Pty(), Pty()
    port.symlink_to(first.name)
    arguments = ["monitor", "--board", "nucleo-f446re", "--port", str(port), "--hello"]
    with output.open("wb") as file, started(*arguments, cwd=tmp_path, stdout=file) as process:
        device = SimulatedDevice(board="nucleo-f446re")
        first.say(device.receive(first.heard(20)))
        assert until(lambda: "build cafe" in output.read_text()), output.read_text()
        assert first.baud == 460_800
        first.unplug()
        assert until(lambda: "unplugged; waiting" in output.read_text()), output.read_text()
        port.unlink()
        port.symlink_to(second.name)
        assert until(lambda: "is back" in output.read_text()), output.read_text()
        second.say(b"hello again\r\n")
        assert until(lambda: "hello again" in output.read_text()), output.read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    second.unplug()
    lines = output.read_text().splitlines()
    assert lines[0].endswith(f"-- {port} at 460800 baud; Ctrl-C ends it")
    assert [line.partition("  ")[2].partition(",")[0] for line in lines[1:2]] == ["HELLO reply 0: nucleo-f446re"]


def test_nothing_to_watch(tmp_path: Path) -> None:
    outcome = pqk_mcu("monitor", cwd=tmp_path)
    assert outcome.code == 7
    assert "no project here with firmware for mps2-an386" in outcome.err
    assert "--port" in outcome.err
    outcome = pqk_mcu("monitor", "--board", "nucleo-f446re", "--port", "/dev/not-there", cwd=tmp_path)
    assert outcome.code == 7
    assert "there is no port /dev/not-there" in outcome.err
