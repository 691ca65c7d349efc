"""`eval --stream` from recordings to the record: what is measured, what is kept, what the device is asked."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pqk_codegen.decision import NEVER, ONE, Settings
from support import seeds, streaming
from support.simulated import DEFAULTS, Clock, SimulatedDevice, SimulatedLink

from pqk import boards, pipeline, tables
from pqk.device import Device, StreamReply
from pqk.errors import DataError, LinkError, ProjectError
from pqk.frontend import RATE, FrontEnd
from pqk.project import Project, StreamConfig
from pqk.protocol import FrameReader, Type, settings_payload
from pqk.stream import device as on_device
from pqk.stream import reference, run
from pqk.stream.mix import Mix, Recipe
from pqk.stream.settings import keywords_of, settings_of

BOARD = boards.load("mps2-an386")
EFFORT = run.Effort(hours=0.02, device_minutes=0.1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, object]:
    network = streaming.network(seeds.fresh("network"))
    return streaming.built_project(tmp_path_factory.mktemp("stream") / "demo", network), network


def measure(opened: Project, device: streaming.ReferenceDevice, effort: run.Effort = EFFORT):  # type: ignore[no-untyped-def]
    told: list[tuple[str, int, int]] = []
    built = pipeline.load_build(opened, BOARD.name)
    hardware = streaming.ReferenceHardware(opened, BOARD, built, None, device)
    return run.run(opened, built, effort, hardware, lambda *step: told.append(step)), told


def costs(opened: Project, device: streaming.ReferenceDevice) -> list[dict[str, Any]]:
    stream = Mix(pipeline.scan_data(opened, None), Recipe("testing", 10, None))
    connect = lambda _: streaming.connecting(device)  # noqa: E731
    return on_device.costs(connect, [20, 100], stream, streaming.settings(opened), 20, 1.0)


def test_a_whole_run(made) -> None:  # type: ignore[no-untyped-def]
    opened, network = made
    device = streaming.ReferenceDevice(network)
    record, told = measure(opened, device)
    assert json.loads((opened.build_dir / BOARD.name / "stream.json").read_text()) == record
    assert record["build_id"] == "cafe"
    assert [condition["name"] for condition in record["conditions"]] == ["clean", "10 dB"]
    for condition in record["conditions"]:
        assert condition["testing"]["seconds"] == condition["validation"]["seconds"] == 72
        assert [point["limit"] for point in condition["operating"]] == [1.0, 0.5]
        for point in condition["operating"]:
            assert point["validation"]["per_hour"] <= point["limit"]
            assert point["on_curve"]["per_hour"] <= point["limit"]
            assert len(point["thresholds"]) == 2
        assert condition["configured"]["words"] == condition["testing"]["words"] > 0
    parity = record["device"]["parity"]
    assert (parity["seconds"], parity["different"], parity["different_inferences"]) == (6, 0, 0)
    assert parity["inferences"] == (6 * RATE - 50 * 320 - 240) // 1600 + 1
    assert {what for what, _, _ in told} >= {"testing, clean", "validation, 10 dB", "on the device"}
    assert device.in_force == Settings((ONE // 2,) * 4, 1, 5, 8000)  # as it was before
    text = tables.streaming(record)
    assert "10 dB" in text
    assert "0.4 (pqk.toml)" in text


def test_costs_are_of_a_second_of_audio(made) -> None:  # type: ignore[no-untyped-def]
    opened, network = made
    record, _ = measure(opened, streaming.ReferenceDevice(network))
    unit = BOARD.timer.units_per_tick
    frames = round(50 * streaming.FRAME_TICKS * unit)
    assert [row["hop_ms"] for row in record["device"]["costs"]] == [20, 100]  # 10, 50, 250 are no whole frames of 20 ms
    for row, per_second in zip(record["device"]["costs"], (50, 10), strict=True):
        assert row["inferences"] == per_second
        assert row["network"] == round(per_second * streaming.INFERENCE_TICKS * unit)
        assert row["front_end"] == frames


def test_a_device_that_loses_a_detection_is_found_out(made) -> None:  # type: ignore[no-untyped-def]
    opened, network = made
    record, _ = measure(opened, streaming.ReferenceDevice(network, deaf_to=3))
    assert record["device"]["parity"]["different_inferences"] == 1
    assert "1 of" in tables.streaming(record)


def test_nothing_is_inferred_twice(made, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    opened, _ = made
    first, _ = measure(opened, None, run.Effort(0.02, 0))  # type: ignore[arg-type]
    assert first["device"] is None
    kept = sorted((opened.build_dir / BOARD.name / "stream").glob("*/logits-*.npy"))
    assert len(kept) == 8
    kept[0].unlink()
    kept[1].write_bytes(kept[1].read_bytes()[:-1])
    asked = []
    real = reference.spotter.infer
    monkeypatch.setattr(reference.spotter, "infer", lambda *a, **k: asked.append(k["count"]) or real(*a, **k))
    assert measure(opened, None, run.Effort(0.02, 0))[0] == first  # type: ignore[arg-type]
    assert sum(count > 0 for count in asked) == 2


def test_pieces_do_not_show(made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    opened, network = made
    stream = Mix(pipeline.scan_data(opened, None), Recipe("testing", 20, 10.0))
    front_end = FrontEnd(opened.front_end)
    whole = reference.inferences(stream, network, front_end, 5, tmp_path / "a")
    monkeypatch.setattr(reference, "PIECE", 7)
    parts = reference.inferences(stream, network, front_end, 5, tmp_path / "b")
    assert np.array_equal(whole.logits, parts.logits)
    assert np.array_equal(whole.samples, parts.samples)
    assert len(whole.logits) == (20 * RATE - 16240) // 1600 + 1


def test_a_recording_of_ones_own(made, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    opened, _ = made
    stream = Mix(pipeline.scan_data(opened, None), Recipe("testing", 30, None))
    soundfile.write(tmp_path / "own.flac", stream.read(0, stream.samples), RATE)
    rows = [f"{w.start / RATE:.6f}\t{w.end / RATE:.6f}\t{streaming.WORDS[w.word]}\n" for w in stream.words]
    (tmp_path / "own.txt").write_text("".join(rows))
    built = pipeline.load_build(opened, BOARD.name)
    record = run.run_recording(opened, built, tmp_path / "own.flac", tmp_path / "own.txt", lambda *_: None)
    found = run.load_spotter(opened, built)
    inferences = reference.inferences(stream, found.network, found.front_end, 5, tmp_path / "kept")
    scene = found.scene(stream, inferences)
    detections = scene.detections(found.settings.thresholds)
    assert [item["samples"] for item in record["detections"]] == [item.samples for item in detections]
    assert record["configured"]["hits"] == scene.score(found.settings.thresholds).hits
    assert (record["keywords"], record["words"]) == (list(streaming.WORDS), len(stream.words))
    assert (built.directory / "stream-own.json").is_file()
    assert "own.flac: 30 s" in tables.recording(record)
    with pytest.raises(DataError, match=r"no file|cannot be opened"):
        run.run_recording(opened, built, tmp_path / "none.wav", tmp_path / "own.txt", lambda *_: None)


def test_settings_of_a_project() -> None:
    config = StreamConfig(hop_ms=100, smoothing_ms=340, threshold=0.25, refractory_ms=750)
    found = settings_of(config, streaming.CLASSES, hop=320, rate=16000)
    assert found == Settings((8192, 8192, NEVER, NEVER), 3, 5, 12000)
    assert settings_of(StreamConfig(smoothing_ms=20), streaming.CLASSES, hop=320, rate=16000).smoothing == 1
    with pytest.raises(ProjectError, match=r"50 ms .* are not whole frames of 20 ms"):
        settings_of(StreamConfig(hop_ms=50), streaming.CLASSES, hop=320, rate=16000)
    assert keywords_of(("_silence_", "yes")) == (False, True)


def test_counters_that_wrap_around(made) -> None:  # type: ignore[no-untyped-def]
    opened, network = made
    plain = costs(opened, streaming.ReferenceDevice(network))

    class Wrapping(streaming.ReferenceDevice):
        def stream_push(self, samples: np.ndarray) -> StreamReply:
            reply = super().stream_push(samples)
            from dataclasses import replace

            return replace(reply, network_ticks=(reply.network_ticks + 2**32 - 70_000) % 2**32)

    assert costs(opened, Wrapping(network)) == plain


class Silent:
    """A stream without a sound."""

    def read(self, start: int, stop: int) -> np.ndarray:
        return np.zeros(stop - start, np.int16)


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), ValueError("of a defect")])
def test_settings_are_put_back_whatever_ends_it(problem: BaseException) -> None:
    """Of a device with a session, in which an interrupted request is left behind."""
    simulated, streamed = SimulatedDevice(), []

    def there(message: bytes) -> list[bytes]:
        streamed.extend(frame for frame in FrameReader().feed(message) if frame.type == Type.STREAM)
        if len(streamed) == 5:
            streamed.clear()
            raise problem
        return [message]

    clock = Clock()
    device = Device(SimulatedLink(simulated, clock, there), board="toy", port="line", baud=115200, clock=clock)
    chosen = Settings((0,) * 3, 1, 2, 0)  # every 20 ms
    with pytest.raises(type(problem)):
        on_device.costs(lambda _: nullcontext(device), [20], Silent(), chosen, 10, 1.0)  # type: ignore[arg-type]
    sent = [frame.payload for frame in simulated.requests if frame.type == Type.SETTINGS and frame.payload]
    assert sent == [settings_payload(chosen), DEFAULTS]
    assert simulated.settings == DEFAULTS


def test_a_device_that_is_gone_is_not_asked_to_put_them_back(made) -> None:  # type: ignore[no-untyped-def]
    opened, network = made

    class Gone(streaming.ReferenceDevice):
        def stream_push(self, _: np.ndarray) -> StreamReply:
            raise LinkError("the device is gone")

    device = Gone(network)
    with pytest.raises(LinkError, match="gone"):
        costs(opened, device)
    assert len(device.set) == 1
