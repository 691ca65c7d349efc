"""The firmware's half of the protocol with audio, on the host, under sanitizers, against a model of the spotter."""

import binascii
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen.decision import Settings
from pqk_codegen.frontend.spec import RATE
from pqk_codegen.generate import generate
from pqk_codegen.generate_spotter import generate_spotter
from pqk_codegen.ir import Network
from pqk_codegen.plan import plan
from support import seeds, spotting
from support.device import BOARD
from support.spotting import CLASSES, Model, StandIn
from test_protocol_c import SOURCES, compiled, error_code, stream, talk

from pqk import assets, protocol
from pqk.firmware import AUDIO_SOURCES, render
from pqk.protocol import REPLY, ErrorCode, Frame, Type

PAYLOAD = 301
"""Odd, so that no whole number of samples fills it."""
FRONT_END = StandIn(window=44, hop=10, frames=6, features=5, center=True)
CLIP = FRONT_END.clip_samples
LEAST = 1500
"""Samples of a stream in which most networks detect something."""
BEGIN = protocol.stream_payload(0, b"", begins=True)


@dataclass(frozen=True)
class Built:
    program: Path
    network: Network
    settings: Settings

    def model(self) -> Model:
        return Model(self.network, FRONT_END, self.settings)

    def heard(self, samples: np.ndarray) -> Model:
        """After a stream."""
        return self.model().push(samples)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """With a network and settings that detect something in a stream."""
    rng = seeds.fresh("network")
    out = tmp_path_factory.mktemp("protocol")
    made = seeds.until(
        lambda: Built(
            out / "program", spotting.random_network(rng, FRONT_END), spotting.random_settings(rng, FRONT_END)
        ),
        lambda made: made.heard(audio(rng, LEAST)).detections,
    )
    network, settings = made.network, made.settings
    files = generate_spotter(spotting.spec(settings), network) | FRONT_END.files()
    generate(plan(network, "host"), out / "generated", audio=files)
    uart = dataclasses.replace(BOARD.uart, largest_payload=PAYLOAD)
    render(dataclasses.replace(BOARD, uart=uart), out)
    names = [*(f"{name}.c" for name in SOURCES), *AUDIO_SOURCES]
    own = [assets.directory("firmware") / name for name in names]
    program = compiled(out, out / "generated", [*own, *sorted((out / "generated").glob("*.c"))])
    return dataclasses.replace(made, program=program)


def ask(built: Built, *requests: tuple[Type, bytes]) -> list[Frame]:
    """The replies to a HELLO, which is left out, and the requests."""
    frames = [Frame(Type.HELLO, 0), *(Frame(kind, 1 + i, payload) for i, (kind, payload) in enumerate(requests))]
    replies = talk(built.program, stream(*frames))
    assert [reply.sequence for reply in replies] == list(range(len(frames)))
    return replies[1:]


def audio(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(-(2**15), 2**15, count).astype(np.int16)


def pieces(rng: np.random.Generator, samples: np.ndarray, room: int, least: int = 0) -> list[np.ndarray]:
    """Random pieces that fit into `room` bytes, the largest that does among them."""
    cuts, at = [], 0
    while at < len(samples):
        size = int(rng.choice([room // 2, rng.integers(least, room // 2 + 1)]))
        cuts.append(samples[at : at + size])
        at += size
    return cuts


def clip_requests(rng: np.random.Generator, samples: np.ndarray) -> list[tuple[Type, bytes]]:
    requests, at = [], 0
    for piece in pieces(rng, samples, PAYLOAD - protocol.AUDIO_OVERHEAD, 1):
        requests.append((Type.AUDIO, protocol.audio_payload(at, piece.tobytes())))
        at += len(piece)
    return requests


def stream_requests(rng: np.random.Generator, samples: np.ndarray) -> list[tuple[Type, bytes]]:
    requests, at = [(Type.STREAM, BEGIN)], 0
    for piece in pieces(rng, samples, PAYLOAD - protocol.STREAM_OVERHEAD):
        requests.append((Type.STREAM, protocol.stream_payload(at, piece.tobytes())))
        at += len(piece)
    return requests


def settings_of(wanted: Settings) -> tuple[Type, bytes]:
    return Type.SETTINGS, protocol.settings_payload(wanted)


def test_hello(built: Built) -> None:
    hello = protocol.parse_hello(talk(built.program, stream(Frame(Type.HELLO, 9)))[0].payload)
    assert (hello.clip_samples, hello.sample_rate, hello.hop) == (CLIP, RATE, FRONT_END.hop)


def test_clips(built: Built) -> None:
    rng = seeds.fresh("clips")
    for _ in range(5):
        samples = audio(rng, CLIP)
        encoded = FRONT_END.encode(FRONT_END.energies(samples[None]))
        replies = ask(built, *clip_requests(rng, samples), (Type.RUN, b""), (Type.RUN, b""))
        assert all(reply.type == Type.AUDIO | REPLY and not reply.payload for reply in replies[:-2])
        result = protocol.parse_result(replies[-2].payload)
        assert result.logits == tuple(interpreter.logits(built.network, encoded)[0])
        assert result.input_crc == binascii.crc32(encoded.tobytes())
        assert error_code(replies[-1]) == ErrorCode.NO_INPUT


def test_features_have_the_same_crc_as_audio(built: Built) -> None:
    rng = seeds.fresh("features")
    samples = audio(rng, CLIP)
    encoded = FRONT_END.encode(FRONT_END.energies(samples[None])).tobytes()
    at = int(rng.integers(1, len(encoded)))
    halves = [
        (Type.INPUT, protocol.input_payload(start, part)) for start, part in ((0, encoded[:at]), (at, encoded[at:]))
    ]
    results = [
        protocol.parse_result(reply.payload)
        for reply in ask(built, *halves, (Type.RUN, b""), *clip_requests(rng, samples), (Type.RUN, b""))
        if reply.type == Type.RUN | REPLY
    ]
    assert results[0] == results[1]
    assert results[0].input_crc == binascii.crc32(encoded)


def test_a_stream_in_any_pieces(built: Built) -> None:
    rng = seeds.fresh("stream")
    for _ in range(4):
        samples = seeds.until(
            lambda: audio(rng, int(rng.integers(LEAST, 4000))), lambda samples: built.heard(samples).detections
        )
        model = built.heard(samples)
        requests = stream_requests(rng, samples)
        replies = [protocol.parse_streamed(reply.payload) for reply in ask(built, *requests)]
        found = [(one.word, one.score, one.samples) for reply in replies for one in reply.detections]
        assert found == model.detections
        last = replies[-1]
        assert (last.samples, last.frames, last.inferences) == (len(samples), len(model.rows), model.inferences)
        at = 0
        for (_, payload), reply in zip(requests, replies, strict=True):
            piece = np.frombuffer(payload[protocol.STREAM_OVERHEAD :], "<i2")
            at += len(piece)
            assert reply.samples == at
            assert reply.peak == np.abs(piece.astype(int)).max(initial=0)


def test_no_detection_is_ever_dropped(built: Built) -> None:
    """Even if every frame detects something in the largest message."""
    rng = seeds.fresh("many")
    samples = audio(rng, 3000)
    eager = Settings((0,) * len(CLASSES), 1, 1, 0)
    model = Model(built.network, FRONT_END, eager)
    model.push(samples)
    replies = ask(built, settings_of(eager), *stream_requests(rng, samples))[1:]
    found = [one.samples for reply in replies for one in protocol.parse_streamed(reply.payload).detections]
    assert found == [samples for _, _, samples in model.detections]
    assert len(found) == model.inferences == len(model.rows) - FRONT_END.frames + 1


def test_a_repeated_piece_is_heard_once(built: Built) -> None:
    rng = seeds.fresh("repeat")
    samples = audio(rng, 1500)
    requests = stream_requests(rng, samples)
    frames = [Frame(kind, 1 + i, payload) for i, (kind, payload) in enumerate(requests) for _ in range(2)]
    replies = talk(built.program, stream(Frame(Type.HELLO, 0), *frames))[1:]
    assert replies[::2] == replies[1::2]
    assert protocol.parse_streamed(replies[-1].payload).samples == 1500


def test_beginning_again_forgets_audio_but_not_settings(built: Built) -> None:
    rng = seeds.fresh("again")
    first, second = audio(rng, 777), audio(rng, 2500)
    wanted = spotting.random_settings(rng, FRONT_END)
    model = Model(built.network, FRONT_END, wanted)
    model.push(second)
    requests = [
        *stream_requests(rng, first),
        settings_of(wanted),
        *clip_requests(rng, audio(rng, CLIP)),
        (Type.RUN, b""),
    ]
    replies = ask(built, *requests, *stream_requests(rng, second), (Type.SETTINGS, b""))[len(requests) :]
    assert protocol.parse_settings(replies[-1].payload) == wanted
    found = [one for reply in replies[:-1] for one in protocol.parse_streamed(reply.payload).detections]
    assert [(one.word, one.score, one.samples) for one in found] == model.detections


def test_settings(built: Built) -> None:
    wanted = Settings(tuple(range(65530, 65530 + len(CLASSES))), 32, 65535, 2**32 - 1)
    before, after, again = ask(built, (Type.SETTINGS, b""), settings_of(wanted), (Type.SETTINGS, b""))
    assert protocol.parse_settings(before.payload) == built.settings
    assert protocol.parse_settings(after.payload) == protocol.parse_settings(again.payload) == wanted


@pytest.mark.parametrize(
    ("place", "value", "code"),
    [
        (0, 0, ErrorCode.SETTINGS),  # smoothing
        (0, 33, ErrorCode.SETTINGS),
        (2, 0, ErrorCode.SETTINGS),  # stride
        (8, 5, ErrorCode.LENGTH),  # thresholds, of which there are 6
    ],
)
def test_settings_that_are_refused_change_nothing(built: Built, place: int, value: int, code: ErrorCode) -> None:
    payload = bytearray(protocol.settings_payload(Settings((1,) * len(CLASSES), 1, 1, 1)))
    payload[place : place + 2] = value.to_bytes(2, "little")
    refused, kept = ask(built, (Type.SETTINGS, bytes(payload)), (Type.SETTINGS, b""))
    assert error_code(refused) == code
    assert protocol.parse_settings(kept.payload) == built.settings


TWO = b"abcd"
BEGUN = (Type.STREAM, BEGIN)
CLIP_BEGUN = (Type.AUDIO, protocol.audio_payload(0, TWO))
FEATURES = (Type.INPUT, protocol.input_payload(0, bytes(29)))


@pytest.mark.parametrize(
    ("before", "kind", "payload", "code"),
    [
        ([], Type.AUDIO, b"", ErrorCode.LENGTH),
        ([], Type.AUDIO, protocol.audio_payload(0, b""), ErrorCode.LENGTH),
        ([], Type.AUDIO, protocol.audio_payload(0, b"x"), ErrorCode.LENGTH),
        ([], Type.AUDIO, protocol.audio_payload(2, TWO), ErrorCode.OFFSET),
        ([], Type.AUDIO, protocol.audio_payload(2**32 - 1, TWO), ErrorCode.OFFSET),
        ([], Type.AUDIO, protocol.audio_payload(0, bytes(2 * CLIP + 2)), ErrorCode.OFFSET),
        ([CLIP_BEGUN], Type.AUDIO, protocol.audio_payload(1, TWO), ErrorCode.OFFSET),
        ([CLIP_BEGUN], Type.RUN, b"", ErrorCode.NO_INPUT),
        ([CLIP_BEGUN, BEGUN], Type.AUDIO, protocol.audio_payload(2, TWO), ErrorCode.OFFSET),
        ([], Type.STREAM, BEGIN[:-1], ErrorCode.LENGTH),
        ([], Type.STREAM, protocol.stream_payload(0, b"x", begins=True), ErrorCode.LENGTH),
        ([], Type.STREAM, protocol.stream_payload(0, TWO), ErrorCode.OFFSET),
        ([], Type.STREAM, protocol.stream_payload(1, TWO, begins=True), ErrorCode.OFFSET),
        ([], Type.STREAM, b"\0\0\0\0\3\0\0\0", ErrorCode.OFFSET),
        ([BEGUN], Type.STREAM, protocol.stream_payload(1, TWO), ErrorCode.OFFSET),
        ([(Type.STREAM, BEGIN + TWO)], Type.STREAM, protocol.stream_payload(0, TWO), ErrorCode.OFFSET),
        ([(Type.STREAM, BEGIN + TWO)], Type.STREAM, protocol.stream_payload(3, TWO), ErrorCode.OFFSET),
        ([BEGUN, CLIP_BEGUN], Type.STREAM, protocol.stream_payload(2, TWO), ErrorCode.OFFSET),
        ([BEGUN, FEATURES], Type.STREAM, protocol.stream_payload(0, TWO), ErrorCode.OFFSET),
        ([FEATURES, BEGUN], Type.INPUT, protocol.input_payload(29, b"x"), ErrorCode.OFFSET),
        ([], Type.SETTINGS, b"\1", ErrorCode.LENGTH),
        ([], Type.SETTINGS, protocol.settings_payload(Settings((1, 2), 1, 1, 1)), ErrorCode.LENGTH),
    ],
)
def test_refusals(built: Built, before: list[tuple[Type, bytes]], kind: Type, payload: bytes, code: ErrorCode) -> None:
    *others, reply = ask(built, *before, (kind, payload))
    assert all(other.type != Type.ERROR for other in others)
    assert error_code(reply) == code


REFUSED = [
    (Type.INPUT, b""),
    (Type.INPUT, protocol.input_payload(2**32 - 1, b"x")),
    (Type.AUDIO, b""),
    (Type.AUDIO, protocol.audio_payload(2**32 - 1, TWO)),
    (Type.STREAM, b""),
    (Type.STREAM, protocol.stream_payload(2**32 - 1, TWO)),
    (Type.RUN, b"x"),
    (Type.RUN, b""),  # of what is not whole
]


def test_what_is_refused_ends_nothing(built: Built) -> None:
    """An input, a clip or a stream of which requests of all kinds are refused in between goes on."""
    rng = seeds.fresh("refused")
    samples = audio(rng, CLIP)
    features = FRONT_END.encode(FRONT_END.energies(samples[None])).tobytes()
    halves = [(Type.INPUT, protocol.input_payload(at, features[at : at + 15])) for at in range(0, len(features), 15)]
    for begun, last in ((halves, (Type.RUN, b"")), (clip_requests(rng, samples), (Type.RUN, b""))):
        mixed = [request for piece in begun for request in (*REFUSED, piece)]
        clean, disturbed = (ask(built, *requests, last) for requests in (begun, mixed))
        assert disturbed[-1].payload == clean[-1].payload
        assert sum(reply.type == Type.ERROR for reply in disturbed) == len(REFUSED) * len(begun)
    pieces_of_it = stream_requests(rng, samples)
    mixed = [request for piece in pieces_of_it for request in (piece, *REFUSED)]
    clean, disturbed = ask(built, *pieces_of_it), ask(built, *mixed)[:: 1 + len(REFUSED)]
    assert [reply.payload for reply in disturbed] == [reply.payload for reply in clean]


def test_hello_ends_clips_and_streams(built: Built) -> None:
    rng = seeds.fresh("hello")
    for begun, after in (
        (clip_requests(rng, audio(rng, CLIP)), (Type.RUN, b"")),
        ([(Type.STREAM, BEGIN)], (Type.STREAM, protocol.stream_payload(0, TWO))),
    ):
        frames = [Frame(kind, 1 + i, payload) for i, (kind, payload) in enumerate(begun)]
        last = Frame(after[0], 1 + len(begun), after[1])
        replies = talk(built.program, stream(Frame(Type.HELLO, 0), *frames, Frame(Type.HELLO, 400), last))
        assert error_code(replies[-1]) in (ErrorCode.NO_INPUT, ErrorCode.OFFSET)


def test_hostile_payloads(built: Built) -> None:
    rng = seeds.fresh("hostile")
    requests = []
    for _ in range(1500):
        kind = Type(int(rng.choice([Type.INPUT, Type.RUN, Type.AUDIO, Type.STREAM, Type.SETTINGS])))
        noise = rng.integers(0, 256, int(rng.integers(0, PAYLOAD + 1)), dtype=np.uint8)
        if rng.random() < 0.7:
            noise[1:6] = 0  # small positions
        if rng.random() < 0.3:
            noise[:1] = 0
        requests.append((kind, noise.tobytes() if kind != Type.RUN else b""))
    samples = audio(rng, 2000)
    model = built.model()
    model.push(samples)
    ending = [settings_of(built.settings), *stream_requests(rng, samples)]
    replies = ask(built, *requests, *ending)[len(requests) + 1 :]
    found = [one for reply in replies for one in protocol.parse_streamed(reply.payload).detections]
    assert [(one.word, one.score, one.samples) for one in found] == model.detections
