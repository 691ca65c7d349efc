"""Board files: what is read, and what a wrong one gets."""

import re
import tomllib
from pathlib import Path

import pytest

from pqk import assets, boards, firmware
from pqk.boards import Boot
from pqk.errors import BoardError
from pqk.runners import RUNNERS

ORIGINAL = (assets.directory("boards") / "mps2-an386.toml").read_text()


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", boards.names())
def test_every_board_loads_and_has_a_runner(name: str) -> None:
    board = boards.load(name)
    assert board.name == name
    assert board.runner.kind in RUNNERS


@pytest.mark.parametrize("name", [name for name in boards.names() if boards.load(name).emulated])
def test_an_emulated_board_counts_instructions(name: str) -> None:
    board = boards.load(name)
    assert board.timer.unit == "emulated instructions"
    # A tick of 1/hz seconds, an instruction of 2^5 nanoseconds (-icount shift=5).
    assert board.runner.args == ("-icount", "shift=5")
    assert board.timer.units_per_tick == 1e9 / board.timer.hz / 2**5
    assert board.status.startswith("runs in CI (QEMU)")


@pytest.mark.parametrize("name", boards.names())
def test_code_is_for_the_core_that_is_named(name: str) -> None:
    board = boards.load(name)
    assert f"-mcpu={board.cpu}" in board.flags


@pytest.mark.parametrize(
    ("name", "cpu", "machine"),
    [
        ("microbit", "cortex-m0", "microbit"),
        ("mps2-an385", "cortex-m3", "mps2-an385"),
        ("mps2-an385-armv6m", "cortex-m0", "mps2-an385"),
        ("mps2-an386", "cortex-m4", "mps2-an386"),
        ("mps2-an500", "cortex-m7", "mps2-an500"),
        ("mps2-an505", "cortex-m33", "mps2-an505"),
        ("netduinoplus2", "cortex-m4", "netduinoplus2"),
        ("stm32vldiscovery", "cortex-m3", "stm32vldiscovery"),
        ("lm3s6965evb", "cortex-m3", "lm3s6965evb"),
    ],
)
def test_core_and_machine(name: str, cpu: str, machine: str) -> None:
    board = boards.load(name)
    assert (board.cpu, board.runner.target) == (cpu, machine)


@pytest.mark.parametrize("name", [name for name in boards.names() if not boards.load(name).emulated])
def test_a_real_board_says_that_it_was_never_run_and_counts_cycles(name: str) -> None:
    board = boards.load(name)
    assert board.status == "builds, never run"
    assert (board.timer.unit, board.timer.units_per_tick) == ("cycles", 1)
    assert "qemu" not in [runner.kind for runner in board.runners]


@pytest.mark.parametrize("name", boards.names())
def test_the_set_up_reaches_c_in_its_order(name: str, tmp_path: Path) -> None:
    board = boards.load(name)
    firmware.render(board, tmp_path)
    rows = re.findall(r"\{(.*?)u, (.*?)u, (.*?)u, (.*?)u, (.*?)\}", (tmp_path / "board.h").read_text())
    steps = [(step.address, step.clear, step.set, step.wait, step.needed) for step in board.setup]
    assert [tuple(int(value, 16) for value in row) for row in rows] == steps


def test_the_board_for_counting_says_that_it_is_none() -> None:
    board = boards.load("mps2-an385-armv6m")
    assert "no such board exists" in board.status
    assert "counting only" in board.title


def test_what_has_a_default_may_be_left_out() -> None:
    assert "ring" not in ORIGINAL
    assert (boards.load("mps2-an386").uart.ring, boards.load("mps2-an386").uart.pins) == (1024, ())
    assert (boards.load("mps2-an386").boot, boards.load("mps2-an386").memory.caches) == (None, False)
    assert (boards.load("rpi-pico2").boot, boards.load("nucleo-h743zi").memory.caches) == (Boot("rp2350", 0), True)
    assert (boards.load("microbit").uart.ring, boards.load("microbit").uart.pins) == (256, (24, 25))


def test_a_board_of_the_users(tmp_path: Path) -> None:
    name = written(tmp_path, ORIGINAL.replace('name = "mps2-an386"', 'name = "mine"'))
    assert boards.load(name).name == "mine"


def test_unknown_board_gets_the_nearest_names() -> None:
    with pytest.raises(BoardError) as caught:
        boards.load("mps2-an368")
    assert "'mps2-an368'" in caught.value.message
    assert "mps2-an386" in caught.value.hint
    with pytest.raises(BoardError) as caught:
        boards.load("zzz")
    assert "mps2-an386" in caught.value.hint


@pytest.mark.parametrize("name", ["../mps2-an386", "", "mps2-an386/"])
def test_a_name_is_not_a_path(name: str) -> None:
    with pytest.raises(BoardError, match="unknown board"):
        boards.load(name)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("baud = 115_200", "", "uart.baud is missing"),
        ("baud = 115_200", "bauds = 115_200", "unknown key uart.bauds; did you mean baud?"),
        ("baud = 115_200", 'baud = "fast"', "uart.baud = 'fast' is not of type int"),
        ("baud = 115_200", "baud = 0", "uart.baud = 0"),
        ("emulated = true", "emulated = 1", "board.emulated = 1 is not of type bool"),
        ("emulated = true", "", "board.emulated is missing"),
        ("emulated = true", "emulated = true\ncolour = 3", "unknown key board.colour"),
        ('"-mthumb"', "7", "board.flags"),
        ('name = "mps2-an386"', 'name = "a b\\""', "board.name"),
        ("size = 0x40_0000 }     #", "size = 0 }     #", "is no part of a 32-bit address space"),
        ("size = 0x40_0000 }     #", "size = 0x40_0000, speed = 1 }     #", "unknown key memory.ram.speed"),
        ("ram = { origin = 0x2000_0000, size = 0x40_0000 }", "ram = 5", "memory.ram = 5 is not of type { origin"),
        ("stack = 4096", "stack = 4097", "memory.stack = 4097"),
        ("irq = 0", "irq = -1", "uart.irq = -1"),
        ("largest_payload = 4096", "largest_payload = 2", "uart.largest_payload = 2"),
        ("baud = 115_200", "baud = 115_200\nring = 1000", "uart.ring = 1000 must be a power of two"),
        ("baud = 115_200", "baud = 115_200\npins = [1]", "uart.pins = [1] must be two numbers"),
        ("baud = 115_200", 'baud = 115_200\npins = ["a", "b"]', "uart.pins = ['a', 'b'] is not of type list of int"),
        ('driver = "cmsdk"\nbase = 0x4000_4000', 'driver = "magic"\nbase = 1', "uart.driver = 'magic' is unknown"),
        ("units_per_tick = 1.25", "units_per_tick = 0", "timer.units_per_tick"),
        ("[[runner]]", "[starter]", "unknown table [starter]"),
        ("[[runner]]", "[runner]", "runner is a list of tables"),
        ("[[runner]]", '[[runner]]\nkind = "qemu"\ntarget = ""\n[[runner]]', "not two of a kind: ['qemu', 'qemu']"),
        ("[board]", "runner = []\n[board]", "is not valid TOML"),
        ("[[runner]]", '[usb]\nids = ["0483:374B"]\n[[runner]]', "usb.ids = ['0483:374B'] must be of the form"),
        ("[[runner]]", "[usb]\nids = []\n[[runner]]", "usb.ids = [] must be"),
        ("[[runner]]", "[[usb]]\nids = []\n[[runner]]", "there is no table [usb]"),
        ("[[runner]]", '[boot]\nkind = "grub"\n[[runner]]', "boot.kind = 'grub' is unknown; there are rp2040, rp2350"),
        ("[[runner]]", '[boot]\nkind = "rp2040"\nchecked = 3\n[[runner]]', "boot.checked = 3 must be a multiple of 4"),
        ("[[runner]]", "[boot]\n[[runner]]", "boot.kind is missing"),
        ("[[runner]]", "[[boot]]\n[[runner]]", "there is no table [boot]"),
        ("[memory]", "[memory]\ncaches = 1", "memory.caches = 1 is not of type bool"),
        ("[board]", "[bored]", "unknown table [bored]; did you mean board?"),
        ("[board]", "[board]\nuart = 3", "unknown key board.uart"),
        ("[memory]", "[memory", "is not valid TOML"),
        ("[board]", "setup = 3\n[board]", "setup is a list of tables"),
        ("[[runner]]", "[[setup]]\nset = 1\n[[runner]]", "setup.address is missing"),
        ("[[runner]]", "[[setup]]\naddress = 2\nset = 1\n[[runner]]", "setup.address = 0x2"),
        ("[[runner]]", "[[setup]]\naddress = 4\n[[runner]]", "setup of 0x4 changes nothing"),
        ("[[runner]]", "[[setup]]\naddress = 4\nwait = 0x1_0000_0000\n[[runner]]", "setup.wait = 0x100000000"),
        ("[[runner]]", "[[setup]]\naddress = 4\nsets = 1\n[[runner]]", "unknown key setup.sets; did you mean set?"),
    ],
)
def test_a_wrong_file_names_file_and_key(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert ORIGINAL.count(old) == 1
    name = written(tmp_path, ORIGINAL.replace(old, new))
    with pytest.raises(BoardError) as caught:
        boards.load(name)
    assert told in caught.value.message
    assert name in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("table", ["uart", "timer", "memory"])
def test_a_missing_table_is_named(tmp_path: Path, table: str) -> None:
    lines = ORIGINAL.split(f"[{table}]")
    name = written(tmp_path, lines[0] + "[" + lines[1].split("\n[", 1)[1] if "\n[" in lines[1] else lines[0])
    assert table not in tomllib.loads(Path(name).read_text())
    with pytest.raises(BoardError) as caught:
        boards.load(name)
    assert f"there is no table [{table}]" in caught.value.message


def test_a_board_without_a_runner(tmp_path: Path) -> None:
    name = written(tmp_path, ORIGINAL.partition("[[runner]]")[0])
    with pytest.raises(BoardError, match=r"there must be a \[\[runner\]\]"):
        boards.load(name)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="cannot read the board file"):
        boards.load(str(tmp_path / "none.toml"))


def test_not_text(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BoardError, match="not valid TOML"):
        boards.load(str(tmp_path / "mine.toml"))
