"""What `doctor` makes of what answers, in simulation and on a pty: devices, other programs, noise, silence."""

import dataclasses
import socket
import struct
import threading
from collections.abc import Callable

import numpy as np
import pytest
from support import ptys, seeds
from support.simulated import Clock, SimulatedDevice, SimulatedLink

from pqk import boards
from pqk.doctor import line
from pqk.doctor.finding import Finding, Level, of_error
from pqk.errors import LinkError
from pqk.links import SerialLink
from pqk.protocol import REPLY, VERSION, Frame, Type, encode

NUCLEO = boards.load("nucleo-f446re")
BAUD = NUCLEO.uart.baud
DIVISION_BY_ZERO = struct.pack("<9I", 6, 0x123, 0, 1 << 24, 0, 1 << 25, 0, 0, 0)
BANNER = b"*** Booting some other system 3.7 ***\r\n"


class Talker(SimulatedDevice):
    """Says the same to everything, whatever the protocol."""

    def __init__(self, says: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self.says = says

    def receive(self, data: bytes) -> bytes:
        return self.says(data)


SILENT = Talker(lambda _: b"")


def examined(at: dict[int, SimulatedDevice], build: str | None = None) -> Finding:
    """The finding where a device answers at each of these baud rates, and nothing at others. All links get closed."""
    clock, links = Clock(), []

    def open_at(baud: int) -> SimulatedLink:
        links.append(SimulatedLink(at.get(baud, SILENT), clock))
        return links[-1]

    try:
        finding = line.answers(open_at, NUCLEO, "/dev/x", build, clock=clock)
    except LinkError as error:
        finding = of_error(error)
    assert all(link.closed for link in links)
    assert clock.now < 20
    return finding


def ours(**facts: str) -> SimulatedDevice:
    return SimulatedDevice(**{"board": NUCLEO.name, **facts})


def test_the_board_answers() -> None:
    finding = examined({BAUD: ours()}, "cafe")
    assert (finding.level, finding.fix) == (Level.OK, "")
    assert finding.text == "nucleo-f446re on /dev/x answers and runs build cafe"


@pytest.mark.parametrize(
    ("device", "told", "fix"),
    [
        (ours(board="microbit"), "on /dev/x is a microbit, not a nucleo-f446re", "--board"),
        (ours(build_id="beef"), "runs build beef, not cafe", "pqk-mcu flash"),
        (
            Talker(lambda _: encode(Frame(Type.HELLO | REPLY, 0, b"", VERSION + 1))),
            f"speaks version {VERSION + 1} of the protocol, this program {VERSION}",
            "pqk-mcu build, then pqk-mcu flash",
        ),
        (
            Talker(lambda _: encode(Frame(Type.FAULT, 0, DIVISION_BY_ZERO))),
            "has stopped in HELLO: UsageFault: DIVBYZERO: division by zero",
            "addr2line -f -e firmware/firmware.elf 0x123",
        ),
        (Talker(lambda data: data), "what is sent to /dev/x comes straight back", "RX"),
        (Talker(lambda _: BANNER), "another program answers on /dev/x", "pqk-mcu flash"),
        (SILENT, "nothing at all comes from /dev/x at 460800 baud or 7 other rates", "reset button"),
    ],
)
def test_something_else_answers(device: SimulatedDevice, told: str, fix: str) -> None:
    finding = examined({BAUD: device}, "cafe")
    assert finding.level is Level.PROBLEM
    assert told in finding.text
    assert fix in finding.fix


def noise(label: str) -> Talker:
    """Bytes of any kind, as a wrong rate gives them, but no zeros: by chance they could end a frame."""
    rng = seeds.fresh(label)
    return Talker(lambda _: bytes(rng.integers(1, 256, 40, dtype=np.uint8)))


def test_bytes_that_make_no_sense_are_shown() -> None:
    garbled = Talker(lambda _: b"\xfe\x00\x80Z" * 20)
    finding = examined({BAUD: garbled})
    assert f"makes no sense at {BAUD} baud or 7 other rates; at {BAUD}: fe 00 80 5a fe" in finding.text
    assert r" = \xfe\x00\x80Z\xfe" in finding.text
    assert "uart.clock" in finding.fix
    only_elsewhere = examined({9600: garbled})
    assert "; at 9600: fe 00" in only_elsewhere.text


def test_the_rate_is_found() -> None:
    for rate in line.RATES:
        if rate != BAUD:
            finding = examined({**dict.fromkeys((BAUD, *line.RATES), noise(f"at {rate}")), rate: ours()})
            assert f"answers at {rate} baud; the file of nucleo-f446re says {BAUD}" in finding.text
            assert f"uart.baud = {rate}" in finding.fix
    finding = examined({BAUD: noise("text"), 9600: Talker(lambda _: BANNER)})
    assert "another program speaks on /dev/x, at 9600 baud" in finding.text
    assert "*** Booting" in finding.text


def test_a_port_that_breaks_meanwhile() -> None:
    def unplug(_: bytes) -> bytes:
        raise LinkError("the board was unplugged", "plug it in")

    link = SimulatedLink(Talker(unplug), Clock())
    with pytest.raises(LinkError, match="unplugged"):
        line.answers(lambda _: link, NUCLEO, "/dev/x", None)
    assert link.closed


# ---- over a port of the system ----


def test_a_port_with_the_board() -> None:
    device = ours()
    with ptys.board(lambda data, _: device.receive(data)) as port:
        finding = line.answers(lambda baud: SerialLink(port, baud), NUCLEO, port, "cafe")
    assert finding.text == f"nucleo-f446re on {port} answers and runs build cafe"


def test_a_port_with_the_board_at_another_rate() -> None:
    """As an adapter gives it: garbled bytes at every rate but one."""
    device, garbled, rates = ours(), noise("garbled"), []

    def respond(data: bytes, baud: int) -> bytes:
        rates.append(baud)
        return device.receive(data) if baud == 57_600 else garbled.receive(data)

    with ptys.board(respond) as port:
        finding = line.answers(lambda baud: SerialLink(port, baud), NUCLEO, port, "cafe", patience_s=0.8)
        SerialLink(port, BAUD).close()  # it was let go
    assert "answers at 57600 baud" in finding.text
    assert list(dict.fromkeys(rates)) == [BAUD, *line.RATES[: line.RATES.index(57_600) + 1]]


# ---- URLs ----


def test_the_host_of_a_url() -> None:
    asked: list[tuple[str, int | None]] = []

    def unknown(name: str, port: int | None) -> object:
        asked.append((name, port))
        raise socket.gaierror(-2, "Name or service not known")

    finding = line.host("rfc2217://desk:4000?logging=debug", unknown)
    assert asked == [("desk", 4000)]
    assert finding is not None
    assert "the host desk is not known" in finding.text
    assert finding.fix == "ping desk"
    assert line.host("loop://") is None
    known = line.host("socket://desk:4000", lambda *_: None)
    assert known is not None
    assert known.level is Level.OK
    wrong = line.host("socket://desk:many", lambda *_: None)
    assert wrong is not None
    assert wrong.level is Level.PROBLEM


def test_nobody_listens_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"socket://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(LinkError, match="refused") as caught:
            line.answers(lambda baud: SerialLink(url, baud), NUCLEO, url, None, rates=())
    assert "start what serves the port" in caught.value.hint


def test_the_board_answers_at_the_end_of_a_socket() -> None:
    emulated = dataclasses.replace(NUCLEO, name="toy")
    device = SimulatedDevice()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(4096):
                    connection.sendall(device.receive(data))

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        finding = line.answers(lambda baud: SerialLink(url, baud), emulated, url, "cafe", rates=())
        thread.join()
    assert finding.level is Level.OK, finding.text
