"""MLPerf Tiny's protocol and ours on one line: the firmware's C on the host, under sanitizers."""

import itertools
import re
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen.decision import posteriors, scale_of
from pqk_codegen.generate import generate
from pqk_codegen.generate_mlperf import mlperf_files
from pqk_codegen.generate_spotter import generate_spotter
from pqk_codegen.ir import Network
from pqk_codegen.plan import plan
from support import mlperf, seeds, spotting
from support.device import BOARD
from support.spotting import StandIn
from test_protocol_c import SOURCES, compiled

from pqk import assets, protocol
from pqk.firmware import AUDIO_SOURCES, MLPERF_SOURCES, render
from pqk.protocol import REPLY, Frame, Type, encode

FRONT_END = StandIn(window=44, hop=10, frames=49, features=10, center=False)
INPUT_BYTES = 490
SECOND = BOARD.timer.hz
READY = "m-ready"
LETTERS = bytes(range(0x21, 0x7F)).translate(None, b"%d")
"""Of made-up words, which are no `db`."""
HELLO = Frame(Type.HELLO, 9)


@dataclass(frozen=True)
class Built:
    program: Path
    network: Network


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    rng = seeds.fresh("network")
    out = tmp_path_factory.mktemp("mlperf")
    network = spotting.random_network(rng, FRONT_END, mlperf.CLASSES)
    output = network.tensors[network.output]
    flat = replace(output, scale=0.05 * output.scale)  # many logits have the same posterior
    network = replace(network, tensors={**network.tensors, output.name: flat})
    settings = spotting.random_settings(rng, FRONT_END, len(mlperf.CLASSES))
    keywords = tuple(name in mlperf.WORDS for name in mlperf.CLASSES)
    files = generate_spotter(spotting.spec(settings, keywords), network) | FRONT_END.files() | mlperf_files(network)
    generate(plan(network, "host"), out / "generated", audio=files)
    render(BOARD, out)
    names = [*(f"{name}.c" for name in SOURCES), *AUDIO_SOURCES, *MLPERF_SOURCES]
    own = [assets.directory("firmware") / name for name in names]
    return Built(compiled(out, out / "generated", [*own, *sorted((out / "generated").glob("*.c"))]), network)


def said(built: Built, *pieces: bytes | tuple[bytes, int], look: int = 0) -> bytes:
    """All that the device says after its banner to pieces of bytes, after which so many ticks pass."""
    stream = b"".join(
        struct.pack("<II", len(data), ticks) + data
        for data, ticks in (piece if isinstance(piece, tuple) else (piece, 0) for piece in pieces)
    )
    done = subprocess.run([built.program, str(look)], input=stream, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    assert done.stdout.startswith(mlperf.BANNER)
    return done.stdout.removeprefix(mlperf.BANNER)


def told(built: Built, *pieces: bytes | tuple[bytes, int], look: int = 0) -> list[str]:
    """The same, where all of it is text: its lines."""
    text = said(built, *pieces, look=look).decode("ascii")
    assert text.replace("\r\n", "").isprintable()
    return text.split("\r\n")[:-1]


def answers(output: bytes) -> list[Frame | list[str]]:
    """What was said, cut into frames and replies in text."""
    found: list[Frame | list[str]] = []
    while output:
        if output[0] == 0:
            encoded, _, output = output[1:].partition(b"\0")
            found.append(protocol.decode(encoded))
        else:
            text, end, output = output.partition(b"m-ready\r\n")
            assert end
            found.append([*text.decode("ascii").split("\r\n")[:-1], READY])
    return found


def load(clip: np.ndarray | bytes, step: int = 31) -> bytes:
    data = bytes(clip) if isinstance(clip, bytes) else clip.tobytes()
    lines = [data[start : start + step].hex() for start in range(0, len(data), step)]
    return f"db load {len(data)}%".encode() + b"".join(f"db {line}%".encode() for line in lines)


def clips(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(0, 256, (count, 1, 49, 10), np.uint8)


# ---- the dialogue ----


def test_the_documented_dialogue(built: Built) -> None:
    assert said(built, b"name%") == b"m-name-dut-[pqk-mcu]\r\nm-ready\r\n"
    assert said(built, b"profile%") == (
        b"m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\nm-model-[kws01]\r\nm-ready\r\n"
    )
    assert said(built, (b"", 3 * SECOND // 2), b"timestamp%") == b"m-lap-us-1500000\r\nm-ready\r\n"
    assert said(built, b"frobnicate 1 2%") == b"e-[Unknown command: frobnicate]\r\nm-ready\r\n"
    *helped, last = told(built, b"help%")
    assert last == READY
    assert helped
    assert not any(READY in line for line in helped)


def test_a_clip(built: Built) -> None:
    (clip,) = clips(seeds.fresh("clip"), 1)
    lines = told(built, load(clip), b"infer 3 2%", b"results%")
    assert lines[:2] == ["m-[Expecting 490 bytes]", READY]
    loading = lines[2 : 2 + 17]
    assert loading == [*[READY] * 15, "m-load-done", READY]
    expected = mlperf.results(built.network, clip)
    infer = ["m-warmup-start-2", "m-warmup-done", "m-infer-start-3", "m-lap-us-0", "m-lap-us-0", "m-infer-done"]
    assert lines[19:] == [*infer, expected, READY, expected, READY]


def test_results_are_in_the_runners_order_and_decide_as_the_network(built: Built) -> None:
    inputs = clips(seeds.fresh("clips"), 60)
    lines = told(built, *(load(clip, 31) + b"infer 1 0%" for clip in inputs))
    results = [line for line in lines if line.startswith("m-results")]
    assert results == [mlperf.results(built.network, clip) for clip in inputs]
    logits = interpreter.logits(built.network, inputs)
    values = np.array([[float(value) for value in line[11:-1].split(",")] for line in results])
    assert [mlperf.PRINTED[i] for i in values.argmax(axis=1)] == [mlperf.CLASSES[i] for i in logits.argmax(axis=1)]
    assert (values >= 0).all()
    np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-3)
    likely = posteriors(logits, scale_of(built.network.tensors[built.network.output].scale))
    assert ((likely == likely.max(axis=1, keepdims=True)).sum(axis=1) > 1).any()  # it was not decided by them alone


def test_the_buffer(built: Built) -> None:
    (clip,) = clips(seeds.fresh("clip"), 1)
    lines = told(built, load(clip, 7), b"db print%")
    printed = [line for line in lines if line.startswith("m-buffer-")]
    assert [line.count("-") for line in printed] == [9] * 61 + [3]
    assert bytes.fromhex("".join(line[9:].replace("-", "") for line in printed)) == clip.tobytes()
    assert told(built, b"db load 3%db aBCd%db 0102%db print%")[2:] == [
        READY,  # of the first two bytes
        "m-load-done",  # 02 is one too many
        READY,
        "m-buffer-ab-cd-01",
        READY,
    ]


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (b"db%", "db wants load, print or hex digits"),
        (b"db load%", "db load wants the number of bytes"),
        (b"db load 0%", "db load wants the number of bytes"),
        (b"db load -5%", "db load wants the number of bytes"),
        (b"db load 4294967786%", "db load wants the number of bytes"),
        (b"db load 491%", "db load: the input has 490 bytes"),
        (b"db 00%", "db load first"),
        (b"db load 9%db 123%", "Odd number of hex digits: 123"),
        (b"db load 9%db 12fg%", "Invalid hex digit: 12fg"),
        (b"infer 1 0%", "infer wants an input: db load 490"),
        (b"db load 489%db " + b"00" * 31 + b"%infer 1 0%", "infer wants an input: db load 490"),
        (b"infer 0 1%", "infer wants the number of inferences, not 0"),
        (b"infer x 1%", "infer wants the number of inferences, not x"),
        (b"infer 1 -1%", "infer wants the number of warm-ups, not -1"),
        (b"results%", "There was no inference yet"),
        (b"n\xe4me%", "Unknown command: n?me"),
        (b"names%", "Unknown command: names"),
        (b"nam%", "Unknown command: nam"),
        (b"x%", "Unknown command: x"),
        (b"y" * 79 + b"%", "Unknown command: " + "y" * 79),
        (b"y" * 80 + b"%", "Command too long"),
        (b"name " * 1000 + b"%", "Command too long"),
    ],
)
def test_refusals(built: Built, command: bytes, error: str) -> None:
    assert told(built, command)[-2:] == [f"e-[{error}]", READY]
    assert told(built, command, b"name%")[-2:] == ["m-name-dut-[pqk-mcu]", READY]


def test_a_line_that_is_refused_loads_nothing(built: Built) -> None:
    lines = told(built, b"db load 2%db 01zz%db 0203%db print%")
    assert lines[-4:] == ["m-load-done", READY, "m-buffer-02-03", READY]


def test_defaults_of_infer(built: Built) -> None:
    lines = told(built, load(bytes(INPUT_BYTES)), b"infer%")
    assert [line for line in lines if "start" in line] == ["m-warmup-start-10", "m-infer-start-1"]


@pytest.mark.parametrize("before", [b"", b" ", b"   ", b"\r\n", b"\0", b"\n \0\0 \r", b"\xff\xfe", b"\x0b\x7f\x80 "])
def test_what_is_ignored_before_a_command(built: Built, before: bytes) -> None:
    assert told(built, before + b"name%", before + b"name%") == ["m-name-dut-[pqk-mcu]", READY] * 2
    assert told(built, b"na\r\nme\r%") == ["m-name-dut-[pqk-mcu]", READY]


# ---- the clock ----


def laps(lines: list[str]) -> list[int]:
    return [int(line[9:]) for line in lines if re.fullmatch(r"m-lap-us-\d+", line)]


@pytest.fixture(scope="module")
def looks(built: Built) -> int:
    """At the clock, by an inference."""
    look = 2**16
    _, lap = laps(told(built, load(bytes(INPUT_BYTES)), b"infer 1 0%", look=look))
    return round(lap * SECOND / 10**6 / look)


def test_laps_go_on_over_a_wrap_of_the_counter(built: Built, looks: int) -> None:
    """Every ten inferences take a quarter of the counter's 32 bits, so it wraps in one of the five times."""
    look = 2**30 // (10 * looks)
    lines = told(built, load(bytes(INPUT_BYTES)), *5 * [b"infer 10 1%"], look=look)
    assert laps(lines) == 5 * [0, 10 * looks * look * 10**6 // SECOND]


def test_microseconds_go_on_over_days_of_timestamps(built: Built) -> None:
    """A million times nine days of ticks is more than 64 bits hold. The microseconds' 32 bits wrap all the while."""
    ticks, times = 2**32 - 1, 4600
    assert ticks * times * 10**6 > 2**64
    last = laps(told(built, *times * [(b"timestamp%", ticks)], b"timestamp%"))[-1]
    assert last == ticks * times * 10**6 // SECOND % 2**32


@pytest.mark.parametrize(
    ("command", "before"),
    [
        (b"infer 62 0%", ["m-warmup-start-0", "m-warmup-done", "m-infer-start-62", "m-lap-us-0"]),
        (b"infer 32 30%", ["m-warmup-start-30", "m-warmup-done", "m-infer-start-32", "m-lap-us-0"]),
        (b"infer 1 62%", ["m-warmup-start-62"]),
        (b"infer 999999999 0%", ["m-warmup-start-0", "m-warmup-done", "m-infer-start-999999999", "m-lap-us-0"]),
        (b"infer 999999999 999999999%", ["m-warmup-start-999999999"]),
    ],
)
def test_infer_is_given_up(built: Built, looks: int, command: bytes, before: list[str]) -> None:
    """An inference takes a second, less a little."""
    clip = load(bytes(INPUT_BYTES))
    lines = told(built, clip, command, b"infer 30 30%", look=SECOND // looks)[19:]
    given_up = [*before, "e-[infer took more than 60 s, or the timer stands still]", READY]
    assert lines[: len(given_up)] == given_up
    assert lines[len(given_up) :][-3] == "m-infer-done"


def test_every_infer_starts_the_clock(built: Built) -> None:
    lines = told(built, load(bytes(INPUT_BYTES)), (b"infer 1 0%", 7 * SECOND), b"infer 1 0%", b"timestamp%")
    assert [line for line in lines if "lap" in line] == ["m-lap-us-0"] * 5


# ---- both protocols ----


def test_infer_ends_with_a_timer_that_stands_still(built: Built) -> None:
    lines = told(built, load(bytes(INPUT_BYTES)), b"infer 1000 0%", b"infer 1001 0%", b"infer 1 999999999%", look=0)
    assert [line for line in lines if line.startswith(("e-", "m-infer-done"))] == [
        "m-infer-done",
        *2 * ["e-[infer took more than 60 s, or the timer stands still]"],
    ]


def test_a_lone_end(built: Built) -> None:
    """It may be a frame's first byte, and is a command when nothing follows."""
    assert told(built, b"%") == []
    assert told(built, (b"%", SECOND // 11)) == []
    assert told(built, (b"%", SECOND // 10)) == [READY]
    assert told(built, b"%%%", (b"", SECOND)) == [READY] * 3
    assert told(built, b"%name%") == [READY, "m-name-dut-[pqk-mcu]", READY]
    assert told(built, b" \r\n %x") == [READY]
    assert answers(said(built, b"%\0", encode(HELLO)))[0] == [READY]


def frame_of(code: int, sequence: int, rng: np.random.Generator) -> Frame:
    """A frame whose first byte on the line, COBS's code, is the one given, at least 6."""
    filler = rng.integers(1, 256, code - 5, np.uint8).tobytes()
    return Frame(0x55, 0x0101 + sequence, filler + b"\0")


def test_frames_whose_first_byte_could_be_text(built: Built) -> None:
    rng = seeds.fresh("frames")
    frames = [frame_of(code, code, rng) for code in (*b"\t\n\r %n~", 0x7F, 0xFE)]
    assert [encode(frame)[0] for frame in frames] == [*b"\t\n\r %n~", 0x7F, 0xFE]
    replies = answers(said(built, *((encode(frame), SECOND) for frame in frames)))
    assert [reply.sequence for reply in replies if isinstance(reply, Frame)] == [frame.sequence for frame in frames]


def test_a_frame_that_was_given_up_swallows_no_command(built: Built) -> None:
    half = encode(frame_of(200, 1, seeds.fresh("frame")))[:100]
    assert told(built, half, b"name%", b"name%") == []
    assert told(built, (half, SECOND), b"name%") == ["m-name-dut-[pqk-mcu]", READY]
    rounds = [(half, SECOND), (b"", 2**32 - SECOND // 2)]  # of the timer: it looks like half a second
    assert told(built, *rounds, b"name%") == ["m-name-dut-[pqk-mcu]", READY]
    assert len(answers(said(built, half, b"\0" + encode(HELLO)))) == 1
    # In a session its own host is told that something was dropped, and only when it comes back.
    hello, name, dropped, again = answers(said(built, encode(HELLO), (half, SECOND), b"name%", b"\0" + encode(HELLO)))
    assert name == ["m-name-dut-[pqk-mcu]", READY]
    assert isinstance(hello, Frame)
    assert isinstance(dropped, Frame)
    assert isinstance(again, Frame)
    assert protocol.parse_error(dropped.payload).code == protocol.ErrorCode.ORDER
    assert (hello.type, again.type) == (Type.HELLO | REPLY, Type.HELLO | REPLY)


def test_half_a_command_spoils_no_frame(built: Built) -> None:
    (reply,) = answers(said(built, b"db load 4", b"\0" + encode(HELLO)))
    assert isinstance(reply, Frame)
    assert reply.type == Type.HELLO | REPLY


def test_another_version_of_our_protocol_is_told(built: Built) -> None:
    (reply,) = answers(said(built, encode(replace(HELLO, version=1))))
    assert isinstance(reply, Frame)
    assert protocol.parse_error(reply.payload).code == protocol.ErrorCode.VERSION


@pytest.mark.parametrize("kind", [Type.AUDIO, Type.INPUT])
def test_an_inference_ends_what_was_sent_for_another(built: Built, kind: Type) -> None:
    payload = protocol.audio_payload(0, bytes(2 * FRONT_END.clip_samples))
    if kind is Type.INPUT:
        payload = protocol.input_payload(0, bytes(INPUT_BYTES))
    (hello,) = answers(said(built, encode(HELLO)))
    assert isinstance(hello, Frame)
    number = protocol.parse_hello(hello.payload).free_sequence
    run = encode(Frame(Type.RUN, number + 1))
    sent = encode(HELLO) + encode(Frame(kind, number, payload)), load(bytes(INPUT_BYTES)) + b"infer 1 0%", run
    last = answers(said(built, *sent))[-1]
    assert isinstance(last, Frame)
    assert protocol.parse_error(last.payload).code == protocol.ErrorCode.NO_INPUT


@dataclass(frozen=True)
class Unit:
    """A part of a stream of both protocols: bytes, and the reply to them: first line of a text or number of a frame."""

    data: bytes
    reply: str | int | None
    unclear: bool = False
    """Whether it could be the COBS code of a frame that follows."""


def random_unit(rng: np.random.Generator, number: int) -> Unit:
    def letters(least: int, most: int) -> bytes:
        return rng.choice(list(LETTERS), int(rng.integers(least, most + 1))).astype(np.uint8).tobytes()

    kind = rng.integers(8)
    if kind == 0:
        word = letters(1, 79)
        return Unit(word + b"%", f"e-[Unknown command: {word.decode()}]")
    if kind == 1:
        before = rng.choice(list(b"\r\n \0\x80\xff"), int(rng.integers(0, 5))).astype(np.uint8).tobytes()
        return Unit(before + b"name%", "m-name-dut-[pqk-mcu]")
    if kind == 2:
        return Unit(b"%", READY, unclear=True)
    if kind == 3:
        return Unit(letters(80, 300) + b"%", "e-[Command too long]")
    if kind == 4:  # noise, which a zero ends
        noise = seeds.until(
            lambda: rng.integers(1, 256, int(rng.integers(0, 50)), np.uint8).tobytes().replace(b"%", b"") + b"\0",
            lambda noise: not protocol.FrameReader().feed(noise),  # its CRC may be right by chance
        )
        return Unit(noise, None)
    if kind == 5:  # noise that nothing ends
        return Unit(rng.integers(0x80, 256, int(rng.integers(1, 9)), np.uint8).tobytes(), None, unclear=True)
    if kind == 6:
        frame = frame_of(int(rng.integers(6, 255)), number, rng)
    else:
        payload = rng.choice([b"", b"%", b"name%", rng.bytes(int(rng.integers(0, 300)))])
        frame = Frame(int(rng.choice([Type.STATS, Type.RUN, 0x55])), 0x0101 + number, bytes(payload))
    return Unit(b"\0" * int(rng.integers(3)) + encode(frame), frame.sequence)


def parted(units: Sequence[Unit]) -> list[Unit]:
    """With a zero after what is unclear, unless a command follows."""
    pairs = zip(units, [*units[1:], Unit(b"\0", None)], strict=True)
    return [
        replace(unit, data=unit.data + b"\0") if unit.unclear and not isinstance(following.reply, str) else unit
        for unit, following in pairs
    ]


def test_random_sequences_of_both(built: Built) -> None:
    """Every whole command is answered as text and every whole frame as a frame, however the line cuts them.

    No frame says HELLO, so each is refused by its number, and what is damaged by nothing.
    """
    rng = seeds.fresh("sequence")
    units = parted([random_unit(rng, number) for number in range(1500)])
    stream = b"".join(unit.data for unit in units)
    cuts = [0, *sorted(rng.integers(0, len(stream), 400)), len(stream)]
    pieces = [(stream[a:b], int(rng.integers(SECOND // 30))) for a, b in itertools.pairwise(cuts)]
    found = answers(said(built, *pieces))
    replies = [reply.sequence if isinstance(reply, Frame) else reply[0] for reply in found]
    assert replies == [unit.reply for unit in units if unit.reply is not None]


def test_hostile_bytes(built: Built) -> None:
    """After any bytes at all, both protocols work; whatever was answered to them is ASCII or a sound frame."""
    rng = seeds.fresh("hostile")
    pieces = [(rng.bytes(int(rng.integers(1, 300))), int(rng.integers(2 * SECOND))) for _ in range(200)]
    pieces += [(bytes(rng.choice([*b"db infer 019%% \r\n\0\2"], 60).tolist()), 0) for _ in range(200)]
    (clip,) = clips(rng, 1)
    end = [b"\0" + encode(HELLO), load(clip) + b"infer 1 0%"]
    found = answers(said(built, *pieces, *end))
    infer, loaded, hello = found[-1], found[-2], found[-18 - 1]
    assert isinstance(hello, Frame)
    assert (hello.type, hello.sequence) == (Type.HELLO | REPLY, HELLO.sequence)
    assert loaded == ["m-load-done", READY]
    assert isinstance(infer, list)
    assert infer[-2] == mlperf.results(built.network, clip)
