"""Flashing without a board: what exactly would run, and what a program's complaints become."""

import dataclasses
from pathlib import Path

import pytest
from click.testing import CliRunner

from pqk import boards, cli, pipeline, runners
from pqk.boards import Board, Runner
from pqk.errors import BoardError, LinkError, ToolError

NUCLEO = boards.load("nucleo-f446re")


def firmware(folder: Path) -> Path:
    """An ELF in a folder whose name has a space."""
    elf = folder / "my build" / "firmware.elf"
    elf.parent.mkdir(exist_ok=True)
    elf.write_bytes(b"firmware")
    return elf


def board(kind: str, *args: str, target: str = "CHIP") -> Board:
    return dataclasses.replace(NUCLEO, runners=(Runner(kind, target, args),))


def rehearsed(folder: Path, what: Board, **choice: str | None) -> list[list[str]]:
    return runners.rehearse(what, firmware(folder), folder, **choice)


def test_pyocd(tmp_path: Path) -> None:
    elf = str(firmware(tmp_path))
    assert rehearsed(tmp_path, board("pyocd")) == [
        ["pyocd", "load", "-W", "-t", "CHIP", "-f", "4M", elf],
        ["pyocd", "reset", "-W", "-t", "CHIP"],
    ]
    assert rehearsed(tmp_path, board("pyocd", "-M", "under-reset"), probe="066F") == [
        ["pyocd", "load", "-W", "-t", "CHIP", "-u", "066F", "-f", "4M", "-M", "under-reset", elf],
        ["pyocd", "reset", "-W", "-t", "CHIP", "-u", "066F"],
    ]


def test_openocd(tmp_path: Path) -> None:
    elf = firmware(tmp_path)
    program = f"program {{{elf}}} verify reset exit"
    probe = ["-f", "interface/stlink.cfg"]
    assert rehearsed(tmp_path, board("openocd", *probe, target="target/stm32l4x.cfg")) == [
        ["openocd", *probe, "-f", "target/stm32l4x.cfg", "-c", program]
    ]
    assert rehearsed(tmp_path, board("openocd", *probe), probe="066F") == [
        ["openocd", *probe, "-c", "adapter serial 066F", "-f", "CHIP", "-c", program]
    ]


def test_stm32cubeprogrammer(tmp_path: Path) -> None:
    firmware_hex = str(firmware(tmp_path).with_suffix(".hex"))
    write = ["--download", firmware_hex, "--verify", "--start"]
    assert rehearsed(tmp_path, board("stm32cubeprogrammer")) == [
        ["STM32_Programmer_CLI", "--connect", "port=SWD mode=UR reset=HWrst", *write]
    ]
    assert rehearsed(tmp_path, board("stm32cubeprogrammer"), probe="066F") == [
        ["STM32_Programmer_CLI", "--connect", "port=SWD sn=066F mode=UR reset=HWrst", *write]
    ]


def test_jlink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "flash.jlink"
    usual = ["JLinkExe", "-nogui", "1", "-if", "SWD", "-speed", "4000", "-device", "CHIP"]
    assert rehearsed(tmp_path, board("jlink")) == [[*usual, "-CommanderScript", str(script)]]
    assert not script.exists()
    assert rehearsed(tmp_path, board("jlink"), probe="683") == [
        [*usual, "-USB", "683", "-CommanderScript", str(script)]
    ]
    program(tmp_path, monkeypatch, "JLinkExe", status=0)
    monkeypatch.setattr(runners.probe.ports, "of", nowhere)
    with pytest.raises(LinkError, match="nowhere"):
        runners.flash(board("jlink"), firmware(tmp_path), tmp_path, expected_build="")
    loaded = f'loadfile "{firmware(tmp_path).with_suffix(".hex")}"'
    assert script.read_text().splitlines() == ["ExitOnError 1", "r", "h", loaded, "r", "g", "exit"]


def test_stm32loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = ["-b", "115200", "-e", "-w", "-v", str(firmware(tmp_path).with_suffix(".bin"))]
    assert rehearsed(tmp_path, board("stm32loader"), port="/dev/ttyUSB3") == [
        ["stm32loader", "-p", "/dev/ttyUSB3", *write]
    ]
    monkeypatch.setattr(runners.stm32loader.ports, "of", lambda *_: "COM7")
    assert rehearsed(tmp_path, board("stm32loader")) == [["stm32loader", "-p", "COM7", *write]]


def test_a_command_of_the_board_s_file(tmp_path: Path) -> None:
    elf = firmware(tmp_path)
    template = ["flasher", "--chip={target}", "{elf}", "{hex}", "{bin}", "-s{probe}", "{port}"]
    files = [str(elf.with_suffix(suffix)) for suffix in (".elf", ".hex", ".bin")]
    assert rehearsed(tmp_path, board("custom", *template), probe="7", port="COM1") == [
        ["flasher", "--chip=CHIP", *files, "-s7", "COM1"]
    ]
    for args, told, hint in (
        ((), "runner.args of kind custom is empty", "write the command"),
        (("f", "{probe}"), "wants a probe", "--probe"),
        (("f", "{port}"), "wants a port", "--port"),
        (("f", "{elv}"), "{elv} in runner.args", "{elf}"),
        (("f", "{"), "runner.args", "{{"),
        (("f", "{}"), "runner.args", "{{"),
    ):
        with pytest.raises(BoardError) as caught:
            rehearsed(tmp_path, board("custom", *args))
        assert told in caught.value.message
        assert hint in caught.value.hint


def test_a_boot_loader_s_port_is_not_the_board_s(tmp_path: Path) -> None:
    nano = boards.load("arduino-nano-33-ble")
    command = ["bossac", "--port=ttyACM0", "-U", "-i", "-e", "-w", str(firmware(tmp_path).with_suffix(".bin")), "-R"]
    assert rehearsed(tmp_path, nano, probe="ttyACM0", port="/dev/ttyUSB0") == [command]
    with pytest.raises(BoardError, match="wants a probe"):
        rehearsed(tmp_path, nano, port="/dev/ttyUSB0")


def test_an_emulated_board_needs_no_program(tmp_path: Path) -> None:
    assert rehearsed(tmp_path, boards.load("mps2-an386")) == []
    assert list(tmp_path.iterdir()) == [tmp_path / "my build"]


def test_the_first_runner_is_the_usual_one(tmp_path: Path) -> None:
    kinds = [runner.kind for runner in NUCLEO.runners]
    programs = [rehearsed(tmp_path, NUCLEO, kind=kind)[0][0] for kind in kinds]
    assert rehearsed(tmp_path, NUCLEO)[0][0] == programs[0]
    assert len(set(programs)) == len(kinds)
    with pytest.raises(BoardError, match="nucleo-f446re has no runner 'qemu'") as caught:
        rehearsed(tmp_path, NUCLEO, kind="qemu")
    assert "openocd" in caught.value.hint
    with pytest.raises(BoardError, match=r"unknown runner.kind 'magic'"):
        rehearsed(tmp_path, board("magic"))


# ---- what goes wrong ----


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, says: str = "", status: int = 1) -> None:
    """In PATH there is nothing but a program of this name, which says so much and ends."""
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "words").write_text(says)
    script = f"#!/bin/sh\nwhile read -r line; do echo \"$line\" >&2; done < '{tools / 'words'}'\nexit {status}\n"
    (tools / name).write_text(script)
    (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))


def nowhere(*_: object) -> str:
    raise LinkError("nowhere", "")


@pytest.mark.parametrize(
    ("kind", "name", "says", "told", "hint"),
    [
        ("pyocd", "pyocd", "0000352 E No target device available [load_cmd]", "no debug probe", "plug the board in"),
        ("openocd", "openocd", "Error: No J-Link device found", "no debug probe", "plug the board in"),
        ("openocd", "openocd", "Error: open failed", "no debug probe", "plug the board in"),
        ("openocd", "openocd", "** Verify Failed **", "what the flash holds", "flash again"),
        ("openocd", "openocd", "Error: init mode failed (unable to connect to the target)", "does not reach", "reset"),
        ("stm32cubeprogrammer", "STM32_Programmer_CLI", "Error: No debug probe detected.", "no debug probe", "plug"),
        ("stm32cubeprogrammer", "STM32_Programmer_CLI", "Error: No STM32 target found!", "does not reach", "reset"),
        ("jlink", "JLinkExe", "Connecting to J-Link via USB...FAILED", "no debug probe", "plug the board in"),
        ("jlink", "JLinkExe", "Cannot connect to target.", "does not reach", "reset"),
        ("stm32loader", "stm32loader", "Can't init into bootloader", "does not answer", "BOOT0"),
        ("custom", "flasher", "No device found on ttyACM0", "no boot loader answers", "reset button twice"),
        ("custom", "flasher", "Verify failed", "what the flash holds", "flash again"),
        ("custom", "flasher", "no luck today", "ended with status 1", "the program's own"),
    ],
)
def test_a_known_complaint_gets_the_next_step(
    kind: str, name: str, says: str, told: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, monkeypatch, name, says=f"{says}\n")
    what = board(kind, "flasher") if kind == "custom" else board(kind)
    with pytest.raises(ToolError) as caught:
        runners.flash(what, firmware(tmp_path), tmp_path, expected_build="", port="/dev/nowhere")
    assert told in caught.value.message
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_a_program_that_waits_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets no input, and no more than a certain time."""
    waiting = Path("/bin/sleep")
    monkeypatch.setattr(runners.probe, "LIMIT_S", 0.2)
    with pytest.raises(ToolError, match=r"sleep did not end within 0.2 s: /bin/sleep 60") as caught:
        runners.flash(board("custom", str(waiting), "60"), firmware(tmp_path), tmp_path, expected_build="")
    assert "by hand" in caught.value.hint
    asking = board("custom", "/bin/sh", "-c", "read -r answer || exit 3")
    with pytest.raises(ToolError, match="ended with status 3"):
        runners.flash(asking, firmware(tmp_path), tmp_path, expected_build="")


@pytest.mark.parametrize("kind", sorted(set(runners.RUNNERS) - {"qemu", "custom", "uf2", "mass-storage"}))
def test_a_program_that_is_missing(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="is not installed, or not in PATH") as caught:
        runners.flash(board(kind), firmware(tmp_path), tmp_path, expected_build="", port="/dev/nowhere")
    assert "install" in caught.value.hint


def test_a_board_that_hangs_is_reset_where_a_probe_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[list[str]] = []
    monkeypatch.setattr(runners.probe.tools, "run", lambda argv, **_: run.append(argv))
    runners.reset(board("pyocd"), tmp_path, probe="066F")
    runners.reset(board("openocd", "-f", "interface/stlink.cfg", target="target/stm32f4x.cfg"), tmp_path)
    runners.reset(board("stm32cubeprogrammer"), tmp_path)
    for kind in ("jlink", "stm32loader", "uf2", "mass-storage"):
        runners.reset(board(kind), tmp_path)
    runners.reset(boards.load("mps2-an386"), tmp_path)
    runners.reset(board("pyocd"), tmp_path, port="socket://far:1")  # where a probe of this computer does not reach
    interface = ["-f", "interface/stlink.cfg", "-f", "target/stm32f4x.cfg"]
    jlink = ["-if", "SWD", "-speed", "4000", "-device", "CHIP"]
    assert run == [
        ["pyocd", "reset", "-W", "-t", "CHIP", "-u", "066F"],
        ["openocd", *interface, "-c", "init; reset run; shutdown"],
        ["STM32_Programmer_CLI", "--connect", "port=SWD mode=UR reset=HWrst", "--rst"],
        ["JLinkExe", "-nogui", "1", *jlink, "-CommanderScript", str(tmp_path / "reset.jlink")],
    ]
    assert (tmp_path / "reset.jlink").read_text().splitlines() == ["ExitOnError 1", "r", "g", "exit"]


def test_flashing_tells_its_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, "pyocd", status=0)
    monkeypatch.setattr(runners.probe.ports, "of", nowhere)
    told: list[str] = []
    elf = firmware(tmp_path)
    with pytest.raises(LinkError, match="nowhere"):
        runners.flash(board("pyocd"), elf, tmp_path, expected_build="", tell=told.append)
    assert told == [f"pyocd puts {elf} on nucleo-f446re", "waiting until it says hello"]


def test_the_command_line_prints_what_would_run(tmp_path: Path) -> None:
    (tmp_path / "pqk.toml").write_text('[project]\nname = "p"\nwords = ["yes", "no"]\nboard = "nucleo-f446re"\n')
    built = tmp_path / "build" / NUCLEO.name
    (built / "firmware").mkdir(parents=True)
    (built / "firmware" / "firmware.elf").write_bytes(b"firmware")
    (built / "build.json").write_text(f'{{"schema": {pipeline.SCHEMA}, "id": "cafe"}}')
    arguments = ["--project", str(tmp_path), "flash", "--dry-run", "--runner", "pyocd", "--probe", "066F"]
    outcome = CliRunner().invoke(cli.cli, arguments)
    assert outcome.exception is None, outcome.output
    elf = built / "firmware" / "firmware.elf"
    assert outcome.output.splitlines() == [
        f"pyocd load -W -t stm32f446retx -u 066F -f 4M {elf}",
        "pyocd reset -W -t stm32f446retx -u 066F",
    ]
