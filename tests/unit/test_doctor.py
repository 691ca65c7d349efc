"""The command `doctor` as a whole, in and outside a project; the boards are simulated, the compiler is the real one."""

from pathlib import Path

import pytest
from support import ptys
from support.command import Outcome, pqk_mcu
from support.simulated import SimulatedDevice

from pqk import boards, doctor, pipeline, ports
from pqk.doctor import Patient, access, usb
from pqk.doctor.finding import Finding, Level
from pqk.ports import Port

BOARD = "nucleo-f446re"
NUCLEO = boards.load(BOARD)
STLINK = Port("/dev/ttyACM0", "0483:374b", "066F", "STM32 STLink")


def lines(outcome: Outcome) -> list[str]:
    assert "Traceback" not in outcome.err
    return outcome.out.splitlines()


def test_outside_a_project(tmp_path: Path) -> None:
    outcome = pqk_mcu("doctor", cwd=tmp_path)
    assert outcome.code == 0, outcome.out
    assert all(line.split()[0] in ("ok", "note") for line in lines(outcome))
    assert "compiles and links for the cortex-m4 of mps2-an386" in outcome.out
    assert "knows the machine mps2-an386" in outcome.out
    assert pqk_mcu("doctor", "--board", "mps2-an38", cwd=tmp_path).code == 5


def test_a_project_whose_board_answers(tmp_path: Path) -> None:
    """The board is the project's, and so is the build that it should run."""
    root = tmp_path / "lights"
    assert pqk_mcu("new", "lights", "--words", "yes,no", "--board", BOARD, cwd=tmp_path).code == 0
    built = root / "build" / BOARD
    built.mkdir(parents=True)
    device = SimulatedDevice(board=BOARD, build_id="cafe")
    with ptys.board(lambda data, _: device.receive(data)) as port:
        unbuilt = pqk_mcu("doctor", "--port", port, cwd=root)
        (built / "build.json").write_text(f'{{"schema": {pipeline.SCHEMA}, "id": "cafe"}}')
        same = pqk_mcu("doctor", "--port", port, cwd=root)
        (built / "build.json").write_text(f'{{"schema": {pipeline.SCHEMA}, "id": "beef"}}')
        older = pqk_mcu("doctor", "--port", port, cwd=root)
        elsewhere = pqk_mcu("doctor", "--board", "nrf52840-dk", "--port", port, cwd=root)
    for outcome in (unbuilt, same):
        assert lines(outcome)[-3:] == [
            f"ok       {access.this_user().name} may open {port}",
            f"note     opening {port}, which may reset the board",
            f"ok       {BOARD} on {port} answers and runs build cafe",
        ]
    assert (older.code, elsewhere.code) == (1, 1)
    assert lines(older)[-1] == f"problem  {BOARD} on {port} runs build cafe, not beef -> pqk-mcu flash"
    assert f"between you and a running {BOARD}" in older.err
    assert older.err.splitlines()[-1].strip() == "pqk-mcu flash"
    assert lines(elsewhere)[-1].startswith(f"problem  on {port} is a {BOARD}, not a nrf52840-dk -> ")


def test_a_new_project_on_an_emulated_board(tmp_path: Path) -> None:
    root = tmp_path / "lights"
    assert pqk_mcu("new", "lights", "--words", "yes,no", cwd=tmp_path).code == 0
    outcome = pqk_mcu("doctor", cwd=root)
    assert outcome.code == 0
    assert lines(outcome)[-1] == "note     this project has no build for mps2-an386 yet -> pqk-mcu build"
    built = root / "build" / "mps2-an386"
    built.mkdir(parents=True)
    (built / "build.json").write_text(f'{{"schema": {pipeline.SCHEMA}, "id": "cafe"}}')
    outcome = pqk_mcu("doctor", cwd=root)
    assert outcome.code == 0
    assert lines(outcome)[-1].endswith("has not been flashed to mps2-an386 yet -> pqk-mcu flash")


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    outcome = pqk_mcu("doctor", "--board", BOARD, "--port", "/dev/not-there", cwd=tmp_path)
    assert outcome.code == 1
    assert lines(outcome)[-1] == "problem  there is no port /dev/not-there -> pqk-mcu ports lists what is there"


def test_a_host_that_is_not_there(tmp_path: Path) -> None:
    outcome = pqk_mcu("doctor", "--board", BOARD, "--port", "socket://127.0.0.1:1", cwd=tmp_path)
    assert outcome.code == 1
    assert lines(outcome)[-2] == "ok       the host 127.0.0.1 is known"
    assert lines(outcome)[-1].startswith("problem  cannot open socket://127.0.0.1:1: ")
    outcome = pqk_mcu("doctor", "--board", BOARD, "--port", "socket://127.0.0.1:many", cwd=tmp_path)
    assert lines(outcome)[-1].startswith("problem  socket://127.0.0.1:many is no address: ")


def examined(monkeypatch: pytest.MonkeyPatch, seen: list[Port], board: str = BOARD) -> list[Finding]:
    """Of a computer with these ports, of which none can really be opened."""
    monkeypatch.setattr(ports, "found", lambda: seen)
    monkeypatch.setattr(usb, "devices", list)
    return list(doctor.examine(Patient(boards.load(board), None, None, None)))


def test_the_port_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = STLINK.name + "-of-nobody"
    findings = examined(monkeypatch, [Port(missing, "0483:374b", "066F", "STM32 STLink")])
    assert [finding.text for finding in findings if missing in finding.text] == [
        f"{missing} is the port of {BOARD}, by its USB ids",
        f"there is no port {missing}",
    ]
    assert findings[-1].level is Level.PROBLEM
    assert "no serial port of a nucleo-f446re" in examined(monkeypatch, [])[-1].text


def test_a_board_on_the_desk_is_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = examined(monkeypatch, [STLINK], "mps2-an386")
    assert findings[-1].level is Level.NOTE
    assert findings[-1].text.startswith("/dev/ttyACM0 could be ")
    assert BOARD in findings[-1].text
