"""What `eval --stream` and `listen` do with a device, on emulated boards: the real front end, a random network."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from pqk_codegen import decision, spotter
from pqk_codegen.decision import Detection, Settings
from pqk_codegen.generate import generate
from pqk_codegen.generate_spotter import audio_files
from pqk_codegen.ir import Network
from pqk_codegen.plan import plan
from support import seeds, spotting

from pqk import boards, firmware, listen, runners
from pqk.boards import Board
from pqk.device import Device
from pqk.frontend import RATE, FrontEnd, spec_of
from pqk.project import FrontEndConfig
from pqk.sources.file import AudioFile
from pqk.stream import device as on_device
from pqk.stream.words import Word

CONFIG = FrontEndConfig(bands=20)
SECONDS = 6


@dataclass(frozen=True)
class Flashed:
    board: Board
    network: Network
    settings: Settings
    build_id: str
    folder: Path


class Noise:
    """Bursts of noise of all loudnesses, a `Stream` without words."""

    words: tuple[Word, ...] = ()

    def __init__(self, rng: np.random.Generator, seconds: float) -> None:
        self.samples = int(seconds * RATE)
        loudness = np.repeat(10 ** rng.uniform(0, 4.5, self.samples // 800 + 1), 800)[: self.samples]
        self.pcm = np.clip(rng.standard_normal(self.samples) * loudness, -32768, 32767).astype(np.int16)
        self.read = spotter.reader(self.pcm)


@pytest.fixture(scope="module")
def flashed(tmp_path_factory: pytest.TempPathFactory) -> Flashed:
    rng, folder = seeds.fresh("network"), tmp_path_factory.mktemp("stream")
    board, front_end = boards.load("mps2-an386"), FrontEnd(CONFIG)
    clips = Noise(rng, 20).pcm.reshape(20, -1)
    network = spotting.random_network(rng, front_end, inputs=front_end.features(clips))
    settings = Settings((0,) * len(spotting.CLASSES), 2, 10, 3000)  # some word is detected whatever the network
    files = audio_files(spec_of(CONFIG), spotting.spec(settings), network)
    build_id = generate(plan(network, board.cpu), folder / "generated", audio=files)
    built = firmware.compile_firmware(board, folder / "generated", folder / "firmware")
    runners.flash(board, built.elf, folder, expected_build=build_id)
    return Flashed(board, network, settings, build_id, folder)


@pytest.fixture
def device(flashed: Flashed) -> Iterator[Device]:
    with runners.connect(flashed.board, flashed.folder, expected_build=flashed.build_id) as opened:
        yield opened


def inferred(flashed: Flashed, stream: Noise) -> spotter.Inferences:
    front_end = FrontEnd(CONFIG)
    count = spotter.inferences_in(front_end, stream.samples, flashed.settings.stride)
    return spotter.infer(flashed.network, front_end, stream.read, stride=flashed.settings.stride, count=count)


def scale(flashed: Flashed) -> decision.Scale:
    return decision.scale_of(flashed.network.tensors[flashed.network.output].scale)


def test_the_device_detects_what_the_reference_detects(flashed: Flashed, device: Device) -> None:
    stream = Noise(seeds.fresh("noise"), SECONDS)
    inferences = inferred(flashed, stream)
    settings = flashed.settings
    parity = on_device.check(device, stream, inferences, scale(flashed), spotting.KEYWORDS, settings, SECONDS)
    assert (parity.different, parity.different_inferences) == (0, 0)
    assert parity.inferences == len(inferences.logits) == (SECONDS * RATE - 16_240) // 1600 + 1
    assert device.settings() == settings
    heard = spotter.decide(inferences, scale(flashed), spotting.KEYWORDS, settings)
    assert parity.detections == len(heard) > 0


def test_costs_follow_the_hop(flashed: Flashed, device: Device) -> None:
    stream = Noise(seeds.fresh("noise"), 4)
    connect = lambda _: nullcontext(device)  # noqa: E731  # this firmware infers at any hop
    units, hops = flashed.board.timer.units_per_tick, on_device.HOPS_MS
    rows = on_device.costs(connect, hops, stream, flashed.settings, CONFIG.hop_ms, units)
    assert [row["hop_ms"] for row in rows] == [10, 20, 50, 100, 250]
    for row in rows:
        assert row["inferences"] == pytest.approx(1000 / row["hop_ms"], abs=0.51)  # of two seconds
        assert row["front_end"] == pytest.approx(rows[0]["front_end"], rel=0.02)
        assert row["network"] > 1000 * row["inferences"]
    assert rows[0]["network"] > 5 * rows[3]["network"]


def test_listening_to_a_file(flashed: Flashed, device: Device, tmp_path: Path) -> None:
    stream = Noise(seeds.fresh("noise"), SECONDS)
    soundfile.write(tmp_path / "a.wav", stream.pcm, RATE)
    found: list[Detection] = []
    display = SimpleNamespace(level=lambda *_: None, detection=lambda item, _: found.append(item))
    with AudioFile(tmp_path / "a.wav") as source:
        summary = listen.listen(device, source, display, fast=True)
    heard = spotter.decide(inferred(flashed, stream), scale(flashed), spotting.KEYWORDS, flashed.settings)
    assert [(item.word, item.score, item.samples) for item in found] == [
        (item.word, item.score, item.samples) for item in heard
    ]
    assert summary.seconds == SECONDS
