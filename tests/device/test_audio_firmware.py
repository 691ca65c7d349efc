"""Audio in, detections out, on the emulated boards: a random network behind the stand-in front end, over serial."""

import binascii
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen.decision import Settings
from pqk_codegen.frontend.spec import RATE
from pqk_codegen.generate import generate
from pqk_codegen.generate_spotter import generate_spotter
from pqk_codegen.ir import Network
from pqk_codegen.plan import Plan, plan
from support import seeds, spotting
from support.device import exchange
from support.spotting import CLASSES, Model, StandIn

from pqk import boards, firmware, protocol, runners
from pqk.boards import Board
from pqk.device import Device
from pqk.errors import LinkError
from pqk.firmware import BuildResult
from pqk.protocol import ErrorCode, Frame, Type, encode

FRONT_END = StandIn(window=480, hop=160, frames=12, features=10, center=True)
AUDIO_FLASH = 4096
"""More than audio costs beyond the network, the front end aside: see test_what_audio_costs."""


@dataclass(frozen=True)
class Flashed:
    board: Board
    network: Network
    plan: Plan
    settings: Settings
    build_id: str
    built: BuildResult
    folder: Path

    def model(self, settings: Settings | None = None) -> Model:
        return Model(self.network, FRONT_END, settings or self.settings)


@pytest.fixture(scope="module", params=["mps2-an386", "microbit"])
def flashed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Flashed:
    rng = seeds.fresh("network")
    board, folder = boards.load(request.param), tmp_path_factory.mktemp(request.param)
    network, settings = spotting.random_network(rng, FRONT_END), spotting.random_settings(rng, FRONT_END)
    planned = plan(network, board.cpu)
    files = generate_spotter(spotting.spec(settings), network) | FRONT_END.files()
    build_id = generate(planned, folder / "generated", audio=files)
    built = firmware.compile_firmware(board, folder / "generated", folder / "firmware")
    runners.flash(board, built.elf, folder, expected_build=build_id)
    return Flashed(board, network, planned, settings, build_id, built, folder)


@pytest.fixture
def device(flashed: Flashed) -> Iterator[Device]:
    with runners.connect(flashed.board, flashed.folder, expected_build=flashed.build_id) as opened:
        yield opened


def audio(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(-(2**15), 2**15, count).astype(np.int16)


def push_all(device: Device, rng: np.random.Generator, samples: np.ndarray) -> list[tuple[int, int, int]]:
    """What is detected in the samples, pushed in pieces of random sizes."""
    found = []
    for piece in spotting.cut(rng, samples, 3000):
        found += device.stream_push(piece).detections
    return [(one.word, one.score, one.samples) for one in found]


def test_hello(flashed: Flashed, device: Device) -> None:
    assert (device.facts.clip_samples, device.facts.sample_rate) == (FRONT_END.clip_samples, RATE)
    assert device.facts.hop == FRONT_END.hop
    assert (device.facts.flash, device.facts.ram) == (flashed.built.flash.total, flashed.built.ram.total)


def test_clips(flashed: Flashed, device: Device) -> None:
    rng = seeds.fresh("clips")
    for _ in range(3):
        samples = audio(rng, FRONT_END.clip_samples)
        encoded = FRONT_END.encode(FRONT_END.energies(samples[None]))
        heard, sent = device.infer_audio(samples), device.infer(encoded)
        assert heard.logits == sent.logits == tuple(interpreter.logits(flashed.network, encoded)[0])
        assert heard.input_crc == sent.input_crc == binascii.crc32(encoded.tobytes())
        # Every sample is multiplied for every feature of two or three frames, which takes some instructions.
        work = FRONT_END.frames * FRONT_END.window * FRONT_END.features
        assert 2 * work < heard.front_end_ticks * flashed.board.timer.units_per_tick < 80 * work
        assert sent.front_end_ticks == 0
        assert sum(heard.layer_ticks) < heard.ticks
        assert len(heard.layer_ticks) == len(flashed.plan.layers)


def test_a_stream(flashed: Flashed, device: Device) -> None:
    rng = seeds.fresh("stream")
    samples = seeds.until(lambda: audio(rng, 20_000), lambda samples: flashed.model().push(samples).detections)
    model = flashed.model().push(samples)
    device.stream_begin()
    assert push_all(device, rng, samples) == model.detections
    last = device.stream_push(np.array([-32768], np.int16))
    assert (last.samples, last.frames, last.inferences) == (20_001, len(model.rows), model.inferences)
    assert last.peak == 32768
    assert last.front_end_ticks > 0
    assert last.network_ticks > 0
    # A stream begun again is as if there had been none.
    device.stream_begin()
    assert push_all(device, rng, samples) == model.detections


def test_one_sample_at_a_time(flashed: Flashed, device: Device) -> None:
    samples = audio(seeds.fresh("single"), 20 * FRONT_END.hop)
    eager = replace(flashed.settings, stride=1, thresholds=(0,) * len(CLASSES), refractory=0)
    model = flashed.model(eager)
    model.push(samples)
    assert device.set_settings(eager) == eager
    device.stream_begin()
    found, at = [], 0
    # Alone where frames end, in larger pieces between.
    while at < len(samples):
        size = 1 if (at + FRONT_END.window // 2) % FRONT_END.hop in (0, 1, FRONT_END.hop - 1) else 39
        found += device.stream_push(samples[at : at + size]).detections
        at += size
    assert [(one.word, one.score, one.samples) for one in found] == model.detections
    assert len(found) > 5


def test_settings(flashed: Flashed, device: Device) -> None:
    rng = seeds.fresh("settings")
    assert device.settings() == flashed.settings
    device.stream_begin()
    model, found = flashed.model(), []
    for _ in range(3):
        samples = audio(rng, int(rng.integers(3000, 8000)))
        model.push(samples)
        found += push_all(device, rng, samples)
        changed = spotting.random_settings(rng, FRONT_END)
        model.set(changed)
        assert device.set_settings(changed) == changed
        assert device.settings() == changed
    assert found == model.detections


def test_a_wrong_position_is_noticed(flashed: Flashed, device: Device) -> None:
    device.stream_begin()
    device.stream_push(np.zeros(1000, np.int16))
    assert device._streamed is not None
    device._streamed = replace(device._streamed, samples=1002)
    with pytest.raises(LinkError, match="has missed a part of the stream"):
        device.stream_push(np.zeros(10, np.int16))
    payload = protocol.stream_payload(7, b"")
    requests = [Frame(Type.HELLO, 0), Frame(Type.STREAM, 1, protocol.stream_payload(0, b"", begins=True))]
    stream = b"".join(map(encode, [*requests, Frame(Type.STREAM, 2, payload)]))
    reply = exchange(flashed.board, flashed.folder, stream, 3)[-1]
    assert protocol.parse_error(reply.payload).code == ErrorCode.OFFSET


def test_stack(flashed: Flashed, device: Device) -> None:
    device.stream_begin()
    device.stream_push(audio(seeds.fresh("stack"), 4000))
    assert device.stats().stack_high_water < 0.75 * flashed.board.memory.stack


def test_what_audio_costs(flashed: Flashed, tmp_path: Path) -> None:
    """Beyond a firmware that takes features: flash of the code, RAM of samples, frames and history."""
    generate(flashed.plan, tmp_path / "generated")
    silent = firmware.compile_firmware(flashed.board, tmp_path / "generated", tmp_path / "firmware")
    flash = flashed.built.flash.total - silent.flash.total
    ram = flashed.built.ram.total - silent.ram.total
    print(f"{flashed.board.name}: audio costs {flash} bytes of flash and {ram} of RAM")
    assert 0 < flash < AUDIO_FLASH
    symbols = flashed.built.symbols
    listening = sum(symbols[name] for name in ("samples", "frames", "history", "queue"))
    print({name: size for name, size in symbols.items() if name not in silent.symbols or silent.symbols[name] != size})
    assert listening < ram < listening + 768
