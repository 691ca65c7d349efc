"""Audio through front end, network and decision on the emulated boards, against the reference in Python."""

import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen import spotter as reference
from pqk_codegen.decision import Settings, scale_of
from pqk_codegen.frontend import FrontEnd, FrontEndSpec
from pqk_codegen.generate import generate
from pqk_codegen.generate_spotter import audio_files, needs
from pqk_codegen.ir import Network
from pqk_codegen.plan import Plan, plan
from support import seeds, spotting
from support.spotting import CLASSES, KEYWORDS

from pqk import boards, firmware, runners
from pqk.boards import Board
from pqk.device import Device
from pqk.firmware import BuildResult

LOG_MEL = FrontEndSpec(samples=8000)
MFCC = FrontEndSpec(kind="mfcc", window=640, hop=320, bands=40, coefficients=10, center=False)
"""MLPerf Tiny's 49 x 10."""


def stream(rng: np.random.Generator) -> np.ndarray:
    """int16 [samples] of recordings one after the other."""
    return spotting.recordings(rng, 8, 4000).ravel()


def detections(
    network: Network, front_end: FrontEnd, settings: Settings, samples: np.ndarray
) -> list[reference.Detection]:
    """As the reference has them."""
    count = reference.inferences_in(front_end, len(samples), settings.stride)
    inferences = reference.infer(network, front_end, reference.reader(samples), stride=settings.stride, count=count)
    return reference.decide(inferences, scale_of(network.tensors[network.output].scale), KEYWORDS, settings)


@dataclass(frozen=True)
class Flashed:
    board: Board
    network: Network
    plan: Plan
    front_end: FrontEnd
    settings: Settings
    build_id: str
    built: BuildResult
    folder: Path


@pytest.fixture(
    scope="module",
    params=[("mps2-an386", LOG_MEL), ("microbit", MFCC), ("mps3-an547", MFCC)],
    ids=lambda param: param[0],
)
def flashed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Flashed:
    name, spec = request.param
    rng = seeds.fresh("network")
    board, folder, front_end = boards.load(name), tmp_path_factory.mktemp(name), FrontEnd(spec)
    inputs = front_end.features(spotting.recordings(rng, 60, spec.samples))
    settings = Settings((4000,) * len(CLASSES), 2, 5, 4 * spec.hop)
    network = seeds.until(
        lambda: spotting.random_network(rng, front_end, inputs=inputs),
        lambda network: detections(network, front_end, settings, stream(rng)),
    )
    planned = plan(network, board.cpu)
    build_id = generate(planned, folder / "generated", audio=audio_files(spec, spotting.spec(settings), network))
    built = firmware.compile_firmware(board, folder / "generated", folder / "firmware")
    runners.flash(board, built.elf, folder, expected_build=build_id)
    return Flashed(board, network, planned, front_end, settings, build_id, built, folder)


@pytest.fixture
def device(flashed: Flashed) -> Iterator[Device]:
    with runners.connect(flashed.board, flashed.folder, expected_build=flashed.build_id) as opened:
        yield opened


def test_clips(flashed: Flashed, device: Device) -> None:
    clips = spotting.recordings(seeds.fresh("clips"), 4, flashed.front_end.spec.samples)
    clips[-1] = 0
    inputs = flashed.front_end.features(clips)
    logits = interpreter.logits(flashed.network, inputs)
    for clip, encoded, expected in zip(clips, inputs, logits, strict=True):
        inference = device.infer_audio(clip)
        assert inference.input_crc == binascii.crc32(encoded.tobytes())
        assert inference.logits == tuple(expected)
        assert inference.front_end_ticks > 0
    assert device.resets == 0


def test_a_stream(flashed: Flashed, device: Device) -> None:
    rng = seeds.fresh("stream")
    heard = partial(detections, flashed.network, flashed.front_end, flashed.settings)
    samples = seeds.until(lambda: stream(rng), heard)
    device.stream_begin()
    found = []
    for piece in spotting.cut(rng, samples, 2500):
        found += device.stream_push(piece).detections
    assert found == heard(samples)
    count = reference.inferences_in(flashed.front_end, len(samples), flashed.settings.stride)
    assert device.stream_push(np.zeros(0, np.int16)).inferences == count
    assert device.stats().stack_high_water < flashed.board.memory.stack


def test_what_is_needed_is_known_before(flashed: Flashed, tmp_path: Path) -> None:
    generate(flashed.plan, tmp_path / "generated")
    silent = firmware.compile_firmware(flashed.board, tmp_path / "generated", tmp_path / "firmware")
    expected = needs(flashed.front_end.spec, flashed.network, flashed.plan.arena)
    firmware.check_fit(flashed.board, expected.flash, {**expected.ram, "arena": flashed.plan.arena})
    flash = flashed.built.flash.total - silent.flash.total
    ram = flashed.built.ram.total - silent.ram.total
    print(f"{flashed.board.name}: audio costs {flash} bytes of flash and {ram} of RAM", expected)
    assert 0.5 * sum(expected.flash.values()) < flash <= sum(expected.flash.values())
    assert 0.75 * sum(expected.ram.values()) < ram <= sum(expected.ram.values())
