"""Every board's firmware, real or emulated, as it will lie in flash: vectors, sections, and what a chip's ROM wants."""

import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from pqk_codegen.generate import generate
from pqk_codegen.plan import plan
from support import networks, seeds
from support.device import build

from pqk import boards, firmware, tools
from pqk.boards import Board
from pqk.firmware import FIRMWARE_FLASH, FIRMWARE_RAM, BuildResult

EXCEPTIONS = 16
BEHIND = {"rpi-pico": 0x100}  # bytes of flash before the vector table
ORIGINS = {"arduino-nano-33-ble": 0x1_0000, "microbit-v1": 0, "rpi-pico": 0x1000_0000, "rpi-pico2": 0x1000_0000}


@dataclass(frozen=True)
class Image:
    """A board and what was linked for it."""

    board: Board
    built: BuildResult
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
        built,
        struct.unpack(f"<{len(binary) // 4}I", binary),
        {name: int(address, 16) for address, name in listed},
        {name: (int(address, 16), int(size, 16)) for name, size, address in sections},
    )


def test_sizes_are_as_the_fit_check_assumes(image: Image) -> None:
    assert image.built.flash.code < FIRMWARE_FLASH
    assert image.built.ram.static < FIRMWARE_RAM + image.board.uart.ring + image.board.uart.largest_payload


def test_flash_begins_where_the_chip_or_its_boot_loader_looks(image: Image) -> None:
    st = image.board.name.startswith(("nucleo-", "stm32", "netduino"))
    origin = ORIGINS.get(image.board.name, 0x0800_0000 if st else None)
    assert origin in (None, image.board.memory.flash.origin)
    assert image.symbols["pqk_flash_start"] == image.board.memory.flash.origin


def test_the_vector_table_comes_first(image: Image) -> None:
    board, symbols = image.board, image.symbols
    behind = BEHIND.get(board.name, 0)
    assert symbols["pqk_vectors"] == board.memory.flash.origin + behind
    # VTOR can only point to a multiple of the table's size, a power of two (ARMv7-M ARM, B1.5.3).
    count = EXCEPTIONS + board.uart.irq + 1
    assert symbols["pqk_vectors"] % max(128, 1 << (4 * count - 1).bit_length()) == 0
    vectors = image.words[behind // 4 :]
    assert vectors[0] == board.memory.ram.origin + board.memory.stack == symbols["pqk_stack_top"]
    assert vectors[1] == symbols["pqk_reset"] | 1
    assert vectors[EXCEPTIONS + board.uart.irq] == symbols["pqk_uart_interrupt"] | 1
    own_timer = board.timer.driver == "systick"
    assert vectors[15] == symbols["pqk_port_timer_interrupt"] | 1
    assert (symbols["pqk_port_timer_interrupt"] == symbols["pqk_fault_entry"]) != own_timer


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


@pytest.mark.parametrize("name", [name for name in boards.names() if not boards.load(name).emulated])
def test_a_real_board_has_room_for_a_network_that_suits_it(name: str, tmp_path: Path) -> None:
    """A res8-narrow, or one with two channels for 16 kB of RAM. Emulated boards run theirs in test_generated.py."""
    board = boards.load(name)
    network = networks.res8(seeds.fresh("network"), channels=19 if board.memory.ram.size >= 64 << 10 else 2)
    generate(plan(network, board.cpu), tmp_path / "generated")
    built = firmware.compile_firmware(board, tmp_path / "generated", tmp_path / "firmware")
    assert built.flash.total == built.bin.stat().st_size < board.memory.flash.size
    assert built.ram.arena > 4040  # its input
    assert built.ram.total < board.memory.ram.size


def mirrored(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)


def test_the_second_boot_stage_of_an_rp2040(image: Image) -> None:
    """With the checksum that its ROM compares; zlib's is the same with all bits mirrored, and inverted."""
    assert ("pqk_boot" in image.symbols) == (image.board.name == "rpi-pico")
    if "pqk_boot" not in image.symbols:
        return
    assert image.symbols["pqk_boot"] == image.board.memory.flash.origin
    block = struct.pack("<63I", *image.words[:63])
    checksum = mirrored(zlib.crc32(bytes(mirrored(byte, 8) for byte in block)) ^ 0xFFFF_FFFF, 32)
    assert image.words[63] == checksum
    assert image.words[63] != 0
    assert any(block)
    assert image.symbols["pqk_vectors"] in image.words[:63]  # where it goes on


def test_the_image_definition_of_an_rp2350(image: Image) -> None:
    assert ("pqk_boot_block" in image.symbols) == (image.board.name == "rpi-pico2")
    starts = [place for place, word in enumerate(image.words) if word == 0xFFFF_DED3]
    if "pqk_boot_block" not in image.symbols:
        assert starts == []
        return
    (start,) = starts
    assert image.board.memory.flash.origin + 4 * start == image.symbols["pqk_boot_block"]
    assert start < 1024
    kind, last, following, end = image.words[start + 1 : start + 5]
    item, words, flags = kind & 0xFF, kind >> 8 & 0xFF, kind >> 16
    assert (item, words) == (0x42, 1)  # an image type, in one word
    assert flags & 0xF == 1  # executable
    assert flags >> 4 & 3 == 2  # secure
    assert flags >> 8 & 7 == 0  # Arm
    assert flags >> 12 & 7 == 1  # RP2350
    assert flags & ~0x7F3F == 0
    assert (last & 0xFF, last >> 8 & 0xFFFF, last >> 24) == (0xFF, words, 0)  # the last item: how long the others are
    assert following == 0  # no other block
    assert end == 0xAB12_3579
