"""`listen`: what goes to the device and what comes out, at which pace, and what is kept."""

import io
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from pqk_codegen.decision import NEVER, ONE, Detection, Settings
from support import seeds, streaming
from support.simulated import Clock

from pqk import cli, listen, runners
from pqk.device import StreamReply
from pqk.errors import DataError, ProjectError, ToolError
from pqk.frontend import RATE
from pqk.listen import Keeper, Lines, Wishes, wished
from pqk.sources import BLOCK
from pqk.sources.file import AudioFile
from pqk.sources.microphone import Microphone
from pqk.sources.raw import RawAudio

OUTPUTS = ("yes", "no", None, None)
SETTINGS = Settings((100, 200, NEVER, NEVER), 3, 5, 8000)


class Shown:
    """A display that remembers."""

    def __init__(self) -> None:
        self.levels: list[tuple[float, int]] = []
        self.detections: list[tuple[Detection, Path | None]] = []

    def level(self, seconds: float, peak: int) -> None:
        self.levels.append((seconds, peak))

    def detection(self, found: Detection, kept: Path | None) -> None:
        self.detections.append((found, kept))


class Blocks:
    """A source of given blocks."""

    title, live, missed = "blocks", False, 0

    def __init__(self, pcm: np.ndarray, interrupted_at: int | None = None) -> None:
        self.pcm, self.interrupted_at = pcm, interrupted_at

    def blocks(self):  # type: ignore[no-untyped-def]
        for start in range(0, len(self.pcm), BLOCK):
            if start == self.interrupted_at:
                raise KeyboardInterrupt
            yield self.pcm[start : start + BLOCK]


def audio(rng: np.random.Generator, seconds: float) -> np.ndarray:
    return rng.normal(0, 3000, int(seconds * RATE)).astype(np.int16)


def test_all_audio_goes_to_the_device_and_detections_are_shown() -> None:
    rng = seeds.fresh("listen")
    device, shown, pcm = streaming.ReferenceDevice(streaming.network(rng)), Shown(), audio(rng, 4.05)
    device.set_settings(Settings((1, 1, NEVER, NEVER), 1, 5, 4000))
    summary = listen.listen(device, Blocks(pcm), shown, fast=True)
    assert np.array_equal(device.pcm, pcm)
    assert len(shown.levels) == 41
    assert shown.levels[-1] == (4.05, int(np.abs(pcm[-800:].astype(int)).max()))
    assert len(shown.detections) == summary.detections > 5
    assert summary.seconds == 4.05
    assert not summary.interrupted


def test_a_file_is_sent_at_the_pace_at_which_it_was_spoken() -> None:
    rng, clock, slept = seeds.fresh("pace"), Clock(), []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.now += seconds

    device = streaming.ReferenceDevice(streaming.network(rng))
    summary = listen.listen(device, Blocks(audio(rng, 3)), Shown(), clock=clock, sleep=sleep)
    assert clock.now == pytest.approx(3)
    assert summary.missed == 0
    assert "1 times real time" in summary.line()
    slept.clear()
    fast = listen.listen(device, Blocks(audio(rng, 3)), Shown(), fast=True, clock=clock, sleep=sleep)
    assert slept == []
    assert fast.wall_s == 0


def test_a_device_that_is_too_slow_is_told_of() -> None:
    rng, clock = seeds.fresh("slow"), Clock()

    class Slow(streaming.ReferenceDevice):
        def stream_push(self, samples: np.ndarray) -> StreamReply:
            clock.now += 0.2  # for 0.1 s of audio
            return super().stream_push(samples)

    device = Slow(streaming.network(rng))
    summary = listen.listen(device, Blocks(audio(rng, 3)), Shown(), clock=clock, sleep=lambda _: None)
    # block n is ready at 0.1 (n + 1) and sent at 0.1 + 0.2 n: later than a second from the 12th on
    assert summary.missed == pytest.approx(30 - 11, abs=1)
    assert "0.5 times real time" in summary.line()


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    rng = seeds.fresh("interrupt")
    device, shown = streaming.ReferenceDevice(streaming.network(rng)), Shown()
    device.set_settings(Settings((1, 1, NEVER, NEVER), 1, 5, 4000))
    keep = Keeper(tmp_path, streaming.CLASSES, "s")
    summary = listen.listen(device, Blocks(audio(rng, 4), interrupted_at=2 * RATE), shown, fast=True, keep=keep)
    assert summary.interrupted
    assert summary.seconds == 2
    assert all(path is not None and path.is_file() for _, path in shown.detections)
    assert shown.detections


def test_what_was_heard_around_detections_is_kept(tmp_path: Path) -> None:
    rng = seeds.fresh("keep")
    pcm = audio(rng, 12)
    stamps = sorted({int(value) for value in rng.integers(100, len(pcm), 12)} | {len(pcm), 5000})
    keeper, paths = Keeper(tmp_path / "kept", ("a/b", "ja"), "now"), []
    sizes = []
    for start in range(0, len(pcm), BLOCK):
        block = pcm[start : start + BLOCK]
        inside = [Detection(s % 2, ONE, s) for s in stamps if start < s <= start + len(block)]
        paths += keeper.heard(block, inside)
        sizes.append(sum(map(len, keeper._recent)))
    assert max(sizes) < 3 * RATE  # what is kept in memory does not grow
    keeper.finish()
    for path, stamp in zip(paths, stamps, strict=True):
        kept, rate = soundfile.read(path, dtype="int16")
        assert rate == RATE
        assert np.array_equal(kept, pcm[max(0, stamp - 24_000) : stamp + 8_000])
    assert sorted(tmp_path.joinpath("kept").iterdir()) == sorted(paths)
    assert {path.name.split("-")[2] for path in paths} <= {"a_b", "ja"}


def test_wishes() -> None:
    assert wished(SETTINGS, Wishes(), OUTPUTS, 320) == SETTINGS
    changed = wished(SETTINGS, Wishes({"": 0.5}, 400, 200, 250), OUTPUTS, 320)
    assert changed == Settings((16384, 16384, NEVER, NEVER), 2, 10, 4000)
    assert wished(SETTINGS, Wishes(hop_ms=20), OUTPUTS, 320).smoothing == 15  # still 300 ms
    assert wished(SETTINGS, Wishes(smoothing_ms=0), OUTPUTS, 320).smoothing == 1
    for wrong, message in (
        (Wishes(hop_ms=50), "50 ms .* whole frames of 20 ms"),
        (Wishes(smoothing_ms=3300), "3300 ms are 33 inferences 100 ms apart"),
        (Wishes(hop_ms=320 * 70_000 / 16), "stride = 70000"),
        (Wishes(refractory_ms=1e9), "refractory = 16000000000"),
    ):
        with pytest.raises(ProjectError, match=message) as caught:
            wished(SETTINGS, wrong, OUTPUTS, 320)
        assert caught.value.hint


def test_thresholds_of_single_words() -> None:
    found = listen.thresholds(["0.25", "no=1", "no=0.5"], ("yes", "no"))
    assert wished(SETTINGS, Wishes(found), OUTPUTS, 320).thresholds == (8192, 16384, NEVER, NEVER)
    only = listen.thresholds(["no=0"], ("yes", "no"))
    assert wished(SETTINGS, Wishes(only), OUTPUTS, 320).thresholds == (100, 0, NEVER, NEVER)
    assert listen.thresholds(["a=b=0.5"], ("a=b",)) == {"a=b": 0.5}
    for text in ("", "x", "yes=", "1.5", "-0.1", "nan", "yes=2"):
        with pytest.raises(ProjectError, match="is not a threshold"):
            listen.thresholds([text], ("yes", "no"))
    for text in ("Yes=0.5", "=0.5"):
        with pytest.raises(ProjectError, match="is not a word of this project") as caught:
            listen.thresholds([text], ("yes", "no"))
        assert "yes, no" in caught.value.hint


def test_settings_in_words() -> None:
    assert listen.told(SETTINGS, OUTPUTS, 320) == (
        "an inference every 100 ms, averaged over 300 ms; threshold yes 0.003052, no 0.006104; 500 ms of rest"
    )
    assert "; threshold 0.5; " in listen.told(Settings((16384, 16384, 1, 1), 1, 1, 0), OUTPUTS, 320)
    assert "; threshold never; " in listen.told(Settings((NEVER, NEVER, 1, 1), 1, 1, 0), OUTPUTS, 320)


def test_lines_with_and_without_a_terminal() -> None:
    for meter in (True, False):
        text = io.StringIO()
        lines = Lines(text.write, ("yes", "no"), meter=meter)
        lines.level(0.1, 3277)
        lines.detection(Detection(1, ONE // 2, 61 * RATE), Path("kept.wav"))
        lines.level(0.2, ONE)
        lines.clear()
        shown = text.getvalue()
        assert "   1:01.00  no  0.500  kept.wav\n" in shown
        assert ("\r" in shown, "-20.0 dB" in shown, "clipped" in shown, "\x1b[K" in shown) == (meter,) * 4


def test_the_meter_shows_the_level() -> None:
    assert listen.meter(ONE).startswith("[" + "#" * 30 + "]    0.0 dB clipped")
    assert listen.meter(ONE // 32).count("#") == 15  # -30 of -60 dB
    assert listen.meter(0).count("#") == 0


def test_raw_audio() -> None:
    rng = seeds.fresh("raw")
    pcm = audio(rng, 1.03)
    blocks = list(RawAudio(io.BytesIO(pcm.astype("<i2").tobytes())).blocks())
    assert [len(block) for block in blocks] == [1600] * 10 + [480]
    assert np.array_equal(np.concatenate(blocks), pcm)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "standard input is empty"), (b"RIFF1234", "is a WAV file"), (b"abc", "in the middle of a sample")],
)
def test_raw_audio_that_is_none(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        list(RawAudio(io.BytesIO(data)).blocks())
    assert "arecord" in caught.value.hint


class FakeSounddevice(types.ModuleType):
    """As much of sounddevice as is used."""

    class PortAudioError(Exception):
        pass

    def __init__(self, fails: bool = False) -> None:
        super().__init__("sounddevice")
        self.fails, self.closed = fails, False

    def RawInputStream(self, **options):  # type: ignore[no-untyped-def]
        if self.fails:
            raise self.PortAudioError("Invalid sample rate")
        self.options = options
        return self

    def start(self) -> None:
        for value, overflow in ((1, False), (2, True)):
            data = np.full(BLOCK, value, np.int16).tobytes()
            self.options["callback"](memoryview(data), BLOCK, None, types.SimpleNamespace(input_overflow=overflow))

    def close(self) -> None:
        self.closed = True


def test_the_microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSounddevice()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    with Microphone() as microphone:
        blocks = microphone.blocks()
        assert [int(next(blocks)[0]), int(next(blocks)[-1])] == [1, 2]
        assert microphone.missed == 1
        for _ in range(60):
            fake.start()
        assert microphone.missed == 1 + 60 + 120 - 50
    assert fake.closed
    assert (fake.options["samplerate"], fake.options["channels"], fake.options["dtype"]) == (RATE, 1, "int16")


def test_no_microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ToolError, match="Python package sounddevice") as caught:
        Microphone()
    assert "pip install sounddevice" in caught.value.hint
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSounddevice(fails=True))
    with pytest.raises(ToolError, match="no microphone can be opened at 16000 Hz: Invalid sample rate"):
        Microphone()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    network = streaming.network(seeds.fresh("project"))
    folder = tmp_path_factory.mktemp("listen") / "demo"
    streaming.built_project(folder, network)
    return folder, network


def command(root, monkeypatch: pytest.MonkeyPatch, *arguments: str, data: bytes = b""):  # type: ignore[no-untyped-def]
    folder, network = root
    device = streaming.ReferenceDevice(network)
    monkeypatch.setattr(runners, "connect", lambda *_, **__: streaming.connecting(device))
    result = CliRunner().invoke(cli.cli, ["--project", str(folder), "listen", *arguments], input=data)
    return result, device


def test_the_command_on_a_file(root, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pcm = audio(seeds.fresh("file"), 3)
    soundfile.write(tmp_path / "a.wav", pcm, RATE)
    options = [
        "--fast",
        "--threshold",
        "0",
        "--threshold",
        "no=0.25",
        "--hop-ms",
        "200",
        "--refractory-ms",
        "0",
        "--record",
        str(tmp_path / "k"),
    ]
    result, device = command(root, monkeypatch, str(tmp_path / "a.wav"), *options)
    assert result.exception is None, result.output
    assert device.in_force == Settings((0, ONE // 4, ONE // 2, ONE // 2), 1, 10, 0)
    assert "threshold yes 0, no 0.25; 0 ms of rest" in result.output
    assert np.array_equal(device.pcm, pcm)
    inferences = (3 * RATE - 16240) // 3200 + 1
    assert f"heard 3.0 s, {inferences} detections; " in result.output
    assert "0 missed buffers" in result.output
    assert "\r" not in result.output
    assert len(list((tmp_path / "k").iterdir())) == inferences


def test_the_command_on_standard_input(root, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    pcm = audio(seeds.fresh("stdin"), 1.5)
    result, device = command(root, monkeypatch, "-", data=pcm.astype("<i2").tobytes())
    assert result.exception is None, result.output
    assert np.array_equal(device.pcm, pcm)
    assert device.in_force == Settings((ONE // 2,) * 4, 1, 5, 8000)  # nothing was wished


def test_the_command_refuses_other_rates(root, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    soundfile.write(tmp_path / "a.wav", np.zeros(100, np.int16), 48_000)
    result, device = command(root, monkeypatch, str(tmp_path / "a.wav"))
    assert isinstance(result.exception, DataError)
    assert "48000 Hz" in result.exception.message
    assert device.pushed == []


def test_a_file_is_a_source(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.arange(3000, dtype=np.int16), RATE)
    with AudioFile(tmp_path / "a.flac") as source:
        assert [len(block) for block in source.blocks()] == [1600, 1400]
        assert source.title == str(tmp_path / "a.flac")
