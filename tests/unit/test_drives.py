"""Boards that are flashed through a drive, with folders in place of drives and a board made of Python."""

import dataclasses
import errno
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from support import seeds

from pqk import boards, runners, tools, volumes
from pqk.boards import Runner
from pqk.errors import BoardError, LinkError, ToolError
from pqk.runners import uf2

PICO = boards.load("rpi-pico")
MICROBIT = boards.load("microbit-v1")
INFO = "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: {}\r\n"
DETAILS = (
    "# DAPLink Firmware - see https://mbed.com/daplink\r\nUnique ID: {}360258434e45003e400e\r\nHIC ID: 97969901\r\n"
)
PAGE = '<meta http-equiv="refresh" content="0; url=http://mbed.org/device/?code={}02210760"/>'


class Desk:
    """A computer with drives. What the board does with what it gets is up to `then`, step by step as time passes."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.drives: list[Path] = []
        self.then: list[Callable[[], None]] = []
        self.slept = 0.0
        self.elf = folder / "my build" / "firmware.elf"
        self.elf.parent.mkdir()
        self.image = bytes(seeds.fresh("image").integers(0, 256, 1000, "uint8"))
        self.elf.write_bytes(b"elf")
        self.elf.with_suffix(".bin").write_bytes(self.image)
        self.elf.with_suffix(".hex").write_bytes(b":00000001FF\n")
        monkeypatch.setattr(volumes, "mounted", lambda: [drive for drive in self.drives if drive.is_dir()])
        monkeypatch.setattr(volumes, "sleep", self.sleep)
        monkeypatch.setattr(runners.probe.ports, "of", nowhere)

    def drive(self, name: str, file: str = "README.TXT", text: str = "") -> Path:
        """Another drive, with a text file."""
        path = self.folder / "media" / name
        path.mkdir(parents=True)
        (path / file).write_text(text)
        self.drives.append(path)
        return path

    def boot_loader(self, name: str, board_id: str) -> Path:
        """The drive of a UF2 boot loader."""
        return self.drive(name, "INFO_UF2.TXT", INFO.format(board_id))

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        if self.then:
            self.then.pop(0)()

    def flash(self, board: boards.Board, kind: str) -> None:
        """Ends where the port of the flashed board is looked for."""
        with pytest.raises(LinkError, match="nowhere"):
            runners.flash(board, self.elf, self.folder, expected_build="", kind=kind)

    def refused(self, board: boards.Board, kind: str) -> ToolError:
        with pytest.raises(ToolError) as caught:
            runners.flash(board, self.elf, self.folder, expected_build="", kind=kind)
        assert caught.value.hint
        return caught.value


def nowhere(*_: object) -> str:
    raise LinkError("nowhere", "")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


# ---- which drives there are ----


def test_the_drives_of_linux(tmp_path: Path) -> None:
    device = tmp_path / "sda1"
    device.touch()
    table = (
        "/dev/vda / ext4 rw,relatime 0 0\n"
        f"{device} /media/me/RPI-RP2 vfat rw,nosuid 0 0\n"
        f"{device} /media/me/a\\040b msdos rw 0 0\n"
        f"{tmp_path / 'gone'} /mnt/pico vfat rw 0 0\n"
        "tmpfs /run tmpfs rw 0 0\n"
    )
    assert volumes.in_table(table) == [Path("/media/me/RPI-RP2"), Path("/media/me/a b")]


def test_the_drives_of_this_computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes.sys, "platform", "darwin")
    monkeypatch.setattr(volumes, "_VOLUMES", tmp_path)
    (tmp_path / "RPI-RP2").mkdir()
    (tmp_path / "file").touch()
    assert volumes.mounted() == [tmp_path / "RPI-RP2"]
    monkeypatch.setattr(volumes.sys, "platform", "linux")
    monkeypatch.setattr(volumes, "_MOUNTS", tmp_path / "mounts")
    assert volumes.mounted() == []
    (tmp_path / "mounts").write_text(f"{tmp_path / 'file'} /mnt/pico vfat rw 0 0\n")
    assert volumes.mounted() == [Path("/mnt/pico")]


def test_a_drive_s_text(tmp_path: Path) -> None:
    (tmp_path / "info_uf2.txt").write_bytes(b"Model: \xff")
    assert volumes.text(tmp_path, "INFO_UF2.TXT") == "Model: \N{REPLACEMENT CHARACTER}"
    assert volumes.text(tmp_path, "FAIL.TXT") == ""
    assert volumes.text(tmp_path / "gone", "FAIL.TXT") == ""


# ---- UF2 ----


def parsed(file: bytes) -> tuple[int, bytes, set[int]]:
    """Address, content and families of a UF2 file, as its specification has it; blocks may come in any order."""
    assert len(file) % 512 == 0
    pages, families, count = {}, set(), len(file) // 512
    for start in range(0, len(file), 512):
        block = file[start : start + 512]
        assert block[:4] == b"UF2\n"
        first, second, flags, address, size, number, total, family = struct.unpack_from("<8I", block)
        assert (first, second, struct.unpack_from("<I", block, 508)[0]) == (0x0A324655, 0x9E5D5157, 0x0AB16F30)
        assert flags == 0x2000
        assert (number, total) == (start // 512, count)
        assert size == 256
        assert address % 256 == 0
        assert block[32 + size : 508] == bytes(476 - size)
        pages[address] = block[32 : 32 + size]
        families.add(family)
    origin = min(pages)
    assert sorted(pages) == [origin + 256 * page for page in range(count)]
    return origin, b"".join(pages[address] for address in sorted(pages)), families


@pytest.mark.parametrize("extra", [0, 1, 255])
def test_a_uf2_file_has_the_image(extra: int) -> None:
    rng = seeds.fresh("image")
    image = bytes(rng.integers(0, 256, 256 * int(rng.integers(1, 40)) + extra, "uint8"))
    origin, content, families = parsed(uf2.converted(image, 0x1000_0000, 0xE48BFF56))
    assert (origin, families) == (0x1000_0000, {0xE48BFF56})
    assert content[: len(image)] == image
    assert content[len(image) :] == bytes(-len(image) % 256)


def test_uf2_goes_to_the_right_board(desk: Desk) -> None:
    other = desk.drive("OTHER", "INFO_UF2.TXT", "Model: nobody knows")
    newer = desk.boot_loader("RP2350", "RP2350")
    pico = desk.boot_loader("RPI-RP2", "RPI-RP2")
    taken: list[bytes] = []

    def restart() -> None:
        taken.append((pico / "firmware.uf2").read_bytes())
        shutil.rmtree(pico)

    desk.then = [lambda: None, restart]
    desk.flash(PICO, "uf2")
    origin, content, families = parsed(taken[0])
    assert (origin, families) == (PICO.memory.flash.origin, {0xE48BFF56})
    assert content[: len(desk.image)] == desk.image
    assert (desk.folder / "firmware.uf2").read_bytes() == taken[0]
    assert desk.slept == pytest.approx(0.5)
    assert not (newer / "firmware.uf2").exists()
    assert not (other / "firmware.uf2").exists()


def test_no_drive_or_the_wrong_one(desk: Desk) -> None:
    desk.drive("STICK")
    error = desk.refused(PICO, "uf2")
    assert "no drive with Board-ID RPI-RP2 is mounted" in error.message
    assert "BOOTSEL" in error.hint
    wrong = desk.boot_loader("RP2350", "RP2350")
    assert f"there is {wrong} (RP2350)" in desk.refused(PICO, "uf2").hint
    assert [path.name for path in wrong.iterdir()] == ["INFO_UF2.TXT"]


def test_two_drives(desk: Desk) -> None:
    for name in ("RPI-RP2", "RPI-RP21"):
        desk.boot_loader(name, "RPI-RP2")
    error = desk.refused(PICO, "uf2")
    assert "2 drives could be the drive with Board-ID RPI-RP2" in error.message
    assert all(str(drive) in error.message for drive in desk.drives)
    assert "all boards but one" in error.hint
    assert all(not (drive / "firmware.uf2").exists() for drive in desk.drives)


def test_a_board_that_does_not_restart(desk: Desk) -> None:
    desk.boot_loader("RPI-RP2", "RPI-RP2")
    error = desk.refused(PICO, "uf2")
    assert "still there 30 s after the firmware" in error.message
    assert "0xe48bff56" in error.hint
    assert desk.slept == pytest.approx(30)


def test_a_full_drive(desk: Desk) -> None:
    drive = desk.boot_loader("RPI-RP2", "RPI-RP2")
    (drive / "firmware.uf2").symlink_to("/dev/full")
    error = desk.refused(PICO, "uf2")
    assert f"cannot write {drive / 'firmware.uf2'}: {os.strerror(errno.ENOSPC)}" in error.message
    assert desk.slept == 0


def failing(code: int) -> Callable[[int], None]:
    """In place of a function that takes a file."""

    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_a_drive_that_may_not_be_written(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.boot_loader("RPI-RP2", "RPI-RP2")
    monkeypatch.setattr(volumes.os, "fsync", failing(errno.EROFS))
    error = desk.refused(PICO, "uf2")
    assert os.strerror(errno.EROFS) in error.message
    assert "may write to it" in error.hint


def test_a_board_that_restarts_before_the_last_word(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    drive = desk.boot_loader("RPI-RP2", "RPI-RP2")
    monkeypatch.setattr(volumes.os, "fsync", failing(errno.EIO))
    error = desk.refused(PICO, "uf2")  # the drive stays: it is an error
    assert os.strerror(errno.EIO) in error.message
    assert "plug it in again" in error.hint
    assert desk.slept == pytest.approx(5)
    desk.then = [lambda: shutil.rmtree(drive)]
    desk.flash(PICO, "uf2")


def test_firmware_that_is_not_there(desk: Desk) -> None:
    desk.boot_loader("RPI-RP2", "RPI-RP2")
    desk.drive("MICROBIT")
    desk.elf.with_suffix(".bin").unlink()
    desk.elf.with_suffix(".hex").unlink()
    for board, kind, suffix in ((PICO, "uf2", ".bin"), (MICROBIT, "mass-storage", ".hex")):
        error = desk.refused(board, kind)
        assert error.message == f"there is no firmware at {desk.elf.with_suffix(suffix)}"
        assert error.hint == "pqk-mcu build"


@pytest.mark.parametrize("args", [(), ("RP2040",), ("1", "2"), ("0x1_0000_0000",), ("-1",)])
def test_a_family_that_is_none(args: tuple[str, ...], desk: Desk) -> None:
    board = dataclasses.replace(PICO, runners=(Runner("uf2", "RPI-RP2", args),))
    with pytest.raises(BoardError, match="must be the id of the family"):
        runners.flash(board, desk.elf, desk.folder, expected_build="")


# ---- drives of debug probes ----


def test_mass_storage(desk: Desk) -> None:
    desk.drive("STICK")
    drive = desk.drive("DAPLINK", "DETAILS.TXT", DETAILS.format("9900"))
    taken: list[bytes] = []

    def vanish() -> None:
        taken.append((drive / "firmware.hex").read_bytes())
        shutil.rmtree(drive)

    desk.then = [vanish, lambda: None, drive.mkdir]
    desk.flash(MICROBIT, "mass-storage")
    assert taken == [b":00000001FF\n"]
    assert desk.slept == pytest.approx(0.75)


def test_a_complaint_is_passed_on(desk: Desk) -> None:
    drive = desk.drive("MICROBIT")

    def complain() -> None:
        drive.mkdir()
        (drive / "FAIL.TXT").write_text("error: The hex file cannot be decoded.\r\ntype: user\r\n")

    desk.then = [lambda: shutil.rmtree(drive), complain]
    error = desk.refused(MICROBIT, "mass-storage")
    assert f"{drive} has a FAIL.TXT: error: The hex file cannot be decoded." in error.message
    assert "--runner" in error.hint


def test_a_drive_that_stays_or_does_not_come_back(desk: Desk) -> None:
    drive = desk.drive("MICROBIT")
    desk.flash(MICROBIT, "mass-storage")
    assert desk.slept == pytest.approx(20)
    desk.then = [lambda: shutil.rmtree(drive)]
    desk.flash(MICROBIT, "mass-storage")
    assert desk.slept == pytest.approx(20 + 0.25 + 10)


def test_a_board_s_code_tells_it(desk: Desk) -> None:
    nucleo = boards.load("nucleo-h743zi")
    desk.drive("NODE", "MBED.HTM", PAGE.format("0777"))
    drive = desk.drive("DISK", "MBED.HTM", PAGE.format("0836"))
    desk.then = [lambda: shutil.rmtree(drive), drive.mkdir]
    desk.flash(nucleo, "mass-storage")
    assert desk.slept == pytest.approx(0.5)
    shutil.rmtree(drive)
    error = desk.refused(nucleo, "mass-storage")
    assert error.message == "no drive called NODE_H743ZI is mounted"
    assert "plug the board in" in error.hint


def test_a_code_tells_more_than_a_label(desk: Desk) -> None:
    """A micro:bit v2 calls its drive the same."""
    desk.drive("MICROBIT", "DETAILS.TXT", DETAILS.format("9904"))
    assert "no drive called MICROBIT" in desk.refused(MICROBIT, "mass-storage").message


def test_two_boards(desk: Desk) -> None:
    for name in ("MICROBIT", "MICROBIT 1", "MICROBITS"):
        desk.drive(name)
    error = desk.refused(MICROBIT, "mass-storage")
    listed = ", ".join(str(drive) for drive in desk.drives[:2])
    assert error.message == f"2 drives could be the drive called MICROBIT: {listed}"


# ---- both ----


@pytest.mark.parametrize(
    ("board", "kind", "what", "file"),
    [
        (PICO, "uf2", "drive with Board-ID RPI-RP2", "firmware.uf2"),
        (MICROBIT, "mass-storage", "drive called MICROBIT", "my build/firmware.hex"),
    ],
)
def test_a_dry_run_says_what_would_be_copied(board: boards.Board, kind: str, what: str, file: str, desk: Desk) -> None:
    source = str(desk.folder / file)
    before = set(desk.folder.rglob("*"))
    assert runners.rehearse(board, desk.elf, desk.folder, kind=kind) == [["cp", source, f"<{what}>/{Path(file).name}"]]
    drive = desk.boot_loader("MICROBIT", "RPI-RP2")
    assert runners.rehearse(board, desk.elf, desk.folder, kind=kind) == [["cp", source, str(drive / Path(file).name)]]
    assert set(desk.folder.rglob("*")) == {*before, desk.folder / "media", drive, drive / "INFO_UF2.TXT"}


def test_a_board_without_a_probe_is_not_reset(tmp_path: Path) -> None:
    with tools.dry_run() as commands:
        runners.reset(PICO, tmp_path)
    assert commands == []


@pytest.mark.parametrize("name", boards.names())
def test_no_board_has_mass_storage_as_its_usual_way(name: str) -> None:
    assert boards.load(name).runner.kind != "mass-storage"
