"""Other people's programs: every one is started here, logged, and its failure told in the same way."""

import ctypes
import functools
import logging
import os
import random
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO

from pqk.errors import ToolError

TAIL_LINES = 15  # of a failed program's output
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

PACKAGES = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi",
    "arm-none-eabi-objcopy": "binutils-arm-none-eabi",
    "arm-none-eabi-nm": "binutils-arm-none-eabi",
    "arm-none-eabi-size": "binutils-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
    "openocd": "openocd",
}
WHEELS = ("pyocd", "stm32loader")
"""Programs that pip installs under their own name."""
VENDORS = {
    "STM32_Programmer_CLI": "STM32CubeProgrammer from st.com, and put its folder bin into PATH",
    "JLinkExe": "the J-Link software from segger.com",
    "bossac": "Arduino's own bossac, which its IDE installs with the boards of mbed, and put its folder into PATH",
}

_log = logging.getLogger(__name__)
_rehearsal: ContextVar[list[list[str]] | None] = ContextVar("rehearsal", default=None)


@contextmanager
def dry_run() -> Iterator[list[list[str]]]:
    """Within the block `run` starts nothing; the list that is yielded collects the commands instead."""
    commands: list[list[str]] = []
    token = _rehearsal.set(commands)
    try:
        yield commands
    finally:
        _rehearsal.reset(token)


def rehearsing() -> bool:
    """Whether this is within a `dry_run`."""
    return _rehearsal.get() is not None


def run(argv: Sequence[str], *, cwd: Path | None = None, limit_s: float | None = None, stderr: bool = False) -> str:
    """Run a program, which gets no input, to its end and return what it printed ("" in a dry run).

    With `stderr` that includes what it printed as diagnostics, which come last.

    Raises:
        ToolError: it is not installed, it failed, or it was ended after `limit_s` seconds; the message has the command
            and the end of what it said.
    """
    _log.info("$ %s", shlex.join(argv))
    rehearsed = _rehearsal.get()
    if rehearsed is not None:
        rehearsed.append(list(argv))
        return ""
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=limit_s,
        )
    except FileNotFoundError as error:
        raise missing(argv[0]) from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            f"{argv[0]} did not end within {limit_s:g} s: {shlex.join(argv)}", "run it by hand to see what it waits for"
        ) from error
    if done.returncode:
        raise ToolError(
            f"{argv[0]} ended with status {done.returncode}: {shlex.join(argv)}\n{tail(done.stderr or done.stdout)}",
            "the message above is the program's own",
        )
    return done.stdout + done.stderr if stderr else done.stdout


def start(argv: Sequence[str], *, stderr: IO[bytes], one_cpu: bool = False) -> subprocess.Popen[bytes]:
    """Start a program that goes on by itself. It gets no input, and ends when this process does (on Linux).

    With `one_cpu` all its threads share a processor (on Linux), any one: good for threads that wait for each other.

    Raises:
        ToolError: it is not installed.
    """
    _log.info("$ %s", shlex.join(argv))
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            # A session of its own, so that Ctrl-C reaches us alone and we end it in order.
            start_new_session=True,
            preexec_fn=functools.partial(_prepare, one_cpu) if sys.platform == "linux" else None,
        )
    except FileNotFoundError as error:
        raise missing(argv[0]) from error


def tail(output: str) -> str:
    """The last lines of a program's output."""
    return "\n".join(output.strip().splitlines()[-TAIL_LINES:])


def missing(program: str) -> ToolError:
    """The error for a program that is not there: how to install it."""
    if program in PACKAGES:
        hint = f"sudo apt-get install {PACKAGES[program]}"
    elif program in WHEELS:
        hint = f"pip install {program}"
    else:
        hint = f"install {VENDORS.get(program, program)}"
    return ToolError(f"{program} is not installed, or not in PATH", hint)


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _prepare(one_cpu: bool) -> None:
    """In the child, before the program: end with the parent; one processor."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if one_cpu:
        os.sched_setaffinity(0, {random.choice(sorted(os.sched_getaffinity(0)))})
