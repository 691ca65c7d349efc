"""Downloading the public Speech Commands recordings (Warden 2018, CC BY 4.0).

What arrives is not trusted: a transfer must be complete, an archive intact, small enough and free of members that would
be written elsewhere. Everything happens in a temporary folder; the result appears whole or not at all, and after a
failure the next call starts afresh.
"""

import gzip
import hashlib
import http.client
import re
import stat
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pqk.data.source import FULL_FOLDER, MINI_FOLDER
from pqk.errors import DataError

Progress = Callable[[int, int], None]
"""Called with bytes received and bytes in all (0 when the server does not say)."""

MINI_URL = "http://storage.googleapis.com/download.tensorflow.org/data/mini_speech_commands.zip"
FULL_URL = "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
FULL_SHA256 = "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58"
"""As in torchaudio.datasets.speechcommands (2.11)."""

MOST_BYTES = 8 * 2**30
"""An archive, and what it unpacks to, may be this large: twice the full set."""
MOST_MEMBERS = 300_000
STALL_SECONDS = 30
_CHUNK = 1 << 20
# The last is zipfile's, where a flag or a version is one that it does not know.
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
)


def download_mini(cache: Path, *, url: str = MINI_URL, progress: Progress = lambda *_: None) -> Path:
    """Download 8 words x 1,000 clips (182 MB, no lists, no noise) and return their folder below `cache`.

    Nothing happens when it is there. Raises DataError.
    """
    final = cache / MINI_FOLDER
    if not final.exists():
        with _workshop(cache, MINI_FOLDER, "mini") as work:
            archive = work / "archive.zip"
            _fetch(url, archive, progress)
            _unpack_zip(archive, work, MINI_FOLDER)
            _publish(work / MINI_FOLDER, final, url)
    return final


def download_full(
    cache: Path, *, url: str = FULL_URL, sha256: str | None = FULL_SHA256, progress: Progress = lambda *_: None
) -> Path:
    """Download all 35 words, 105,829 clips (2.3 GB) and return their folder below `cache`.

    Unpacked by torchaudio's SPEECHCOMMANDS, which finds the archive in place: by itself it would take a transfer that
    broke off for complete and unpack members to wherever their names say. Nothing happens when it is there. Raises
    DataError.
    """
    final = cache / FULL_FOLDER
    if not final.exists():
        with _workshop(cache, FULL_FOLDER, "full") as work:
            archive = work / f"{FULL_FOLDER}.tar.gz"
            _fetch(url, archive, progress, sha256)
            _check_tar(archive)
            # The one import of torch outside pqk.train: the data set's own class is what unpacks it.
            from torchaudio.datasets import SPEECHCOMMANDS

            SPEECHCOMMANDS(work, url=f"{url.rsplit('/', 1)[0]}/{archive.name}", download=True)
            _publish(work / "SpeechCommands" / FULL_FOLDER, final, url)
    return final


@contextmanager
def _workshop(cache: Path, name: str, which: str) -> Iterator[Path]:
    """A temporary folder below `cache`; turns what can go wrong in it into DataError."""
    again = f"repeat: pqk-mcu download {which}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=f".{name}.") as work:
            yield Path(work)
    except _RefusedError as error:
        raise DataError(str(error), f"{again}; or get recordings elsewhere and name them with --data") from error
    except _DAMAGED as error:
        raise DataError(f"the archive of {name} is damaged: {error}", again) from error
    except OSError as error:
        hint = f"check the connection, the space and the permissions there, then {again}"
        raise DataError(f"cannot download {name} to {cache}: {error}", hint) from error


class _RefusedError(Exception):
    """The transfer failed or the archive is not acceptable; the text says why."""


def _fetch(url: str, target: Path, progress: Progress, sha256: str | None = None) -> None:
    """Write what `url` gives to `target`; complete, or an exception."""
    if not url.startswith(("http://", "https://")):
        raise _RefusedError(f"cannot download {url}: only http and https")
    hasher = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=STALL_SECONDS) as response, target.open("wb") as file:
            total, done = response.length or 0, 0
            while max(done, total) <= MOST_BYTES and (chunk := response.read(_CHUNK)):
                file.write(chunk)
                hasher.update(chunk)
                done += len(chunk)
                progress(done, total)
    except urllib.error.HTTPError as error:
        raise _RefusedError(f"cannot download {url}: the server says {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
        reason = getattr(error, "reason", error)  # URLError wraps what really happened
        raise _RefusedError(f"cannot download {url}: {str(reason) or type(reason).__name__}") from error
    if max(done, total) > MOST_BYTES:
        raise _RefusedError(f"{url} is larger than {MOST_BYTES} bytes")
    if total and done != total:
        raise _RefusedError(f"{url} broke off after {done} of {total} bytes")
    if sha256 and hasher.hexdigest() != sha256:
        raise _RefusedError(f"{url} is not what was published: SHA-256 {hasher.hexdigest()}, expected {sha256}")


def _unpack_zip(archive: Path, folder: Path, top: str) -> None:
    """Unpack the members below `top`; others (__MACOSX) are left out."""
    with zipfile.ZipFile(archive) as opened:
        _check_members(_zip_member(member) for member in opened.infolist())
        # zipfile never gives more bytes of a member than the size checked above, and checks its CRC.
        opened.extractall(folder, [name for name in opened.namelist() if name.startswith(f"{top}/")])


def _check_tar(archive: Path) -> None:
    with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as opened:
        _check_members((member.name, member.size, member.isreg() or member.isdir()) for member in opened)
        # The checksum stands behind the last byte, and tarfile stops before.
        while stream.read(_CHUNK):
            if stream.tell() > 2 * MOST_BYTES:
                raise _RefusedError(f"the archive unpacks to more than {MOST_BYTES} bytes")


def _zip_member(member: zipfile.ZipInfo) -> tuple[str, int, bool]:
    plain = stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
    readable = not member.flag_bits & 1 and member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return member.filename, member.file_size, plain and readable


def _check_members(members: Iterable[tuple[str, int, bool]]) -> None:
    """Refuse names that lead out of the folder, what is no plain file or folder, and more than fits.

    A member is its name, size in bytes and whether it is plain. Stops at the first that is refused.
    """
    total = 0
    for count, (name, size, plain) in enumerate(members, 1):
        if name.startswith("/") or "\\" in name or ".." in name.split("/") or re.match("[A-Za-z]:", name):
            raise _RefusedError(f"the archive would write outside its folder: {name!r}")
        if not plain:
            raise _RefusedError(f"the archive holds something that is neither a file nor a folder: {name!r}")
        total += size
        if total > MOST_BYTES or count > MOST_MEMBERS:
            raise _RefusedError(f"the archive unpacks to more than {MOST_BYTES} bytes or {MOST_MEMBERS} files")


def _publish(folder: Path, final: Path, url: str) -> None:
    if next(folder.glob("*/*.wav"), None) is None:
        raise _RefusedError(f"{url} holds no recordings in {folder.name}/")
    folder.replace(final)
