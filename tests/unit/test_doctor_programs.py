"""What `doctor` says of compilers, emulators, programs that flash, and packages: real ones, made-up ones, none."""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pqk import boards, firmware, tools
from pqk.boards import Board, Runner
from pqk.doctor import programs
from pqk.doctor.finding import Level, in_a_line, trouble

EMULATED = boards.load("mps2-an386")
NUCLEO = boards.load("nucleo-f446re")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only folder where programs are looked for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    firmware.compiler_version.cache_clear()
    yield folder
    firmware.compiler_version.cache_clear()


def program(path: Path, name: str, script: str) -> None:
    (path / name).write_text(f"#!/bin/sh\n{script}\n")
    (path / name).chmod(0o755)


# ---- compiler ----


@pytest.mark.parametrize("name", boards.names())
def test_the_compiler_is_enough_for_every_board(name: str) -> None:
    board = boards.load(name)
    finding = programs.compiler(board)
    assert finding.level is Level.OK, finding.text
    assert finding.text.startswith("arm-none-eabi-gcc ")
    assert board.cpu in finding.text


@pytest.mark.usefixtures("path")
def test_no_compiler() -> None:
    finding = programs.compiler(EMULATED)
    assert finding.level is Level.PROBLEM
    assert finding.text == "arm-none-eabi-gcc is not installed, or not in PATH"
    assert finding.fix == "sudo apt-get install gcc-arm-none-eabi"


def test_a_compiler_that_does_not_know_the_core() -> None:
    board = dataclasses.replace(EMULATED, cpu="cortex-m99", flags=("-mcpu=cortex-m99", "-mthumb"))
    finding = programs.compiler(board)
    assert finding.level is Level.PROBLEM
    assert "cannot compile for the cortex-m99 of mps2-an386" in finding.text
    assert "error" in finding.text
    assert "\n" not in finding.text
    assert "gcc-arm-none-eabi" in finding.fix


def test_a_compiler_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check needs libgcc: it fails with another library, and without any."""
    for libraries, told in ((["-lgcc-of-another"], "-lgcc-of-another"), ([], "__aeabi_uldivmod")):
        monkeypatch.setattr(programs, "LIBRARIES", libraries)
        finding = programs.compiler(EMULATED)
        assert finding.level is Level.PROBLEM
        assert told in finding.text


def test_binutils(path: Path) -> None:
    for name in ("objcopy", "nm"):
        program(path, f"arm-none-eabi-{name}", "echo 2.40")
    finding = programs.binutils()
    assert finding.text == "arm-none-eabi-size is not installed, or not in PATH"
    assert finding.fix == "sudo apt-get install binutils-arm-none-eabi"
    program(path, "arm-none-eabi-size", "echo 2.40")
    assert programs.binutils().level is Level.OK


# ---- emulator ----


@pytest.mark.parametrize("name", [name for name in boards.names() if boards.load(name).emulated])
def test_the_emulator_knows_every_emulated_board(name: str) -> None:
    finding = programs.emulator(boards.load(name))
    assert finding.level is Level.OK, finding.text


def emulator(path: Path, version: str, machine: str) -> None:
    program(
        path,
        "qemu-system-arm",
        f'case "$1" in --version) echo "QEMU emulator version {version} (Debian)";;'
        f' *) echo "Supported machines are:"; echo "{machine}   a board";; esac',
    )


@pytest.mark.parametrize(
    ("version", "machine", "level", "told"),
    [
        ("7.2.0", "mps2-an386", Level.OK, "qemu-system-arm 7.2.0 knows the machine mps2-an386"),
        ("10.0.2", "mps2-an386", Level.OK, "qemu-system-arm 10.0.2"),
        ("7.1.9", "mps2-an386", Level.PROBLEM, "qemu-system-arm 7.1.9 is older than 7.2"),
        ("8.0.0", "mps2-an3", Level.PROBLEM, "does not know the machine mps2-an386"),
    ],
)
def test_emulators(version: str, machine: str, level: Level, told: str, path: Path) -> None:
    emulator(path, version, machine)
    finding = programs.emulator(EMULATED)
    assert (finding.level, told in finding.text) == (level, True), finding.text
    assert ("apt-get install qemu-system-arm" in finding.fix) == (level is Level.PROBLEM)


def test_no_emulator(path: Path) -> None:
    assert programs.emulator(EMULATED).fix == "sudo apt-get install qemu-system-arm"
    program(path, "qemu-system-arm", "echo broken")
    assert "does not tell its version" in programs.emulator(EMULATED).text


# ---- programs that flash ----


def test_one_program_that_flashes_is_enough(path: Path) -> None:
    program(path, "openocd", 'test "$*" = --version && echo "Open On-Chip Debugger 0.12.0" >&2')
    findings = programs.flashers(NUCLEO)
    assert len(findings) == len(NUCLEO.runners)
    by_program = {finding.text.split()[0]: finding for finding in findings}
    assert by_program["openocd"].text == "openocd 0.12.0, for pqk-mcu flash --runner openocd"
    assert by_program["openocd"].level is Level.OK
    missing = {name: finding.fix for name, finding in by_program.items() if finding.level is Level.NOTE}
    assert missing["pyocd"] == "pip install pyocd"
    assert set(missing) == {"pyocd", "STM32_Programmer_CLI", "JLinkExe"}


def test_no_program_that_flashes(path: Path) -> None:
    program(path, "pyocd", "exit 1")
    board = dataclasses.replace(NUCLEO, runners=tuple(how for how in NUCLEO.runners if how.kind != "mass-storage"))
    *notes, last = programs.flashers(board)
    assert [finding.level for finding in notes] == [Level.NOTE] * len(board.runners)
    assert last.level is Level.PROBLEM
    assert last.text == "no program is there that can flash nucleo-f446re"
    assert last.fix == "sudo apt-get install openocd"


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("kind", ["uf2", "mass-storage"])
def test_a_drive_needs_no_program(kind: str) -> None:
    (finding,) = programs.flashers(only(kind, ()))
    assert finding.level is Level.OK
    assert f"--runner {kind} needs no program" in finding.text


@pytest.mark.parametrize(
    ("kind", "args", "name"), [("jlink", (), "JLinkExe"), ("custom", ("my-flasher", "{elf}", "{probe}"), "my-flasher")]
)
def test_a_program_that_cannot_tell_its_version_is_not_started(
    kind: str, args: tuple[str, ...], name: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything written, such as a script for it."""
    program(path, name, f"echo started > '{path}/started'")
    monkeypatch.chdir(path)
    (finding,) = programs.flashers(only(kind, args))
    assert finding.text == f"{name} is there, for pqk-mcu flash --runner {kind}"
    assert finding.level is Level.OK
    assert [file.name for file in path.iterdir()] == [name]


def test_a_runner_without_a_command() -> None:
    first, last = programs.flashers(only("custom", ()))
    assert "runner.args of kind custom is empty" in first.text
    assert (last.level, last.fix) == (Level.PROBLEM, first.fix)


def only(kind: str, args: tuple[str, ...]) -> Board:
    return dataclasses.replace(NUCLEO, runners=(Runner(kind, "CHIP", args),))


# ---- packages ----


def test_the_microphone_is_only_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", SimpleNamespace(__version__="0.4.6"))
    assert programs.packages()[0].text.startswith("sounddevice 0.4.6")
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    finding = programs.packages()[0]
    assert finding.level is Level.NOTE
    assert "pip install sounddevice" in finding.fix


def test_recordings_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert programs.packages()[1].level is Level.OK
    monkeypatch.setitem(sys.modules, "soundfile", None)
    finding = programs.packages()[1]
    assert finding.level is Level.NOTE
    assert "soundfile" in finding.fix


def test_a_long_message_in_a_line() -> None:
    with pytest.raises(tools.ToolError) as caught:
        tools.run([sys.executable, "-c", "import sys; sys.exit('note: x\\nerror: y\\nnote: z')"])
    assert in_a_line(caught.value.message).endswith(": error: y")
    assert in_a_line(caught.value.message).startswith(sys.executable)
    assert in_a_line("a\nb\n\nc\n") == "a: c"
    assert in_a_line("a") == trouble("a") == "a"
