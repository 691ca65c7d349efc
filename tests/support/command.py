"""Running the installed command as a user does."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PROGRAM = Path(sys.executable).with_name("pqk-mcu")
Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str
    seconds: float
    """Of the processor, which others on the machine do not lengthen much."""


@contextmanager
def started(*arguments: str, cwd: Path, stdout: IO[bytes] | int, stderr: int | None = None) -> Iterator[Process]:
    """`pqk-mcu` that goes on by itself, and is gone after the block, however that ends."""
    process = subprocess.Popen([str(PROGRAM), *arguments], cwd=cwd, stdout=stdout, stderr=stderr)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def pqk_mcu(*arguments: str, cwd: Path, env: Mapping[str, str] = {}, timeout: float = 600) -> Outcome:
    """Run `pqk-mcu` in `cwd`, with no data but what `env` names."""
    clean = {key: value for key, value in os.environ.items() if key not in ("PQK_DATA", "PQK_CACHE")}
    start = _seconds()
    result = subprocess.run(
        [str(PROGRAM), *arguments],
        cwd=cwd,
        env={**clean, "PQK_CACHE": str(cwd / "no-cache"), "COLUMNS": "120", **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Outcome(result.returncode, result.stdout, result.stderr, _seconds() - start)


def _seconds() -> float:
    """What all programs that have ended took of the processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
