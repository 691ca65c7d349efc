"""Whether this user can have a port: permissions, and programs that have it already."""

import getpass
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pqk.doctor.finding import Finding, note, ok, problem
from pqk.holders import PROC, holders, processes

MODEM_MANAGER = "ModemManager"
_GROUP_MAY = stat.S_IRGRP | stat.S_IWGRP


@dataclass(frozen=True)
class User:
    """Whom permissions are asked for."""

    name: str
    groups: frozenset[str]
    """Of this session: as they were when the user logged in."""
    listed: frozenset[str]
    """As the system's list of groups has them now."""


def this_user() -> User:
    """The one who runs this program."""
    import grp  # which Windows has not

    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that belongs to nobody
        name = str(os.getuid())
    groups = grp.getgrall()
    session = {*os.getgroups(), os.getegid()}
    return User(
        name,
        frozenset(group.gr_name for group in groups if group.gr_gid in session),
        frozenset(group.gr_name for group in groups if name in group.gr_mem),
    )


def may_open(path: Path) -> bool:
    """Whether this program may read and write `path`."""
    return os.access(path, os.R_OK | os.W_OK)


def permission(port: Path, user: User, allowed: Callable[[Path], bool] = may_open) -> Finding:
    """Whether the user may open a port, and which group to join. Not for Windows."""
    if not port.exists():
        return problem(f"there is no port {port}", "pqk-mcu ports lists what is there")
    if allowed(port):
        return ok(f"{user.name} may open {port}")
    group = _group(port)
    if port.stat().st_mode & _GROUP_MAY != _GROUP_MAY:
        return problem(f"only {_owner(port)} may open {port}", f"sudo chmod a+rw {port}, until it is plugged in again")
    if group in user.listed and group not in user.groups:
        return problem(
            f"{user.name} may not open {port} yet: in group {group} since this session began",
            f"newgrp {group}, or log in again",
        )
    return problem(
        f"{user.name} may not open {port}, which is for group {group}",
        f"sudo usermod -aG {group} {user.name}, then log in again",
    )


def _owner(port: Path) -> str:
    try:
        return port.owner()
    except KeyError:  # it has a number only
        return str(port.stat().st_uid)


def _group(port: Path) -> str:
    try:
        return port.group()
    except KeyError:
        return str(port.stat().st_gid)


def taken(port: str, proc: Path = PROC) -> list[Finding]:
    """Programs that have the port open."""
    return [problem(f"{process} has {port} open", f"close it: kill {process.pid}") for process in holders(port, proc)]


def modem_manager(proc: Path = PROC) -> list[Finding]:
    """Whether the program runs that takes every new port for a modem, and writes to it."""
    if all(process.name != MODEM_MANAGER for process in processes(proc)):
        return []
    stop = f"if a board is silent after it was plugged in: sudo systemctl stop {MODEM_MANAGER}"
    return [note(f"{MODEM_MANAGER} runs, which tries new ports for modems", stop)]
