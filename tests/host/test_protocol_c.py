"""The firmware's half of the protocol on the host, under sanitizers, against the Python half."""

import dataclasses
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support import seeds
from support.device import BOARD, NETWORK
from support.host import SANITIZED, STRICT

from pqk import assets, protocol
from pqk.firmware import render
from pqk.protocol import REPLY, ErrorCode, Frame, FrameReader, Type, encode

INPUT_BYTES = 4040
PAYLOAD = 1024  # less than a clip, so that a clip takes several frames
OUTPUTS, LAYERS = 3, 3
SOURCES = ("protocol", "payload", "cobs", "crc16", "infer")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("protocol")
    firmware = assets.directory("firmware")
    uart = dataclasses.replace(BOARD.uart, largest_payload=PAYLOAD)
    render(dataclasses.replace(BOARD, uart=uart), out)
    return compiled(out, NETWORK, [firmware / f"{name}.c" for name in SOURCES])


def compiled(out: Path, network: Path, sources: list[Path]) -> Path:
    include = [f"-I{folder}" for folder in (assets.directory("firmware"), network, out)]
    sources = [*sources, Path(__file__).with_name("protocol_host.c")]
    argv = ["gcc", *STRICT, *SANITIZED, *include, *map(str, sources), "-o", str(out / "program")]
    subprocess.run(argv, check=True)
    return out / "program"


def talk(program: Path, stream: bytes, *arguments: str) -> list[Frame]:
    """What the device says to a stream of bytes; fails on any sanitizer's finding and on a damaged reply."""
    done = subprocess.run([program, *arguments], input=stream, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    reader = FrameReader()
    replies = reader.feed(done.stdout)
    assert reader.dropped == 0
    return replies


def clip_frames(clip: bytes, sequence: int) -> list[Frame]:
    """The requests that run one clip."""
    step = PAYLOAD - protocol.INPUT_OVERHEAD
    payloads = [protocol.input_payload(at, clip[at : at + step]) for at in range(0, len(clip), step)]
    frames = [Frame(Type.INPUT, sequence + i, payload) for i, payload in enumerate(payloads)]
    return [*frames, Frame(Type.RUN, sequence + len(frames))]


def stream(*frames: Frame) -> bytes:
    return b"".join(map(encode, frames))


def error_code(reply: Frame) -> int:
    assert reply.type == Type.ERROR
    return protocol.parse_error(reply.payload).code


def test_a_clip(program: Path) -> None:
    clip = seeds.fresh("clip").integers(0, 256, INPUT_BYTES, dtype=np.uint8).tobytes()
    requests = [Frame(Type.HELLO, 9), *clip_frames(clip, 1)]
    requests += [Frame(Type.STATS, len(requests))]
    replies = talk(program, stream(*requests))
    assert [(reply.type, reply.sequence) for reply in replies] == [(r.type | REPLY, r.sequence) for r in requests]
    hello = protocol.parse_hello(replies[0].payload)
    assert (hello.board, hello.build_id, hello.timer) == ("mps2-an386", "00112233aabbccdd", "cmsdk")
    assert (hello.input_bytes, hello.outputs, hello.layers) == (INPUT_BYTES, OUTPUTS, LAYERS)
    assert (hello.largest_payload, hello.timer_hz) == (PAYLOAD, 25_000_000)
    assert (hello.flash, hello.ram, hello.stack, hello.arena) == (1, 2, 3, 4040)
    assert (hello.clip_samples, hello.sample_rate, hello.hop, hello.stuck_setup) == (0, 0, 0, 258)
    assert protocol.parse_result(replies[-2].payload) == protocol.Result(
        60, 0, 0, (10, 20, 30), (sum(clip), -sum(clip), 1)
    )
    assert protocol.parse_stats(replies[-1].payload) == protocol.Stats(4, 1, 0)


def test_a_repeated_request_is_carried_out_once(program: Path) -> None:
    requests = clip_frames(bytes(INPUT_BYTES), 1)
    doubled = [frame for frame in requests for _ in range(3)]
    replies = talk(program, stream(Frame(Type.HELLO, 0), *doubled, Frame(Type.STATS, len(requests) + 1)))[1:]
    assert replies[0:-1:3] == replies[1:-1:3] == replies[2:-1:3]
    assert protocol.parse_result(replies[-2].payload).logits[2] == 1
    assert protocol.parse_stats(replies[-1].payload).inferences == 1


def test_a_new_sequence_number_runs_again_and_wants_new_input(program: Path) -> None:
    replies = talk(
        program,
        stream(Frame(Type.HELLO, 0), *(clip := clip_frames(bytes(INPUT_BYTES), 1)), Frame(Type.RUN, len(clip) + 1)),
    )
    assert error_code(replies[-1]) == ErrorCode.NO_INPUT


def test_hello_frees_the_next_number_and_forgets_the_last_reply(program: Path) -> None:
    half = clip_frames(bytes(INPUT_BYTES), 1)[:-1]
    replies = talk(program, stream(Frame(Type.HELLO, 0), *half, Frame(Type.HELLO, 9), Frame(Type.RUN, len(half) + 1)))
    assert protocol.parse_hello(replies[-2].payload).free_sequence == len(half) + 1
    assert error_code(replies[-1]) == ErrorCode.NO_INPUT
    # The last request came before HELLO: no reply to it is remembered.
    replies = talk(program, stream(Frame(Type.HELLO, 0), *half, Frame(Type.HELLO, 9), half[-1]))
    assert replies[-1].type == Type.HELLO | REPLY
    assert len(replies) == 2 + len(half)


def test_numbers_go_round(program: Path) -> None:
    requests = [Frame(Type.STATS, number % 65536) for number in range(1, 65539)]
    replies = talk(program, stream(Frame(Type.HELLO, 0), *requests, Frame(Type.HELLO, 65535)))
    assert [reply.sequence for reply in replies[1:-1]] == [request.sequence for request in requests]
    assert protocol.parse_hello(replies[-1].payload).free_sequence == 3


# ---- several requests on their way ----


def test_a_request_ahead_of_the_next_is_not_carried_out(program: Path) -> None:
    *most, run = clip_frames(bytes(INPUT_BYTES), 1)
    lost = int(seeds.fresh("lost").integers(0, len(most)))
    early = [*most[:lost], *most[lost + 1 :], run]
    replies = talk(program, stream(Frame(Type.HELLO, 0), *early, *most[lost:], run, Frame(Type.STATS, len(early) + 2)))
    complaints = replies[1 + lost : 1 + len(early)]
    assert {error_code(reply) for reply in complaints} == {ErrorCode.ORDER}
    assert {reply.sequence for reply in complaints} == {most[lost].sequence}
    assert protocol.parse_result(replies[-2].payload).logits[2] == 1
    assert protocol.parse_stats(replies[-1].payload).inferences == 1


def test_a_request_older_than_the_last_is_passed_over(program: Path) -> None:
    requests = clip_frames(bytes(INPUT_BYTES), 1)
    replies = talk(program, stream(Frame(Type.HELLO, 0), *requests, *requests))
    assert [reply.sequence for reply in replies[1:]] == [*(request.sequence for request in requests), len(requests)]
    assert replies[-1] == replies[-2]


def test_a_damaged_frame_tells_the_next_number_and_leaves_the_last_reply(program: Path) -> None:
    requests = clip_frames(bytes(INPUT_BYTES), 1)
    spoilt = bytearray(encode(Frame(Type.STATS, 77)))
    spoilt[3] ^= 4
    talked = stream(Frame(Type.HELLO, 0), *requests) + bytes(spoilt) + encode(requests[-1])
    *_, first, complaint, again = talk(program, talked)
    assert (error_code(complaint), complaint.sequence) == (ErrorCode.ORDER, len(requests) + 1)
    assert again == first
    assert again.type == Type.RUN | REPLY


def test_noise_without_a_session_gets_no_answer(program: Path) -> None:
    assert talk(program, b"boot banner\0" * 3) == []


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (Frame(0x55, 1), ErrorCode.TYPE),
        (Frame(Type.INPUT, 1), ErrorCode.LENGTH),
        (Frame(Type.INPUT, 1, bytes(4)), ErrorCode.LENGTH),
        (Frame(Type.RUN, 1, b"x"), ErrorCode.LENGTH),
        (Frame(Type.RUN, 1), ErrorCode.NO_INPUT),
        (Frame(Type.INPUT, 1, protocol.input_payload(5, b"x")), ErrorCode.OFFSET),
        (Frame(Type.INPUT, 1, protocol.input_payload(2**32 - 1, b"xy")), ErrorCode.OFFSET),
        (Frame(Type.INPUT, 1, protocol.input_payload(INPUT_BYTES, b"x")), ErrorCode.OFFSET),
        (Frame(Type.STATS, 1, version=1), ErrorCode.VERSION),
        (Frame(Type.AUDIO, 1, protocol.audio_payload(0, b"xy")), ErrorCode.TYPE),
        (Frame(Type.STREAM, 1, protocol.stream_payload(0, b"", begins=True)), ErrorCode.TYPE),
        (Frame(Type.SETTINGS, 1), ErrorCode.TYPE),
    ],
)
def test_refusals(program: Path, frame: Frame, code: ErrorCode) -> None:
    hello, reply = talk(program, stream(Frame(Type.HELLO, 0), frame))
    assert hello.type == Type.HELLO | REPLY
    assert error_code(reply) == code
    assert reply.sequence == 1


def test_input_beyond_the_end_is_refused(program: Path) -> None:
    *most, last, run = clip_frames(bytes(INPUT_BYTES), 1)
    longer = dataclasses.replace(last, payload=last.payload + b"x")
    replies = talk(program, stream(Frame(Type.HELLO, 0), *most, longer, run))
    assert [error_code(reply) for reply in replies[-2:]] == [ErrorCode.OFFSET, ErrorCode.NO_INPUT]


@pytest.mark.parametrize("kind", [Type.INPUT, Type.RUN, Type.STATS])
def test_nothing_without_a_session(program: Path, kind: Type) -> None:
    (reply,) = talk(program, stream(Frame(kind, 3)))
    assert error_code(reply) == ErrorCode.SESSION


def test_another_version_ends_the_session(program: Path) -> None:
    replies = talk(program, stream(Frame(Type.HELLO, 0), Frame(Type.HELLO, 1, version=9), Frame(Type.STATS, 2)))
    assert [error_code(reply) for reply in replies[1:]] == [ErrorCode.VERSION, ErrorCode.SESSION]


def test_the_largest_frame_fits_and_one_byte_more_is_dropped(program: Path) -> None:
    whole = Frame(Type.INPUT, 1, protocol.input_payload(0, bytes(PAYLOAD - protocol.INPUT_OVERHEAD)))
    larger = dataclasses.replace(whole, sequence=2, payload=whole.payload + b"\0")
    replies = talk(program, stream(Frame(Type.HELLO, 0), whole, larger, Frame(Type.STATS, 2)))
    assert [reply.type for reply in replies[1:]] == [Type.INPUT | REPLY, Type.ERROR, Type.STATS | REPLY]
    assert [reply.sequence for reply in replies] == [0, 1, 2, 2]
    assert protocol.parse_stats(replies[-1].payload).dropped_frames == 1


def test_hostile_bytes(program: Path) -> None:
    rng = seeds.fresh("hostile")
    pieces, damaged, number = [stream(Frame(Type.HELLO, 0))], 0, 1
    for _ in range(1500):
        choice = rng.integers(6)
        size = int(rng.integers(0, 3 * PAYLOAD)) if choice == 1 else int(rng.integers(0, 60))
        noise = rng.integers(0, 256, size, dtype=np.uint8).tobytes()
        version = int(rng.integers(0, protocol.VERSION + 1))
        request = stream(Frame(int(rng.integers(0, 256)), number, noise, version))
        if choice == 0:
            pieces.append(noise)
        elif choice == 1:
            pieces.append(noise.replace(b"\0", b"\1"))
        elif choice == 2:
            pieces.append(request)
        elif choice == 3:
            pieces.append(request[: int(rng.integers(0, len(request)))])
        elif choice == 4:
            spoilt = bytearray(request)
            spoilt[int(rng.integers(0, len(spoilt)))] ^= 1 << int(rng.integers(8))
            pieces.append(bytes(spoilt))
            damaged += 1
        else:
            offset, bytes_ = int(rng.integers(0, 2 * INPUT_BYTES)), noise
            whole = b"\0" + stream(
                Frame(Type.HELLO, 0), Frame(Type.INPUT, number, protocol.input_payload(offset, bytes_))
            )
            number += 1
            pieces.append(whole)
    # After all that a clip must still go through. What of the above was carried out is not known: HELLO tells.
    asked = talk(program, b"".join(pieces) + b"\0" + encode(Frame(Type.HELLO, 5)))
    free = protocol.parse_hello(asked[-1].payload).free_sequence
    assert free > 1
    clip = rng.integers(0, 256, INPUT_BYTES, dtype=np.uint8).tobytes()
    requests = clip_frames(clip, free)
    end = b"\0" + stream(Frame(Type.HELLO, 5), *requests, Frame(Type.STATS, free + len(requests)))
    replies = talk(program, b"".join(pieces) + end)
    assert protocol.parse_result(replies[-2].payload).logits[0] == sum(clip)
    assert protocol.parse_stats(replies[-1].payload).dropped_frames > damaged // 2


def test_the_device_decodes_what_python_encodes(program: Path) -> None:
    # Lengths around COBS's blocks of 254, and contents with many and few zeros.
    rng = seeds.fresh("cobs")
    for zeros in (0.0, 0.01, 0.5):
        clip = (
            np.where(rng.random(INPUT_BYTES) < zeros, 0, rng.integers(1, 256, INPUT_BYTES)).astype(np.uint8).tobytes()
        )
        frames, at, number = [Frame(Type.HELLO, 0)], 0, 1
        while at < INPUT_BYTES:
            size = int(rng.choice([1, 100, 243, 244, 245, 246, 247, 248, 498, 500, 502, PAYLOAD - 4]))
            frames.append(Frame(Type.INPUT, number, protocol.input_payload(at, clip[at : at + size])))
            at, number = at + size, number + 1
        replies = talk(program, stream(*frames, Frame(Type.RUN, number)))
        assert protocol.parse_result(replies[-1].payload).logits[0] == sum(clip)


def test_fault_frame(program: Path) -> None:
    (reply,) = talk(program, b"", "fault")
    assert reply.type == Type.FAULT
    assert protocol.parse_fault(reply.payload) == protocol.Fault(1, 2, 3, 4, 5, 6, 7, 8, 9)
