"""What a second of audio costs on the emulated Cortex-M4 with everything in it, and that it hears what it should."""

from pathlib import Path

import numpy as np
from pqk_codegen import spotter as reference
from pqk_codegen.decision import Settings, scale_of
from pqk_codegen.frontend import FrontEnd, FrontEndSpec
from pqk_codegen.generate import generate
from pqk_codegen.generate_spotter import SpotterSpec, audio_files
from pqk_codegen.ir import Network
from pqk_codegen.plan import plan
from pqk_codegen.reuse import reuse
from pqk_codegen.streaming import with_interior_mean
from support import seeds, spotting

from pqk import boards, firmware, runners
from pqk.bench.networks import res8_narrow
from pqk.device import StreamReply

HOP = 10  # frames
SECONDS = 3
BUDGET = 5_000_000  # instructions for a second of audio
BOARD = boards.load("mps2-an386")
FRONT_END = FrontEnd(FrontEndSpec())


def heard(network: Network, spec: SpotterSpec, audio: np.ndarray, folder: Path, *, reuses: bool) -> list[StreamReply]:
    """The replies to a stream, the last of them with all its ticks."""
    planned = plan(network, BOARD.cpu)
    chunk = reuse(planned, HOP) if reuses else None
    files = audio_files(FRONT_END.spec, spec, network)
    build_id = generate(planned, folder / "generated", audio=files, chunk=chunk)
    built = firmware.compile_firmware(BOARD, folder / "generated", folder / "firmware")
    print("reuse" if reuses else "whole", built.flash, built.ram)
    runners.flash(BOARD, built.elf, folder, expected_build=build_id)
    with runners.connect(BOARD, folder, expected_build=build_id) as device:
        device.stream_begin()
        replies = [device.stream_push(piece) for piece in np.array_split(audio, 40)]
        assert device.stats().stack_high_water < BOARD.memory.stack
        return replies


def test_a_second_of_audio(tmp_path: Path) -> None:
    rng = seeds.fresh("audio")
    clips = spotting.recordings(rng, SECONDS + 3, 16_000)
    network = spotting.calibrated(rng, with_interior_mean(res8_narrow(0.9, 4)), FRONT_END.features(clips))
    keywords = tuple(not name.startswith("_") for name in network.classes)
    settings = Settings((0,) * len(keywords), 3, HOP, 0)  # every inference is a detection, of the likeliest word
    audio = clips[:SECONDS].ravel()
    whole = heard(network, SpotterSpec(keywords, settings), audio, tmp_path / "whole", reuses=False)
    found = heard(network, SpotterSpec(keywords, settings), audio, tmp_path / "reuse", reuses=True)
    detections = [detection for reply in found for detection in reply.detections]
    assert detections == [detection for reply in whole for detection in reply.detections]
    count = reference.inferences_in(FRONT_END, len(audio), HOP)
    assert found[-1].inferences == whole[-1].inferences == count
    inferences = reference.infer(network, FRONT_END, reference.reader(audio), stride=HOP, count=count)
    scale = scale_of(network.tensors[network.output].scale)
    assert detections == reference.decide(inferences, scale, keywords, settings) != []
    # The first window is whole after a second, but runs are due every hop from the start.
    ticks = [
        BOARD.timer.units_per_tick * value / SECONDS for value in (found[-1].front_end_ticks, found[-1].network_ticks)
    ]
    before = BOARD.timer.units_per_tick * whole[-1].network_ticks / count
    print(f"a second: front end {ticks[0]:,.0f}, network {ticks[1]:,.0f}; a whole window {before:,.0f} instructions")
    assert sum(ticks) < BUDGET
