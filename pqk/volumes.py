"""Drives that boards show on USB: where they are mounted, what they say of themselves, and files copied to them."""

import errno
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import sleep

from pqk import tools
from pqk.errors import ToolError

LOOK_EVERY_S = 0.25
VANISHES_S = 5.0  # until a computer has noticed that a drive is gone
_GONE = (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOENT)  # what it says of one until then
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
_MOUNTS = Path("/proc/mounts")  # Linux: proc(5), fstab(5)
_VOLUMES = Path("/Volumes")  # macOS
_FAT = ("vfat", "msdos")


def mounted() -> list[Path]:
    """Where drives are mounted: on Linux those with a FAT file system, as boards have; on macOS all."""
    if sys.platform == "darwin":
        return sorted(path for path in _VOLUMES.iterdir() if path.is_dir())
    return in_table(_MOUNTS.read_text(encoding="utf-8")) if _MOUNTS.is_file() else []


def in_table(table: str) -> list[Path]:
    """The FAT volumes in the text of Linux's /proc/mounts, where a space in a path is written \\040.

    A drive that was mounted by hand stays in there when it is gone; its device does not.
    """
    rows = [line.split() for line in table.splitlines()]
    paths = [row[1] for row in rows if row[2] in _FAT and Path(row[0]).exists()]
    return sorted(Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), path)) for path in paths)


def text(volume: Path, name: str) -> str:
    """What a small text file in the volume's root says, whatever the case of its name; "" where there is none."""
    try:
        found = [path for path in volume.iterdir() if path.name.lower() == name.lower()]
        return found[0].read_text(encoding="utf-8", errors="replace") if found else ""
    except OSError:  # the volume has gone meanwhile
        return ""


def one(candidates: Sequence[Path], what: str, hint: str) -> Path:
    """The only candidate. In a dry run there need be none: then a path that says `what` it would be.

    Raises:
        ToolError: there is none, with `hint`, or there are several.
    """
    if len(candidates) == 1:
        return candidates[0]
    if tools.rehearsing():
        return Path(f"<{what}>")
    if candidates:
        listed = ", ".join(str(path) for path in candidates)
        raise ToolError(f"{len(candidates)} drives could be the {what}: {listed}", "unplug all boards but one")
    raise ToolError(f"no {what} is mounted", hint)


def copy(source: Path, volume: Path) -> None:
    """Copy a file to a board's drive, under its own name, and have it written at once.

    Not under a temporary name first: such a drive is no real one, and takes each block as it comes. Many boards
    restart, and their drive with them, when they have the last block: an error that comes with that is none.

    Raises:
        ToolError: the file is not there, or the drive is full or cannot be written.
    """
    target = volume / source.name
    if tools.rehearsing():
        tools.run(["cp", str(source), str(target)])
        return
    if not source.is_file():
        raise ToolError(f"there is no firmware at {source}", "pqk-mcu build")
    content = source.read_bytes()
    try:
        with target.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in _GONE and wait(lambda: not there(volume), VANISHES_S):
            return
        again = "unplug the board, plug it in again, and flash again"
        hint = "mount it so that you may write to it" if error.errno in _NOT_ALLOWED else again
        raise ToolError(f"cannot write {target}: {error.strerror}", hint) from error


def there(volume: Path) -> bool:
    """Whether the drive is still, or again, mounted."""
    return volume in mounted()


def wait(reached: Callable[[], bool], limit_s: float) -> bool:
    """Look again and again until something is so; False where it is not within `limit_s` seconds."""
    for _ in range(int(limit_s / LOOK_EVERY_S)):
        if reached():
            return True
        sleep(LOOK_EVERY_S)
    return reached()
