"""Boot loaders that show a drive and take UF2 files (github.com/microsoft/uf2): RP2040, RP2350, many nRF and SAMD."""

import re
import struct
from pathlib import Path

from pqk import tools, volumes
from pqk.errors import BoardError, ToolError
from pqk.files import atomic_write_bytes
from pqk.runners.probe import Desk, Flashing

NAME = "firmware.uf2"
INFO = "INFO_UF2.TXT"
RESTART_S = 30.0  # the drive takes some 100 kB a second

MAGIC = (0x0A324655, 0x9E5D5157)
MAGIC_END = 0x0AB16F30
FAMILY_PRESENT = 0x2000
PAYLOAD = 256  # bytes in a block: a page of flash, and all that an RP2040 accepts


class Uf2(Desk):
    """`target` is the Board-ID in the drive's INFO_UF2.TXT, `args` the one id of the chip's family."""

    kind = "uf2"

    def write(self, flashing: Flashing) -> None:
        """Copy the firmware as UF2 to the board's drive, and wait until the board restarts.

        Raises:
            BoardError: the board's file gives no family.
            ToolError: there is no such drive, or there are several; it cannot be written; the board does not restart.
        """
        file = flashing.state_dir / NAME
        family = _family(flashing)
        if not tools.rehearsing():
            atomic_write_bytes(file, converted(_image(flashing), flashing.board.memory.flash.origin, family))
        volume = _volume(flashing.how.target)
        volumes.copy(file, volume)
        if not tools.rehearsing() and not volumes.wait(lambda: not volumes.there(volume), RESTART_S):
            raise ToolError(
                f"{volume} is still there {RESTART_S:g} s after the firmware: the board has not taken it",
                f"check that {flashing.board.name} is this board, and its family {family:#x}",
            )


def converted(image: bytes, address: int, family: int) -> bytes:
    """The UF2 file of an image.

    Args:
        image: what is to lie in flash; padded with zeros to whole blocks.
        address: of its first byte.
        family: id of the chip's family, from uf2families.json there.
    """
    count = -(-len(image) // PAYLOAD)
    blocks = []
    for number in range(count):
        offset = number * PAYLOAD
        header = (*MAGIC, FAMILY_PRESENT, address + offset, PAYLOAD, number, count, family)
        blocks.append(struct.pack("<8I476sI", *header, image[offset : offset + PAYLOAD], MAGIC_END))
    return b"".join(blocks)


def board_id(volume: Path) -> str:
    """The Board-ID that a boot loader's drive gives; "" where it is no such drive."""
    found = re.search(r"^Board-ID:[ \t]*(\S.*?)[ \t]*$", volumes.text(volume, INFO), re.MULTILINE)
    return found[1] if found else ""


def _volume(target: str) -> Path:
    known = {path: name for path in volumes.mounted() if (name := board_id(path))}
    others = ", ".join(f"{path} ({name})" for path, name in known.items())
    hint = "hold BOOTSEL while you plug the board in, or press its reset button twice, until its drive is mounted"
    return volumes.one(
        [path for path, name in known.items() if name == target],
        f"drive with Board-ID {target}",
        f"{hint}; there is {others}" if others else hint,
    )


def _image(flashing: Flashing) -> bytes:
    try:
        return Path(flashing.bin).read_bytes()
    except OSError as error:
        raise ToolError(f"there is no firmware at {flashing.bin}", "pqk-mcu build") from error


def _family(flashing: Flashing) -> int:
    try:
        (text,) = flashing.how.args
        family = int(text, 16)
        if not 0 <= family < 2**32:
            raise ValueError(text)
        return family
    except ValueError as error:
        raise BoardError(
            f"{flashing.board.name}: runner.args of kind uf2 = {list(flashing.how.args)} must be the id of the family",
            'for instance args = ["0xE48BFF56"]',
        ) from error
