"""Which port, which driver, which group, who has it: made-up lists of ports, /sys and /proc."""

import dataclasses
import os
from pathlib import Path

import pytest
from support import processes

from pqk import boards
from pqk.doctor import access, usb
from pqk.doctor.access import User
from pqk.doctor.finding import Finding, Level, note
from pqk.doctor.usb import Device
from pqk.ports import Port

NUCLEO = boards.load("nucleo-f446re")
ADAPTER = Port("/dev/ttyUSB0", "0403:6001", "A1", "adapter")
ONE = Port("/dev/ttyACM0", "0483:374b", "066F", "STM32 STLink")
TWO = Port("/dev/ttyACM1", "0483:374b", "0677", "STM32 STLink")


def plugged(folder: Path, **products: str) -> list[Device]:
    """What /sys would tell of devices with these names and USB ids, and one that is no device."""
    for number, (product, usb_id) in enumerate(products.items(), 1):
        path = folder / f"1-{number}"
        path.mkdir(parents=True)
        vendor, _, kind = usb_id.partition(":")
        values = {"idVendor": vendor, "idProduct": kind, "busnum": "1", "devnum": str(number), "product": product}
        for name, value in values.items():
            (path / name).write_text(f"{value}\n")
    (folder / "1-1:1.0").mkdir(parents=True)
    return usb.devices(folder, folder / "nodes")


def test_what_is_plugged_in(tmp_path: Path) -> None:
    there = plugged(tmp_path, STLink="0483:374b", mouse="1234:5678")
    assert there == [
        Device("0483:374b", "STLink", tmp_path / "nodes" / "001" / "001"),
        Device("1234:5678", "mouse", tmp_path / "nodes" / "001" / "002"),
    ]
    (tmp_path / "1-2" / "product").unlink()
    assert usb.devices(tmp_path)[1].title == "1234:5678"
    assert usb.devices(tmp_path / "not-there") == []


# ---- which port ----


def test_the_port_of_the_board() -> None:
    finding, port = usb.port_of(NUCLEO, [ADAPTER, ONE], [])
    assert (finding.level, port) == (Level.OK, ONE.name)
    assert ONE.name in finding.text


@pytest.mark.parametrize(
    ("seen", "told", "fix"),
    [
        ([], "no serial port of a nucleo-f446re is there (USB 0483:374b); ports that are there: none", "plug"),
        ([ADAPTER], "ports that are there: /dev/ttyUSB0 (0403:6001)", "--port"),
        ([Port("/dev/ttyS0", "", "", "")], "ports that are there: /dev/ttyS0 (no USB)", "pqk-mcu ports"),
        ([ONE, TWO], "2 ports could be the nucleo-f446re", "--port /dev/ttyACM0"),
    ],
)
def test_no_port_or_several(seen: list[Port], told: str, fix: str, tmp_path: Path) -> None:
    ids = {port.what.split()[-1]: port.usb for port in seen if port.usb}
    finding, port = usb.port_of(NUCLEO, seen, plugged(tmp_path, **ids))
    assert (finding.level, port) == (Level.PROBLEM, None)
    assert told in finding.text
    assert fix in finding.fix


def test_a_board_that_has_no_usb_ids() -> None:
    finding, port = usb.port_of(boards.load("stm32f4-discovery"), [ADAPTER], [])
    assert (finding.level, port) == (Level.PROBLEM, None)
    assert "--port" in finding.fix


def test_a_driver_that_is_missing(tmp_path: Path) -> None:
    there = plugged(tmp_path, STLink="0483:374b")
    finding, port = usb.port_of(NUCLEO, [ADAPTER], there)
    assert port is None
    assert finding.text.startswith("STLink (0483:374b) is plugged in but has no serial port")
    assert finding.fix == "sudo modprobe cdc_acm"
    other = dataclasses.replace(NUCLEO, usb=boards.Usb(("0403:6001",)))
    finding, _ = usb.port_of(other, [], [dataclasses.replace(there[0], usb="0403:6001")])
    assert finding.fix == "sudo modprobe ftdi_sio"


def test_a_real_board_beside_an_emulated_one() -> None:
    known = [boards.load(name) for name in ("mps2-an386", "nrf52840-dk", "nucleo-f446re")]
    assert usb.other_boards(known, [ADAPTER, ONE]) == [
        note("/dev/ttyACM0 could be nucleo-f446re", "pqk-mcu doctor --board nucleo-f446re to look at it")
    ]


def test_the_permissions_of_a_probe(tmp_path: Path) -> None:
    there = plugged(tmp_path, STLink="0483:374b", mouse="1234:5678")
    (finding,) = usb.probe(NUCLEO, there, lambda _: False)
    assert finding.level is Level.PROBLEM
    assert "no permission to open STLink" in finding.text
    assert str(there[0].node) in finding.text
    assert "udev" in finding.fix
    (finding,) = usb.probe(NUCLEO, there, lambda node: node == there[0].node)
    assert finding.level is Level.OK
    assert usb.probe(NUCLEO, there[1:]) == []


# ---- who may, and who has ----


def permission(port: Path, *, groups: set[str], listed: set[str]) -> Finding:
    """Of somebody whom the system does not let in."""
    return access.permission(port, User("ada", frozenset(groups), frozenset(listed)), lambda _: False)


def test_permission(tmp_path: Path) -> None:
    port = tmp_path / "ttyACM0"
    port.touch(0o660)
    port.chmod(0o660)
    group = port.group()
    finding = permission(port, groups={"users"}, listed={"users"})
    assert finding.level is Level.PROBLEM
    assert finding.text == f"ada may not open {port}, which is for group {group}"
    assert finding.fix == f"sudo usermod -aG {group} ada, then log in again"
    finding = permission(port, groups={"users"}, listed={"users", group})
    assert finding.level is Level.PROBLEM
    assert "since this session began" in finding.text
    assert finding.fix == f"newgrp {group}, or log in again"
    port.chmod(0o600)
    finding = permission(port, groups=set(), listed=set())
    assert finding.text == f"only {port.owner()} may open {port}"
    assert f"chmod a+rw {port}" in finding.fix
    allowed = access.permission(port, access.this_user())
    assert allowed.level is Level.OK
    gone = access.permission(tmp_path / "gone", access.this_user())
    assert (gone.level, gone.fix) == (Level.PROBLEM, "pqk-mcu ports lists what is there")


def test_numbers_without_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container."""

    def nameless(*_: object) -> str:
        raise KeyError("no such name")

    monkeypatch.setattr(Path, "group", nameless)
    monkeypatch.setattr(Path, "owner", nameless)
    monkeypatch.setattr(access.getpass, "getuser", nameless)
    port = tmp_path / "ttyACM0"
    port.touch()
    port.chmod(0o660)
    finding = access.permission(port, access.this_user(), lambda _: False)
    assert finding.text == f"{os.getuid()} may not open {port}, which is for group {port.stat().st_gid}"
    port.chmod(0o600)
    finding = access.permission(port, access.this_user(), lambda _: False)
    assert finding.text == f"only {port.stat().st_uid} may open {port}"


def test_this_user(tmp_path: Path) -> None:
    """Whoever runs this: a file that they make has one of their groups."""
    path = tmp_path / "mine"
    path.touch()
    os.chown(path, -1, os.getegid())
    user = access.this_user()
    assert user.name == path.owner()
    assert path.group() in user.groups


def test_who_has_the_port(tmp_path: Path) -> None:
    port = tmp_path / "ttyACM0"
    port.touch()
    running: dict[int, tuple[str, list[Path]]] = {10_000_001: ("minicom", [port]), 10_000_002: ("ModemManager", [])}
    table = processes.table(tmp_path / "proc", running)
    (finding,) = access.taken(str(port), table)
    assert finding.level is Level.PROBLEM
    assert finding.text == f"minicom (process 10000001) has {port} open"
    assert finding.fix == "close it: kill 10000001"
    assert access.taken(str(tmp_path / "other"), table) == []
    (finding,) = access.modem_manager(table)
    assert finding.level is Level.NOTE
    assert "systemctl stop ModemManager" in finding.fix
    (table / "10000002" / "comm").write_text("bash\n")
    assert access.modem_manager(table) == []
