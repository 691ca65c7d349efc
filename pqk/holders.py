"""Which programs have a port open, as Linux tells in /proc."""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A program that runs."""

    name: str
    pid: int

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid})"


def processes(proc: Path = PROC) -> list[Process]:
    """All programs that run, this one aside; none where the system has no /proc."""
    found = []
    for folder in sorted(proc.glob("[0-9]*")):
        try:
            name = (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            continue  # it has ended meanwhile
        found.append(Process(name, int(folder.name)))
    return [process for process in found if process.pid != os.getpid()]


def holders(port: str, proc: Path = PROC) -> list[Process]:
    """The other programs that have the device `port` open. Those of other users show only to root."""
    device = Path(os.path.realpath(port))
    return [process for process in processes(proc) if _has_open(proc / str(process.pid), device)]


def _has_open(process: Path, device: Path) -> bool:
    try:
        return any(_target(link) == device for link in (process / "fd").iterdir())
    except OSError:
        return False  # another user's, or it has just ended


def _target(link: Path) -> Path | None:
    try:
        return link.readlink()
    except OSError:
        return None  # closed meanwhile
