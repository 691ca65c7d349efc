"""The UART drivers of real boards on the host: what they write, and the rate that the chip makes of it."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.host import STRICT

from pqk import assets, boards, firmware
from pqk.boards import Board

HARNESS = Path(__file__).with_name("uart_registers.c")
REAL = [name for name in boards.names() if not boards.load(name).emulated]
NRF_CLOCK = 16_000_000


@dataclass(frozen=True)
class Registers:
    """Of the UART, by offset: which are read and written, in order, and what those that are not 0 hold at the end."""

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    values: dict[int, int]
    received: int | None


def run(folder: Path, board: Board, *words: str) -> Registers:
    """What the driver does with its registers, to set the UART up or, with `words`, see uart_registers.c."""
    firmware.render(board, folder)
    sources = assets.directory("firmware")
    flags = ["gcc", *STRICT, "-O2", f"-I{folder}", f"-I{sources}"]
    watched = ["-fsanitize=thread", "-Wno-int-to-pointer-cast", "-c", str(sources / f"port/uart_{board.uart.driver}.c")]
    subprocess.run([*flags, *watched, "-o", "uart.o"], cwd=folder, check=True)
    subprocess.run([*flags, str(HARNESS), "uart.o", "-o", "uart"], cwd=folder, check=True)
    done = subprocess.run([folder / "uart", *words], capture_output=True, text=True, check=True, timeout=60)
    rows = [
        (word, *(int(number, 16) for number in numbers)) for word, *numbers in map(str.split, done.stdout.splitlines())
    ]
    reads, writes, received = (
        tuple(row[1] for row in rows if row[0] == kind) for kind in ("read", "write", "received")
    )
    return Registers(reads, writes, {row[1]: row[2] for row in rows if row[0] == "holds"}, *received or (None,))


def nrf_rate(value: int) -> float:
    return NRF_CLOCK / (2**32 // value)


def rate(board: Board, values: dict[int, int]) -> float:
    """Bits a second, by the chip's manual (for an LPUART the board's file gives 256 times the clock)."""
    if board.uart.driver == "nrf51":
        return nrf_rate(values[0x524])
    if board.uart.driver == "pl011":
        return 4 * board.uart.clock / (64 * values[0x24] + values.get(0x28, 0))
    return board.uart.clock / values[{"stm32": 0x8, "stm32v2": 0xC}[board.uart.driver]]


@pytest.mark.parametrize("name", REAL)
def test_the_rate_is_within_one_percent(name: str, tmp_path: Path) -> None:
    """Both ends may be off, by less than 5 % together: the last of ten bits is looked at in its middle."""
    board = boards.load(name)
    assert rate(board, run(tmp_path, board).values) == pytest.approx(board.uart.baud, rel=0.01)


@pytest.mark.parametrize(
    ("value", "actual"),
    [
        (0x0027_5000, 9598),
        (0x009D_5000, 38462),
        (0x01D6_0000, 115108),
        (0x01D7_E000, 115942),
        (0x0740_0000, 457143),
        (0x075F_7000, 470588),
        (0x0F00_0000, 941176),
        (0x1000_0000, 1_000_000),
    ],
)
def test_the_rule_for_an_nrf_gives_nordic_s_table(value: int, actual: int) -> None:
    """Of both its UARTs: the lines of nrf52840_bitfields.h (Nordic MDK) that a rate is given in."""
    assert nrf_rate(value) == pytest.approx(actual, abs=1)


@pytest.mark.parametrize("name", [name for name in REAL if boards.load(name).uart.driver == "nrf51"])
def test_an_nrf_s_pins_are_chosen_while_it_is_off(name: str, tmp_path: Path) -> None:
    enable, transmission, reception = 0x500, 0x50C, 0x514
    board = boards.load(name)
    registers = run(tmp_path, board)
    off, on = (place for place, offset in enumerate(registers.writes) if offset == enable)
    assert off < min(registers.writes.index(pin) for pin in (transmission, reception))
    assert on > max(registers.writes.index(pin) for pin in (transmission, reception))
    assert registers.values[enable] == 4
    assert (registers.values[transmission], registers.values[reception]) == board.uart.pins


@pytest.mark.parametrize("name", [name for name in REAL if boards.load(name).uart.driver.startswith("stm32")])
def test_an_overrun_is_cleared_or_nothing_would_be_received_any_more(name: str, tmp_path: Path) -> None:
    """Bit 3 of the status. Reading the data after the status clears it on older chips (RM0090), on newer ones ICR."""
    board = boards.load(name)
    if board.uart.driver == "stm32":
        status, data = 0x0, 0x4
        registers = run(tmp_path, board, f"{status:x}", "8")
        assert registers.reads == (status, data)
    else:
        status, clear = 0x1C, 0x20
        registers = run(tmp_path, board, f"{status:x}", "8")
        assert registers.writes == (clear,)
        assert registers.values[clear] == 8
    assert registers.received == 0
