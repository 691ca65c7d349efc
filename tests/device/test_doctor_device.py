"""`doctor` and `monitor` in a project whose firmware, with the test double, runs on the emulated board."""

import signal
import time
from pathlib import Path

import pytest
from support.command import pqk_mcu, started
from support.device import BOARD, BUILD_ID, build

from pqk import pipeline, runners
from pqk.protocol import Type
from pqk.runners.qemu import FLASHED


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was built and flashed, as far as `doctor` and `monitor` look."""
    folder = tmp_path_factory.mktemp("project")
    assert pqk_mcu("new", "lights", "--words", "yes,no", cwd=folder).code == 0
    built = folder / "lights" / "build" / BOARD.name
    firmware = build(built / "firmware")
    (built / "build.json").write_text(f'{{"schema": {pipeline.SCHEMA}, "id": "{BUILD_ID}"}}')
    runners.flash(BOARD, firmware.elf, built, expected_build=BUILD_ID)
    return folder / "lights"


def test_the_emulated_board_answers(root: Path) -> None:
    outcome = pqk_mcu("doctor", cwd=root)
    assert outcome.code == 0, outcome.err
    last = outcome.out.splitlines()[-1]
    assert last.startswith(f"ok       {BOARD.name} on udp://127.0.0.1:")
    assert last.endswith(f"answers and runs build {BUILD_ID}")


def test_another_build_was_flashed(root: Path) -> None:
    record = root / "build" / BOARD.name / "build.json"
    old = record.read_text()
    record.write_text(old.replace(BUILD_ID, "cafe"))
    outcome = pqk_mcu("doctor", cwd=root)
    record.write_text(old)
    assert outcome.code == 1
    assert f"runs build {BUILD_ID}, not cafe -> pqk-mcu flash" in outcome.out


def test_what_the_emulated_board_says(root: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("wb") as file, started("monitor", "--hello", cwd=root, stdout=file) as process:
        limit = time.monotonic() + 60
        while f"build {BUILD_ID}" not in output.read_text() and time.monotonic() < limit:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    first, hello, *_ = output.read_text().splitlines()
    assert first.endswith(f"-- {BOARD.title}; Ctrl-C ends it")
    assert f"{Type.HELLO.name} reply 0: {BOARD.name}, build {BUILD_ID}, timer" in hello


@pytest.mark.parametrize(("command", "code"), [("doctor", 1), ("monitor", 7)])
def test_an_emulator_that_ends_is_not_waited_for(command: str, code: int, root: Path) -> None:
    """It finds nothing that it could run, and tells so."""
    flashed = root / "build" / BOARD.name / FLASHED
    firmware = flashed.read_bytes()
    flashed.write_bytes(b"no firmware")
    outcome = pqk_mcu(command, cwd=root, timeout=60)
    flashed.write_bytes(firmware)
    assert outcome.code == code, outcome.err
    assert f"the emulator of {BOARD.name} was killed by signal 6" in outcome.out + outcome.err
