"""Which serial port is a board's, with a made-up list of ports."""

from types import SimpleNamespace

import pytest

from pqk import boards, ports, tables
from pqk.errors import LinkError
from pqk.ports import Port

NUCLEO = boards.load("nucleo-f446re")
OTHER = Port("/dev/ttyUSB0", "0403:6001", "A1", "adapter")
ONE = Port("/dev/ttyACM0", "0483:374b", "066F", "STM32 STLink")
TWO = Port("/dev/ttyACM1", "0483:374b", "0677", "STM32 STLink")


def of(*seen: list[Port], probe: str | None = None) -> str:
    """With lists of ports one after the other; the last one stays."""
    lists = iter(seen)
    last = seen[-1]
    return ports.of(NUCLEO, probe, look=lambda: next(lists, last), sleep=lambda _: None)


def test_by_usb_ids_and_serial_number() -> None:
    assert of([OTHER, ONE]) == ONE.name
    assert of([OTHER, ONE, TWO], probe="0677") == TWO.name


def test_zeros_in_front_of_a_serial_number_do_not_count() -> None:
    first, second = (Port(f"/dev/ttyACM{n}", "0483:374b", f"00068330{n}", "J-Link") for n in (1, 2))
    assert of([first, second], probe="683302") == second.name
    assert of([first, ONE], probe="66F") == ONE.name
    with pytest.raises(LinkError, match="serial number 6833"):
        of([first, second], probe="6833")


def test_a_port_that_comes_back_under_another_name() -> None:
    assert of([OTHER], [], [OTHER, TWO]) == TWO.name


def test_none_in_time() -> None:
    waited: list[float] = []
    with pytest.raises(LinkError, match="no serial port of a nucleo-f446re is there") as caught:
        ports.of(NUCLEO, look=lambda: [OTHER], sleep=waited.append)
    assert 10 <= sum(waited) <= 11
    assert "0483:374b" in caught.value.message
    assert "--port" in caught.value.hint
    with pytest.raises(LinkError, match="serial number 1234"):
        of([ONE, TWO], probe="1234")


def test_several() -> None:
    with pytest.raises(LinkError, match="2 ports could be the nucleo-f446re") as caught:
        of([ONE, TWO])
    assert "/dev/ttyACM0 (066F), /dev/ttyACM1 (0677)" in caught.value.message
    assert "--port /dev/ttyACM0" in caught.value.hint


def test_a_board_without_ids() -> None:
    with pytest.raises(LinkError, match="stm32f4-discovery has no USB ids") as caught:
        ports.of(boards.load("stm32f4-discovery"), look=lambda: [ONE])
    assert "--port" in caught.value.hint


def test_the_table_names_boards(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = SimpleNamespace(device="/dev/ttyS0", vid=None, pid=None, serial_number=None, description="n/a")
    stlink = SimpleNamespace(device="/dev/ttyACM0", vid=0x483, pid=0x374B, serial_number="066F", description="[STLink]")
    monkeypatch.setattr(ports.list_ports, "comports", lambda: [plain, stlink])
    assert ports.found() == [Port("/dev/ttyACM0", "0483:374b", "066F", "[STLink]"), Port("/dev/ttyS0", "", "", "")]
    rows = tables.ports().splitlines()[1:]
    known = [board for board in map(boards.load, boards.names()) if board.usb and "0483:374b" in board.usb.ids]
    assert len(known) > 1
    names = ", ".join(board.name for board in known)
    assert rows[0].split() == ["/dev/ttyACM0", "0483:374b", "066F", *names.split(), "[STLink]"]
    assert rows[1].split() == ["/dev/ttyS0"]
    monkeypatch.setattr(ports.list_ports, "comports", list)
    assert tables.ports() == "there are no serial ports"
