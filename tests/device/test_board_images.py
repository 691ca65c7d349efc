"""Every board's firmware, real or emulated, as it will lie in flash: vectors and sections."""

import re
import struct
from dataclasses import dataclass

import pytest
from support.device import build

from pqk import boards, tools
from pqk.boards import Board

EXCEPTIONS = 16


@dataclass(frozen=True)
class Image:
    """A board and what was linked for it."""

    board: Board
    words: tuple[int, ...]
    symbols: dict[str, int]
    sections: dict[str, tuple[int, int]]
    """Address and bytes of what takes memory."""


@pytest.fixture(scope="module", params=boards.names())
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    board = boards.load(request.param)
    built = build(tmp_path_factory.mktemp(board.name), board)
    binary = built.bin.read_bytes()
    binary = binary[: len(binary) // 4 * 4]
    listed = re.findall(r"^([0-9a-f]{8}) \w (\S+)$", tools.run(["arm-none-eabi-nm", str(built.elf)]), re.M)
    headers = tools.run(["arm-none-eabi-objdump", "-h", str(built.elf)])
    sections = re.findall(r"^ +\d+ (\.\w+) +([0-9a-f]+) +([0-9a-f]+).*\n +.*ALLOC", headers, re.M)
    return Image(
        board,
        struct.unpack(f"<{len(binary) // 4}I", binary),
        {name: int(address, 16) for address, name in listed},
        {name: (int(address, 16), int(size, 16)) for name, size, address in sections},
    )


def test_the_vector_table_comes_first(image: Image) -> None:
    board, symbols = image.board, image.symbols
    assert symbols["pqk_vectors"] == board.memory.flash.origin
    assert image.words[0] == board.memory.ram.origin + board.memory.stack == symbols["pqk_stack_top"]
    assert image.words[1] == symbols["pqk_reset"] | 1
    assert image.words[EXCEPTIONS + board.uart.irq] == symbols["pqk_uart_interrupt"] | 1
    own_timer = board.timer.driver == "systick"
    assert image.words[15] == symbols["pqk_timer_interrupt"] | 1
    assert (symbols["pqk_timer_interrupt"] == symbols["pqk_fault_entry"]) != own_timer


def test_sections_lie_in_their_memory(image: Image) -> None:
    memory = image.board.memory
    places = {".text": memory.flash, ".stack": memory.ram, ".data": memory.ram, ".bss": memory.ram}
    assert set(image.sections) <= set(places)
    assert {".text", ".stack", ".bss"} <= set(image.sections)
    for name, (address, size) in image.sections.items():
        region = places[name]
        assert region.origin <= address
        assert address + size <= region.origin + region.size
    assert image.sections[".stack"] == (memory.ram.origin, memory.stack)
    assert len(image.words) * 4 <= memory.flash.size
