"""A device's verbs over a line that loses, doubles and damages frames, to a device that resets, faults or is gone."""

import binascii
import struct
from collections.abc import Iterable

import numpy as np
import pytest
from pqk_codegen.decision import Detection, Settings
from support import seeds
from support.faulty import is_noticed
from support.simulated import (
    CLIP_SAMPLES,
    INPUT_BYTES,
    WRAPPED,
    Clock,
    Disturbance,
    SimulatedDevice,
    SimulatedLink,
    TimedLink,
    answer,
    undisturbed,
)

from pqk import device as verbs
from pqk.conversation import Request
from pqk.device import Device
from pqk.errors import LinkError, LinkLost
from pqk.protocol import REPLY, VERSION, Frame, Type, encode


def opened(
    simulated: SimulatedDevice,
    there: Disturbance = undisturbed,
    back: Disturbance = undisturbed,
    expected_build: str | None = None,
) -> Device:
    clock = Clock()
    link = SimulatedLink(simulated, clock, there, back)
    return Device(link, board="toy", port="line", baud=115200, expected_build=expected_build, clock=clock)


def clip(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (3, 50), dtype=np.uint8)


def disturbing(rng: np.random.Generator) -> Disturbance:
    """One message in twelve is lost, damaged, doubled, or comes with noise before or inside it.

    Were it one in four, eight attempts in a row would fail once in some runs of hundreds of clips.
    """

    def flipped(message: bytes) -> bytes:
        spoilt = bytearray(message)
        spoilt[int(rng.integers(len(spoilt)))] ^= 1 << int(rng.integers(8))
        return bytes(spoilt)

    def disturb(message: bytes) -> Iterable[bytes]:
        kind = rng.integers(0, 60)
        if kind == 0:
            return []
        if kind == 1:
            return [seeds.until(lambda: flipped(message), lambda spoilt: is_noticed(spoilt, message))]
        if kind == 2:
            return [message, message]
        if kind == 3:
            return [b"boot banner\r\n" + message]
        if kind == 4:
            half = len(message) // 2
            noisy = message[:half] + b"noise" + message[half:]
            return [noisy if is_noticed(noisy, message) else message]
        return [message]

    return disturb


def test_infer() -> None:
    simulated = SimulatedDevice()
    with opened(simulated, expected_build="cafe") as device:
        features = clip(seeds.fresh("clip"))
        inference = device.infer(features)
        assert inference.logits == answer(features.tobytes())
        assert (inference.ticks, inference.layer_ticks, inference.front_end_ticks) == (70, (30, 40), 0)
        assert inference.input_crc == binascii.crc32(features.tobytes())
        assert device.stats().stack_high_water == 512
    assert simulated.runs == [features.tobytes()]


def test_signed_features() -> None:
    simulated = SimulatedDevice()
    features = np.arange(INPUT_BYTES, dtype=np.int16).astype(np.int8)
    assert opened(simulated).infer(features).logits == answer(features.tobytes())


def test_every_clip_exactly_once_over_a_bad_line() -> None:
    rng = seeds.fresh("bad line")
    simulated = SimulatedDevice()
    device = opened(simulated, disturbing(rng), disturbing(rng))
    clips = [clip(rng) for _ in range(300)]
    for features in clips:
        assert device.infer(features).logits == answer(features.tobytes())
    assert simulated.runs == [features.tobytes() for features in clips]
    assert device.resets == 0


def test_sequence_numbers_wrap() -> None:
    simulated = SimulatedDevice()
    simulated.last = 65533
    device = opened(simulated)
    for _ in range(3):
        device.infer(np.zeros(INPUT_BYTES, np.uint8))
    sequences = [frame.sequence for frame in simulated.requests[1:]]
    assert sequences == [(65534 + i) % 65536 for i in range(12)]


def test_a_reset_in_mid_clip_costs_nothing() -> None:
    rng = seeds.fresh("reset")
    simulated = SimulatedDevice()
    count = 0

    def resetting(message: bytes) -> Iterable[bytes]:
        nonlocal count
        count += 1
        if count % 7 == 0:
            simulated.reset()
            return []
        return [message]

    device = opened(simulated, there=resetting)
    clips = [clip(rng) for _ in range(20)]
    for features in clips:
        assert device.infer(features).logits == answer(features.tobytes())
    assert device.resets > 5
    assert set(simulated.runs) == {features.tobytes() for features in clips}


def test_another_build_after_a_reset_is_refused() -> None:
    simulated = SimulatedDevice()
    device = opened(simulated, expected_build="cafe")
    simulated.reset()
    simulated.build_id = "beef"
    with pytest.raises(LinkError, match="runs build beef, not cafe"):
        device.infer(np.zeros(INPUT_BYTES, np.uint8))


def test_a_device_that_resets_for_ever() -> None:
    simulated = SimulatedDevice()
    device = opened(simulated)

    def brownout(message: bytes) -> Iterable[bytes]:
        if simulated.input:
            simulated.reset()
        return [message]

    device._link.there = brownout  # type: ignore[attr-defined]
    with pytest.raises(LinkError, match="resets again and again"):
        device.infer(np.zeros(INPUT_BYTES, np.uint8))


def test_the_wrong_build_is_refused_and_the_port_is_closed() -> None:
    link = SimulatedLink(SimulatedDevice(build_id="beef"), clock := Clock())
    with pytest.raises(LinkError) as caught:
        Device(link, board="toy", port="line", baud=115200, expected_build="cafe", clock=clock)
    assert "toy on line runs build beef, not cafe" in caught.value.message
    assert caught.value.hint == "pqk-mcu flash"
    assert link.closed


def test_the_wrong_board_is_refused() -> None:
    with pytest.raises(LinkError, match="on line is a other, not a toy"):
        opened(SimulatedDevice(board="other"))


def test_nothing_answers() -> None:
    clock = Clock()
    link = SimulatedLink(SimulatedDevice(), clock, back=lambda _: [])
    with pytest.raises(LinkError) as caught:
        Device(link, board="toy", port="line", baud=115200, clock=clock)
    message = caught.value.message
    assert "toy on line does not answer HELLO" in message
    assert "last seen: nothing" in message
    assert caught.value.hint
    assert verbs.HELLO_TIMEOUT_S * verbs.HELLO_ATTEMPTS < clock.now < 2 * verbs.HELLO_TIMEOUT_S * verbs.HELLO_ATTEMPTS


def test_a_device_that_dies_says_what_was_last_seen() -> None:
    simulated = SimulatedDevice()
    device = opened(simulated)
    device.infer(np.zeros(INPUT_BYTES, np.uint8))
    last = simulated.requests[-1].sequence
    device._link.there = lambda _: []  # type: ignore[attr-defined]
    with pytest.raises(LinkError, match=f"does not answer INPUT .*last seen: RUN reply number {last}"):
        device.infer(np.zeros(INPUT_BYTES, np.uint8))


def test_wrong_baud_rate_shows_as_noise() -> None:
    def garbled(message: bytes) -> Iterable[bytes]:
        return [bytes(byte ^ 0x5A for byte in message) + b"\0"]

    with pytest.raises(LinkError, match="damaged frames"):
        opened(SimulatedDevice(), back=garbled)


@pytest.mark.parametrize("stale", [0, 1, 2])
def test_stale_and_foreign_replies_are_ignored(stale: int) -> None:
    simulated = SimulatedDevice()

    def with_strangers(message: bytes) -> Iterable[bytes]:
        number = simulated.requests[-1].sequence
        strangers = [
            Frame(Type.RUN | REPLY, (number - 1) % 65536, struct.pack("<IIIHH", 0, 0, 0, 0, 0)),
            Frame(Type.ERROR, (number + 100) % 65536, b"\x02\x00\x01x"),
            Frame(0xCC, number, b"?"),
        ]
        return [encode(strangers[stale]), message]

    device = opened(simulated, back=with_strangers)
    features = np.ones(INPUT_BYTES, np.uint8)
    assert device.infer(features).logits == answer(features.tobytes())
    assert len(simulated.runs) == 1


def test_a_fault_is_told_with_its_registers() -> None:
    registers = 3, 0x1234, 0x5678, 0x81000000, 0x20000F00, 1 << 16, 1 << 30, 0, 0
    simulated = SimulatedDevice()
    device = opened(simulated, back=undisturbed)
    device._link.back = lambda _: [b"\0", encode(Frame(Type.FAULT, 0, struct.pack("<9I", *registers)))]  # type: ignore[attr-defined]
    with pytest.raises(LinkError) as caught:
        device.infer(np.zeros(INPUT_BYTES, np.uint8))
    for part in ("toy on line has stopped in INPUT", "HardFault", "undefined instruction", "pc=0x00001234"):
        assert part in caught.value.message


def test_another_version_of_the_protocol() -> None:
    def newer(_: bytes) -> Iterable[bytes]:
        return [encode(Frame(Type.ERROR, 0, b"\x01\x00\x00", version=VERSION + 1))]

    with pytest.raises(LinkError, match=f"speaks version {VERSION + 1} of the protocol, this program {VERSION}"):
        opened(SimulatedDevice(), back=newer)


def test_a_refusal_is_told() -> None:
    simulated = SimulatedDevice()
    device = opened(simulated)
    simulated.input = b"x" * 7
    with pytest.raises(LinkError, match=r"refuses RUN: no input \(error 5\)"):
        device._conversation.ask(Request(Type.RUN))


def test_a_reply_that_makes_no_sense() -> None:
    def short(_: bytes) -> Iterable[bytes]:
        return [encode(Frame(Type.HELLO | REPLY, simulated.requests[-1].sequence, b"\x01"))]

    simulated = SimulatedDevice()
    with pytest.raises(LinkError, match="HELLO reply that makes no sense"):
        opened(simulated, back=short)


def test_features_of_another_front_end() -> None:
    with pytest.raises(LinkError, match="a clip has 7 features; build cafe on line takes 150"):
        opened(SimulatedDevice()).infer(np.zeros(7, np.uint8))


def test_stats_after_a_reset_are_those_since() -> None:
    simulated = SimulatedDevice()
    device = opened(simulated)
    simulated.reset()
    assert device.stats().inferences == 0
    assert device.resets == 1


def test_what_an_earlier_program_left_is_thrown_away() -> None:
    simulated = SimulatedDevice()
    clock = Clock()
    link = SimulatedLink(simulated, clock)
    link.arrived += b"banner" + encode(Frame(Type.HELLO | REPLY, 1, b""))[:5]
    Device(link, board="toy", port="line", baud=115200, clock=clock)


# ---- several requests on their way ----


def requests_before_replies(in_flight: int) -> int:
    """How many requests the device has when the first reply of a clip is read."""
    simulated = SimulatedDevice(in_flight=in_flight)
    device = opened(simulated)
    before = len(simulated.requests)
    seen: list[int] = []
    device._link.back = lambda message: seen.append(len(simulated.requests) - before) or [message]  # type: ignore[attr-defined, func-returns-value]
    read = device._link.read
    counts: list[int] = []
    device._link.read = lambda timeout: counts.append(len(seen)) or read(timeout)  # type: ignore[method-assign, func-returns-value]
    device.infer(np.zeros(INPUT_BYTES, np.uint8))
    return counts[0]


def test_so_many_requests_go_before_the_first_reply() -> None:
    # A clip is three INPUTs and RUN.
    assert [requests_before_replies(count) for count in (0, 1, 2, 3, 4, 9)] == [1, 1, 2, 3, 4, 4]


def assert_mended_without_waiting(way: str, disturb: Disturbance) -> None:
    """One clip, once, in no time, over a line that is disturbed from the first request after HELLO on."""
    simulated = SimulatedDevice()
    device = opened(simulated)
    start = device._link.clock.now  # type: ignore[attr-defined]
    setattr(device._link, way, disturb)
    features = np.ones(INPUT_BYTES, np.uint8)
    assert device.infer(features).logits == answer(features.tobytes())
    assert device._link.clock.now == start  # type: ignore[attr-defined]
    assert len(simulated.runs) == 1


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_lost_request_is_sent_again_without_waiting(lost: int) -> None:
    count = iter(range(100))
    assert_mended_without_waiting("there", lambda message: [] if next(count) == lost else [message])


def test_a_damaged_reply_is_asked_for_again_without_waiting() -> None:
    count = iter(range(100))
    assert_mended_without_waiting("back", lambda reply: [reply[:5] + reply[6:] if next(count) == 3 else reply])


def test_after_a_failure_the_next_request_says_hello_first() -> None:
    simulated = SimulatedDevice()
    device = opened(simulated)
    there = device._link.there  # type: ignore[attr-defined]
    device._link.there = lambda _: []  # type: ignore[attr-defined]
    with pytest.raises(LinkLost):
        device.infer(np.zeros(INPUT_BYTES, np.uint8))
    device._link.there = there  # type: ignore[attr-defined]
    features = np.ones(INPUT_BYTES, np.uint8)
    assert device.infer(features).logits == answer(features.tobytes())
    assert simulated.requests[1].type == Type.HELLO


def use_of_the_line(payload: int, in_flight: int, delay_s: float) -> float:
    """Share of a line's rate that clips of 4,040 features make use of."""
    simulated, clock, baud = SimulatedDevice(input_bytes=4040, payload=payload, in_flight=in_flight), Clock(), 921_600
    link = TimedLink(simulated, clock, baud, delay_s)
    device = Device(link, board="toy", port="line", baud=baud, clock=clock)
    begun, sent = clock.now, link.sent
    for _ in range(20):
        device.infer(np.zeros(4040, np.uint8))
    return (link.sent - sent) * 10 / baud / (clock.now - begun)


def test_a_line_is_made_use_of() -> None:
    assert use_of_the_line(4096, 4, 0.0) > 0.95
    assert use_of_the_line(4096, 1, 0.001) > 0.85
    assert use_of_the_line(512, 4, 0.001) > 0.85
    assert use_of_the_line(512, 1, 0.001) < 0.75  # what several on their way are for


# ---- audio ----


def audio(rng: np.random.Generator, count: int = CLIP_SAMPLES) -> np.ndarray:
    return rng.integers(-(2**15), 2**15, count).astype(np.int16)


def test_infer_audio() -> None:
    simulated = SimulatedDevice()
    samples = audio(seeds.fresh("audio"))
    inference = opened(simulated).infer_audio(samples)
    assert inference.logits == answer(samples.tobytes())
    assert inference.front_end_ticks == 500
    assert inference.input_crc == binascii.crc32(samples.tobytes())


def test_every_clip_of_audio_exactly_once_over_a_bad_line() -> None:
    rng = seeds.fresh("bad line")
    simulated = SimulatedDevice()
    device = opened(simulated, disturbing(rng), disturbing(rng))
    clips = [audio(rng) for _ in range(50)]
    for samples in clips:
        assert device.infer_audio(samples).logits == answer(samples.tobytes())
    assert simulated.runs == [samples.tobytes() for samples in clips]


def resetting_every(simulated: SimulatedDevice, messages: int) -> Disturbance:
    count = 0

    def disturb(message: bytes) -> Iterable[bytes]:
        nonlocal count
        count += 1
        if count % messages == 0:
            simulated.reset()
            return []
        return [message]

    return disturb


def test_a_reset_within_a_clip_of_audio_starts_it_anew() -> None:
    rng = seeds.fresh("reset")
    simulated = SimulatedDevice()
    device = opened(simulated, there=resetting_every(simulated, 13))
    clips = [audio(rng) for _ in range(10)]
    for samples in clips:
        assert device.infer_audio(samples).logits == answer(samples.tobytes())
    assert device.resets > 3
    assert set(simulated.runs) == {samples.tobytes() for samples in clips}


def test_a_clip_of_another_length() -> None:
    with pytest.raises(LinkError, match="a clip has 200 samples; build cafe on line takes 201"):
        opened(SimulatedDevice()).infer_audio(np.zeros(200, np.int16))


def test_samples_of_another_type_are_not_guessed() -> None:
    with pytest.raises(TypeError):
        opened(SimulatedDevice()).infer_audio(np.zeros(CLIP_SAMPLES, np.float32))  # type: ignore[arg-type]


def test_firmware_without_a_front_end() -> None:
    device = opened(SimulatedDevice(audio=False))
    assert device.facts.sample_rate == 0
    for verb in (
        lambda: device.infer_audio(np.zeros(0, np.int16)),
        device.stream_begin,
        device.settings,
        lambda: device.set_settings(Settings((1, 2, 3), 1, 1, 0)),
    ):
        with pytest.raises(LinkError, match="build cafe on line takes features, no audio"):
            verb()


@pytest.mark.parametrize("bad", [False, True])
def test_a_stream(bad: bool) -> None:
    rng = seeds.fresh("stream")
    simulated = SimulatedDevice()
    device = opened(simulated, disturbing(rng), disturbing(rng)) if bad else opened(simulated)
    assert device.stream_begin().samples == 0
    heard, found = np.zeros(0, np.int16), []
    for _ in range(40):
        samples = audio(rng, int(rng.integers(0, 150)))
        samples[rng.random(len(samples)) < 0.03] = 1234
        reply = device.stream_push(samples)
        heard = np.concatenate([heard, samples])
        found += reply.detections
        count = len(heard)
        assert (reply.samples, reply.frames, reply.inferences) == (count, count // 10, count // 20)
        assert reply.peak == np.abs(samples.astype(int)).max(initial=0)
        # 32 bits that wrap on the way do not show.
        assert reply.front_end_ticks == (WRAPPED + 3 * count if count else WRAPPED)
        assert reply.network_ticks == WRAPPED + count // 2
    assert 3 * len(heard) > 50
    assert simulated.stream == heard.tolist()
    assert found == [Detection(1, 30000, int(place) + 1) for place in np.flatnonzero(heard == 1234)]
    assert found
    again = device.stream_begin()
    assert (again.samples, again.detections) == (0, ())


def test_a_reset_in_a_stream_is_told() -> None:
    simulated = SimulatedDevice()
    device = opened(simulated)
    device.stream_begin()
    device.stream_push(np.ones(100, np.int16))
    simulated.reset()
    with pytest.raises(LinkError, match="was reset in the middle of a stream") as caught:
        device.stream_push(np.ones(100, np.int16))
    assert caught.value.hint == "begin the stream again"
    with pytest.raises(LinkError, match="no stream has begun"):
        device.stream_push(np.ones(100, np.int16))
    device.stream_begin()
    assert device.stream_push(np.ones(100, np.int16)).samples == 100


def test_missed_samples_are_told() -> None:
    simulated = SimulatedDevice()
    device = opened(simulated)
    device.stream_begin()
    device.stream_push(np.ones(100, np.int16))
    simulated.stream.pop()  # type: ignore[attr-defined]
    with pytest.raises(LinkError, match="has missed a part of the stream"):
        device.stream_push(np.ones(1, np.int16))


def test_a_clip_ends_a_stream() -> None:
    device = opened(SimulatedDevice())
    device.stream_begin()
    device.infer_audio(np.zeros(CLIP_SAMPLES, np.int16))
    with pytest.raises(LinkError, match="has missed a part of the stream"):
        device.stream_push(np.ones(1, np.int16))


def test_settings() -> None:
    simulated = SimulatedDevice()
    device = opened(simulated)
    assert device.settings() == Settings((100, 200, 65535), 3, 10, 16000)
    other = Settings((1, 2, 3), 4, 5, 2**32 - 1)
    assert device.set_settings(other) == other
    assert device.settings() == other
    with pytest.raises(LinkError, match="2 thresholds for the 3 outputs"):
        device.set_settings(Settings((1, 2), 1, 1, 0))
    simulated.reset()
    with pytest.raises(LinkError, match="was reset"):
        device.set_settings(other)
