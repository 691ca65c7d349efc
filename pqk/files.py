"""Writing files so that a crash or Ctrl-C never leaves half of one: temporary name first, then rename."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pqk.errors import BusyError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def atomic_write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`; a reader sees the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)  # mkstemp makes 0600: other users of the machine may read results
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def atomic_write_text(path: Path, content: str) -> None:
    """Write `content` as UTF-8; see `atomic_write_bytes`."""
    atomic_write_bytes(path, content.encode())


def create_text(path: Path, content: str) -> None:
    """Write `content` as UTF-8 to a file that is not there yet; it is empty until all of it is written.

    Raises FileExistsError when something is there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(exist_ok=False)  # claims the name: a rename would replace what another process has put there
    try:
        atomic_write_text(path, content)
    except BaseException:
        path.unlink()
        raise


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that becomes `path` when the block ends without an exception.

    An existing `path` is replaced. The temporary folder lies beside `path`, so the rename stays on one file system.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        temporary.chmod(0o755)
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Keep other processes that ask for the same out for the length of the block; `path` itself may be replaced in it.

    Raises:
        BusyError: another process is in such a block.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        if fcntl is not None:  # on Windows there is no lock
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BusyError(f"another process is writing {path}", "wait until it has ended, or stop it") from error
        yield


def digest(parts: Iterable[bytes | str]) -> str:
    """Hexadecimal digest (16 digits) of a sequence of parts; where one part ends matters."""
    hasher = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "little"))
        hasher.update(data)
    return hasher.hexdigest()


def digest_tree(root: Path, patterns: Iterable[str] = ("**/*",)) -> str:
    """Digest of the names and contents of the files below `root` that match one of `patterns`."""
    files = sorted({path for pattern in patterns for path in root.glob(pattern) if path.is_file()})
    return digest(part for path in files for part in (path.relative_to(root).as_posix(), path.read_bytes()))
