"""What compiling gets when something is missing or too large; no compiler is run here."""

import dataclasses
from pathlib import Path

import pytest
from support.device import NETWORK

from pqk import boards, firmware, tools
from pqk.boards import Board, Region
from pqk.errors import FitError, ToolError
from pqk.runners import qemu


@pytest.fixture
def board() -> Board:
    return boards.load("mps2-an386")


def sized(board: Board, *, flash: int | None = None, ram: int | None = None) -> Board:
    memory = board.memory
    regions = {
        "flash": Region(memory.flash.origin, flash or memory.flash.size),
        "ram": Region(memory.ram.origin, ram or memory.ram.size),
    }
    return dataclasses.replace(board, memory=dataclasses.replace(memory, **regions))


def test_what_fits_passes(board: Board) -> None:
    firmware.check_fit(board, {"weights": 100_000}, {"arena": 100_000})


def test_the_last_byte_counts(board: Board) -> None:
    spare = board.memory.flash.size - firmware.FIRMWARE_FLASH
    firmware.check_fit(board, {"weights": spare}, {"arena": 1})
    with pytest.raises(FitError):
        firmware.check_fit(board, {"weights": spare + 1}, {"arena": 1})


def test_too_large_names_need_and_have_by_part(board: Board) -> None:
    small = sized(board, flash=32768, ram=16384)
    with pytest.raises(FitError) as caught:
        firmware.check_fit(small, {"weights": 40_000}, {"arena": 20_000})
    message = caught.value.message
    assert "flash: needs 46,144 bytes (weights 40,000, code 6,144), has 32,768" in message
    assert "RAM: needs 30,240 bytes (arena 20,000," in message
    assert "receive ring 1,024, frame buffer 4,096, stack 4,096), has 16,384" in message
    assert "mps2-an386" in message
    assert caught.value.hint


def test_only_what_is_too_small_is_told(board: Board) -> None:
    with pytest.raises(FitError) as caught:
        firmware.check_fit(sized(board, ram=16384), {"weights": 40_000}, {"arena": 20_000})
    assert "flash" not in caught.value.message


def test_missing_compiler(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    firmware.compiler_version.cache_clear()
    for act in (firmware.compiler_version, lambda: firmware.compile_firmware(board, NETWORK, tmp_path / "out")):
        with pytest.raises(ToolError) as caught:
            act()
        assert "arm-none-eabi-gcc" in caught.value.message
        assert caught.value.hint == "sudo apt-get install gcc-arm-none-eabi"


def test_missing_emulator(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / qemu.FLASHED).write_bytes(b"anything")
    with pytest.raises(ToolError) as caught, qemu.Qemu().start(board, tmp_path):
        pass
    assert caught.value.hint == "sudo apt-get install qemu-system-arm"


def test_every_program_has_a_package() -> None:
    programs = {firmware.COMPILER, qemu.PROGRAM, *(f"{firmware.PREFIX}{name}" for name in ("objcopy", "nm", "size"))}
    assert {*programs, "openocd"} == tools.PACKAGES.keys()


def test_a_failed_program_shows_command_and_last_words(tmp_path: Path) -> None:
    script = "import sys; print('\\n'.join(map(str, range(100))), file=sys.stderr); sys.exit(3)"
    with pytest.raises(ToolError) as caught:
        tools.run(["python3", "-c", script], cwd=tmp_path)
    assert "status 3: python3 -c" in caught.value.message
    assert caught.value.message.endswith("\n98\n99")
    assert "\n50\n" not in caught.value.message


def test_dry_run_starts_nothing(tmp_path: Path) -> None:
    with tools.dry_run() as commands:
        assert tools.run(["touch", str(tmp_path / "file")]) == ""
    assert commands == [["touch", str(tmp_path / "file")]]
    assert not (tmp_path / "file").exists()
    tools.run(["touch", str(tmp_path / "file")])
    assert (tmp_path / "file").exists()


def test_the_emulator_command(board: Board) -> None:
    assert qemu.arguments(
        board, Path("state/flashed.elf"), qemu.on_datagrams("udp://127.0.0.1:5001?localport=5002")
    ) == [
        "qemu-system-arm",
        *("-machine", "mps2-an386", "-icount", "shift=5", "-kernel", "state/flashed.elf"),
        *("-display", "none", "-monitor", "none"),
        *("-chardev", "udp,id=uart,host=127.0.0.1,port=5002,localaddr=127.0.0.1,localport=5001,mux=on"),
        *("-echr", "256", "-serial", "chardev:uart"),
    ]
