"""Writing files so that a crash or Ctrl-C never leaves half of one: temporary name first, then rename."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
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
        _replace_directory(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _replace_directory(new: Path, path: Path) -> None:
    """Rename `new` to `path`; what was there is whole until then, and where that fails."""
    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    old = aside / path.name
    try:
        while new.exists():
            with suppress(FileNotFoundError):  # another process may be doing the same
                path.rename(old)
            try:
                new.rename(path)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def exclusive(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Keep other processes that ask for the same out for the length of the block; `path` itself may be replaced in it.

    Raises:
        BusyError: another process is in such a block; not with `wait`, which is for blocks that last a moment.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        if fcntl is not None:  # on Windows there is no lock
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
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
