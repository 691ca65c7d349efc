"""The rates in the board files are what the registers of the set-up make of the chip's oscillator.

Fields as in the vendors' headers: CMSIS device headers of STM32L4, F4, H7 and U5; hardware_regs of pico-sdk.
"""

from collections.abc import Callable

import pytest

from pqk import boards
from pqk.boards import Board

Rates = tuple[float, float]
"""Of the core, which cycles are counted with, and of what the UART divides, in Hz."""


def field(board: Board, address: int, lowest: int, bits: int) -> int:
    """What the set-up leaves in a part of a register that is 0 after reset, or cleared first."""
    value = 0
    for step in board.setup:
        if step.address == address:
            value = value & ~step.clear | step.set
    return value >> lowest & (1 << bits) - 1


def divided(code: int, bits: int) -> int:
    """What a prescaler of an STM32 divides by, up to 16: 1 without its highest bit, then powers of two."""
    highest = 1 << (bits - 1)
    return 2 << (code - highest) if code & highest else 1


def stm32l4(board: Board) -> Rates:
    pll = 0x4002_100C
    vco = 16e6 / (field(board, pll, 4, 4) + 1) * field(board, pll, 8, 7)
    core = vco / (2 * field(board, pll, 25, 2) + 2)
    return core / divided(field(board, 0x4002_1008, 4, 4), 4), 256 * 16e6


def stm32f4(board: Board) -> Rates:
    pll, dividers = 0x4002_3804, 0x4002_3808
    vco = 16e6 / field(board, pll, 0, 6) * field(board, pll, 6, 9)
    core = vco / (2 * field(board, pll, 16, 2) + 2) / divided(field(board, dividers, 4, 4), 4)
    return core, core / divided(field(board, dividers, 10, 3), 3)


def stm32h7(board: Board) -> Rates:
    domain_1, domain_2, pll = 0x5802_4418, 0x5802_441C, 0x5802_4430
    vco = 64e6 / field(board, 0x5802_4428, 4, 6) * (field(board, pll, 0, 9) + 1)
    core = vco / (field(board, pll, 9, 7) + 1) / divided(field(board, domain_1, 8, 4), 4)
    bus = core / divided(field(board, domain_1, 0, 4), 4)
    return core, bus / divided(field(board, domain_2, 4, 3), 3)


def stm32u5(board: Board) -> Rates:
    pll = 0x4602_0C34
    vco = 16e6 / (field(board, 0x4602_0C28, 8, 4) + 1) * (field(board, pll, 0, 9) + 1)
    core = vco / (field(board, pll, 24, 7) + 1)
    return core, core


def rp2(pll: int) -> Callable[[Board], Rates]:
    def rates(board: Board) -> Rates:
        vco = 12e6 / field(board, pll, 0, 6) * field(board, pll + 8, 0, 12)
        core = vco / field(board, pll + 12, 16, 3) / field(board, pll + 12, 12, 3)
        return core, core

    return rates


PLLS: dict[str, Callable[[Board], Rates]] = {
    "nucleo-f446re": stm32f4,
    "nucleo-h743zi": stm32h7,
    "nucleo-l4r5zi": stm32l4,
    "nucleo-u575zi-q": stm32u5,
    "rpi-pico": rp2(0x4002_8000),
    "rpi-pico2": rp2(0x4005_0000),
    "stm32f4-discovery": stm32f4,
}
NO_PLL = {"arduino-nano-33-ble": 64_000_000, "microbit-v1": 16_000_000, "nrf52840-dk": 64_000_000}
"""An nRF's core has one rate, and so has its UART's clock."""


@pytest.mark.parametrize("name", [*PLLS, *NO_PLL])
def test_core_and_uart_run_at_the_rates_that_the_file_gives(name: str) -> None:
    board = boards.load(name)
    rates = PLLS[name](board) if name in PLLS else (NO_PLL[name], 16_000_000)
    assert (board.timer.hz, board.uart.clock) == rates
