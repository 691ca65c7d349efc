"""Downloading from a server on this machine: good archives, broken ones, hostile ones, and a server that fails."""

import hashlib
import io
import socketserver
import stat
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.seeds import fresh

from pqk.data import download
from pqk.data.dataset import scan
from pqk.errors import DataError
from pqk.project import DataConfig

MINI, FULL = "mini_speech_commands", "speech_commands_v0.02"
Reply = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Serves `replies`; `url(path)` is where."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        self.requests: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                server.replies[self.path](self)

            def log_message(self, *_: object) -> None:
                pass

        class Listener(socketserver.ThreadingTCPServer):
            def handle_error(self, *_: object) -> None:
                """Clients that hang up are what some tests are about."""

        self.listener = Listener(("127.0.0.1", 0), Handler)
        self.listener.daemon_threads = True
        threading.Thread(target=self.listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def serve(self, name: str, body: bytes) -> str:
        return self.reply(name, lambda handler: send(handler, body, len(body)))

    def reply(self, name: str, reply: Reply) -> str:
        self.replies[f"/{name}"] = reply
        return f"http://127.0.0.1:{self.listener.server_address[1]}/{name}"


def send(handler: BaseHTTPRequestHandler, body: bytes, length: int | None, code: int = 200) -> None:
    handler.send_response(code)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    yield server
    server.listener.shutdown()
    server.listener.server_close()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def recording() -> bytes:
    sound = io.BytesIO()
    pcm = (fresh("recording").standard_normal(16_000) * 3000).astype(np.int16)
    soundfile.write(sound, pcm, 16_000, format="WAV")
    return sound.getvalue()


def words(top: str) -> dict[str, bytes]:
    wav = recording()
    return {f"{top}{word}/{i:08x}_nohash_0.wav": wav for word in ("yes", "no") for i in range(40)}


def zipped(members: dict[str, bytes], also: Callable[[zipfile.ZipFile], None] = lambda _: None) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        also(archive)
    return made.getvalue()


def tarred(members: dict[str, bytes], also: Callable[[tarfile.TarFile], None] = lambda _: None) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        also(archive)
    return made.getvalue()


def refused(call: Callable[[], object], cache: Path, *said: str) -> DataError:
    """`call` fails with a DataError that says so, and leaves nothing behind, in the cache or beside it."""
    beside = {path for path in cache.parent.rglob("*") if path != cache}
    with pytest.raises(DataError) as caught:
        call()
    for text in said:
        assert text in caught.value.message
    assert "pqk-mcu download" in caught.value.hint
    assert {path for path in cache.parent.rglob("*") if path != cache} == beside
    return caught.value


def test_mini(server: Server, cache: Path) -> None:
    members = words(f"{MINI}/") | {f"{MINI}/README.md": b"hello", f"__MACOSX/{MINI}/._yes": b"rubbish"}
    body = zipped(members)
    url = server.serve("mini.zip", body)
    seen: list[tuple[int, int]] = []
    folder = download.download_mini(cache, url=url, progress=lambda done, total: seen.append((done, total)))
    assert folder == cache / MINI
    assert [path.name for path in cache.iterdir()] == [MINI]
    expected = {name.removeprefix(f"{MINI}/"): content for name, content in members.items() if "MACOSX" not in name}
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files == expected
    assert seen[-1] == (len(body), len(body))
    found = scan(folder, ["yes", "no"], config=DataConfig(unknown=False), cache=cache / "digests")
    assert sum(clip.path != "" for clip in found.clips) == 80


def test_full_through_torchaudio(server: Server, cache: Path) -> None:
    members = words("./") | {
        "./validation_list.txt": b"yes/00000001_nohash_0.wav\n",
        "./_background_noise_/a.wav": b"a",
    }
    body = tarred(members)
    url = server.serve("anything.tar.gz", body)
    folder = download.download_full(cache, url=url, sha256=hashlib.sha256(body).hexdigest())
    assert folder == cache / FULL
    assert [path.name for path in cache.iterdir()] == [FULL]
    files = {f"./{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in files.items()} == members
    assert server.requests == ["/anything.tar.gz"]


def test_what_is_there_is_not_downloaded_again(server: Server, cache: Path) -> None:
    url = server.serve("mini.zip", zipped(words(f"{MINI}/")))
    for _ in range(2):
        download.download_mini(cache, url=url)
    (cache / FULL).mkdir()
    assert download.download_full(cache, url=url) == cache / FULL
    assert server.requests == ["/mini.zip"]


def test_after_a_failure_the_next_try_succeeds(server: Server, cache: Path) -> None:
    body = zipped(words(f"{MINI}/"))
    url = server.reply("mini.zip", lambda handler: send(handler, body[:1000], len(body)))
    refused(lambda: download.download_mini(cache, url=url), cache, "broke off after 1000 of")
    assert server.serve("mini.zip", body) == url
    assert len(list(download.download_mini(cache, url=url).rglob("*.wav"))) == 80


@pytest.mark.parametrize("code", [404, 500, 403])
@pytest.mark.parametrize("which", [download.download_mini, download.download_full])
def test_an_http_error_is_told(server: Server, cache: Path, code: int, which: Callable[..., Path]) -> None:
    url = server.reply("a", lambda handler: send(handler, b"no", 2, code))
    refused(lambda: which(cache, url=url), cache, url, str(code))


def close_at_once(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


def close_in_the_body(handler: BaseHTTPRequestHandler) -> None:
    send(handler, zipped(words(f"{MINI}/"))[:500], None)  # without a length only the archive itself shows it


def close_in_a_chunk(handler: BaseHTTPRequestHandler) -> None:
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"1000\r\nPK\x03\x04")
    handler.close_connection = True


def no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


@pytest.mark.parametrize("reply", [close_at_once, close_in_the_body, close_in_a_chunk, no_http])
def test_a_broken_connection_is_told(server: Server, cache: Path, reply: Reply) -> None:
    url = server.reply("a", reply)
    refused(lambda: download.download_mini(cache, url=url), cache)
    refused(lambda: download.download_full(cache, url=url, sha256=None), cache)


def test_a_server_that_stalls_is_given_up(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "STALL_SECONDS", 0.2)

    def stall(handler: BaseHTTPRequestHandler) -> None:
        send(handler, b"PK", 100)
        time.sleep(1.5)

    url = server.reply("a", stall)
    refused(lambda: download.download_mini(cache, url=url), cache, url)


def test_nobody_listens(cache: Path) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        url = f"http://127.0.0.1:{closed.server_address[1]}/a"
    refused(lambda: download.download_mini(cache, url=url), cache, url)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a"])
def test_only_http(cache: Path, url: str) -> None:
    refused(lambda: download.download_mini(cache, url=url), cache, "only http and https")


def test_wrong_bytes(server: Server, cache: Path) -> None:
    url = server.serve("a", b"<html>please log in to the hotel's network</html>" * 100)
    refused(lambda: download.download_mini(cache, url=url), cache, "damaged")
    refused(lambda: download.download_full(cache, url=url, sha256=None), cache, "damaged")
    refused(lambda: download.download_full(cache, url=url), cache, "not what was published")


def test_an_archive_of_something_else(server: Server, cache: Path) -> None:
    url = server.serve("a", zipped({"photos/a.jpg": b"jpg", f"{MINI}/README.md": b""}))
    refused(lambda: download.download_mini(cache, url=url), cache, "holds no recordings")
    url = server.serve("b", tarred({"photos/a.jpg": b"jpg"}))
    refused(lambda: download.download_full(cache, url=url, sha256=None), cache, "holds no recordings")


def test_a_flipped_byte_or_a_cut_is_never_unpacked_wrongly(server: Server, cache: Path) -> None:
    """Damage is refused, or it did no harm: every recording is the one that was packed."""
    generator = fresh("damage")
    members = words("")
    zip_body = zipped({f"{MINI}/{name}": content for name, content in members.items()})
    tar_body = tarred({f"./{name}": content for name, content in members.items()})
    refusals = 0
    for i in range(16):
        body = bytearray(zip_body if i % 2 else tar_body)
        position = int(generator.integers(0, len(body)))
        if i % 4 < 2:
            body = body[: max(1, position)]
        else:
            body[position] ^= int(generator.integers(1, 256))
        url, target = server.serve("a", bytes(body)), cache / str(i)
        try:
            if i % 2:
                folder = download.download_mini(target, url=url)
            else:
                folder = download.download_full(target, url=url, sha256=None)
        except DataError:
            refusals += 1
            assert not list(target.iterdir())
            continue
        for path in folder.rglob("*.wav"):
            assert path.read_bytes() in members.values()
    assert refusals >= 8


@pytest.mark.parametrize(("byte", "bit"), [(6, 6), (8, 5), (8, 6)])
def test_a_zip_that_seems_to_want_what_python_cannot(byte: int, bit: int, server: Server, cache: Path) -> None:
    """A newer version, a patch, strong encryption: said in the central directory."""
    body = bytearray(zipped({f"{MINI}/{name}": content for name, content in words("").items()}))
    body[body.index(b"PK\x01\x02") + byte] ^= 1 << bit
    with pytest.raises(DataError, match=r"the archive of .* is damaged"):
        download.download_mini(cache, url=server.serve("a", bytes(body)))


def zip_link(archive: zipfile.ZipFile) -> None:
    link = zipfile.ZipInfo(f"{MINI}/yes/link.wav")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(link, "/etc/passwd")


def zip_encrypted(body: bytes) -> bytes:
    """Set the encryption flag of every member, in the local headers and in the directory."""
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        parts = body.split(signature)
        body = signature.join([parts[0], *(_with_bit(part, offset - 4) for part in parts[1:])])
    return body


def _with_bit(part: bytes, offset: int) -> bytes:
    return part[:offset] + bytes([part[offset] | 1]) + part[offset + 1 :]


OUTSIDE = ["../evil.wav", "/tmp/pqk-evil.wav", f"{MINI}/../../evil.wav", f"{MINI}\\..\\evil.wav", "C:/evil.wav"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_members_that_lead_outside_are_refused(server: Server, cache: Path, name: str) -> None:
    url = server.serve("a", zipped(words(f"{MINI}/") | {name: b"evil"}))
    refused(lambda: download.download_mini(cache, url=url), cache, "outside its folder", repr(name))
    url = server.serve("b", tarred(words("./") | {name: b"evil"}))
    refused(lambda: download.download_full(cache, url=url, sha256=None), cache, "outside its folder", repr(name))
    assert not Path("/tmp/pqk-evil.wav").exists()


def tar_member(kind: bytes, target: str = "", then: str = "") -> Callable[[tarfile.TarFile], None]:
    def add(archive: tarfile.TarFile) -> None:
        member = tarfile.TarInfo("./yes/link")
        member.type, member.linkname = kind, target
        archive.addfile(member)
        if then:
            behind = tarfile.TarInfo(then)
            behind.size = 4
            archive.addfile(behind, io.BytesIO(b"evil"))

    return add


@pytest.mark.parametrize(
    "member",
    [
        tar_member(tarfile.SYMTYPE, "/etc", "./yes/link/evil.wav"),
        tar_member(tarfile.SYMTYPE, "../../.."),
        tar_member(tarfile.LNKTYPE, "/etc/passwd"),
        tar_member(tarfile.CHRTYPE),
        tar_member(tarfile.FIFOTYPE),
    ],
    ids=["symlink and a file behind it", "symlink", "hard link", "device", "fifo"],
)
def test_tar_members_that_are_no_files_are_refused(
    server: Server, cache: Path, member: Callable[[tarfile.TarFile], None]
) -> None:
    url = server.serve("a", tarred(words("./"), member))
    refused(
        lambda: download.download_full(cache, url=url, sha256=None), cache, "neither a file nor a folder", "yes/link"
    )


def test_zip_members_that_are_no_files_are_refused(server: Server, cache: Path) -> None:
    url = server.serve("a", zipped(words(f"{MINI}/"), zip_link))
    refused(lambda: download.download_mini(cache, url=url), cache, "neither a file nor a folder", "link.wav")
    url = server.serve("b", zip_encrypted(zipped(words(f"{MINI}/"))))
    refused(lambda: download.download_mini(cache, url=url), cache, "neither a file nor a folder")


@pytest.mark.parametrize("limit", ["MOST_BYTES", "MOST_MEMBERS"])
def test_bombs_are_refused(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(download, limit, {"MOST_BYTES": 8_000_000, "MOST_MEMBERS": 60}[limit])
    bomb = {"big.wav": bytes(9_000_000)} if limit == "MOST_BYTES" else {}
    url = server.serve("a", zipped(words(f"{MINI}/") | {f"{MINI}/{name}": big for name, big in bomb.items()}))
    refused(lambda: download.download_mini(cache, url=url), cache, "unpacks to more than")
    url = server.serve("b", tarred(words("./") | bomb))
    refused(lambda: download.download_full(cache, url=url, sha256=None), cache, "unpacks to more than")


def test_a_zip_that_lies_about_its_sizes(server: Server, cache: Path) -> None:
    """The directory says 10 bytes, the stream holds 9 MB: no more than what was said is ever written."""
    body = zipped({f"{MINI}/yes/big.wav": bytes(9_000_000)})
    real, said = (9_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    assert body.count(real) == 2
    url = server.serve("a", body.replace(real, said))
    refused(lambda: download.download_mini(cache, url=url), cache, "damaged")


def test_a_transfer_without_end_is_given_up(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MOST_BYTES", 5_000_000)
    url = server.reply("a", lambda handler: send(handler, bytes(20_000_000), None))
    refused(lambda: download.download_mini(cache, url=url), cache, "larger than")
    url = server.reply("b", lambda handler: send(handler, b"", 10**12))
    refused(lambda: download.download_mini(cache, url=url), cache, "larger than")


def test_an_interruption_leaves_nothing(server: Server, cache: Path) -> None:
    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    url = server.serve("a", zipped(words(f"{MINI}/")))
    with pytest.raises(KeyboardInterrupt):
        download.download_mini(cache, url=url, progress=interrupt)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    url = server.serve("a", zipped(words(f"{MINI}/")))
    refused(lambda: download.download_mini(tmp_path / "file", url=url), tmp_path / "file", str(tmp_path / "file"))
