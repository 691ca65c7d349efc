"""Bytes from a line become frames and text, however they are cut into pieces, and frames become words."""

import struct

import numpy as np
import pytest
from support import seeds
from support.simulated import SimulatedDevice, text

from pqk import traffic
from pqk.protocol import DELIMITER, REPLY, VERSION, Frame, Type, encode
from pqk.traffic import Traffic, described, escaped, readable

Items = list[Frame | bytes]


def cut(rng: np.random.Generator, data: bytes) -> list[bytes]:
    """`data` in pieces of random sizes, some of them empty."""
    places = np.sort(rng.integers(0, len(data) + 1, int(rng.integers(0, 30)))).tolist()
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def taken(pieces: list[bytes]) -> Items:
    reader = Traffic()
    return [item for piece in pieces for item in reader.feed(piece)] + reader.flush()


def random_frame(rng: np.random.Generator) -> Frame:
    """Its payload is full of newlines and zeros."""
    payload = rng.choice([0, 10, 13, 65, 255], int(rng.integers(0, 300))).astype(np.uint8).tobytes()
    return Frame(int(rng.integers(0, 256)), int(rng.integers(0, 65536)), payload)


def random_line(rng: np.random.Generator) -> bytes:
    return bytes(rng.integers(0x20, 0x7F, int(rng.integers(1, 90)), dtype=np.uint8))


def test_frames_and_text_in_any_pieces() -> None:
    rng = seeds.fresh("traffic")
    for _ in range(100):
        sent: Items = []
        stream = b""
        for _ in range(int(rng.integers(1, 12))):
            if rng.random() < 0.5:
                sent.append(random_frame(rng))
                # As the firmware does: a delimiter on either side.
                stream += DELIMITER + encode(sent[-1])  # type: ignore[arg-type]
            else:
                sent.append(random_line(rng))
                stream += sent[-1] + (b"\r\n" if rng.random() < 0.5 else b"\n")  # type: ignore[operator]
        assert taken(cut(rng, stream)) == sent
        assert taken([bytes([byte]) for byte in stream]) == sent


def test_noise_in_any_pieces() -> None:
    rng = seeds.fresh("noise")
    for _ in range(200):
        stream = rng.choice([0, 1, 2, 10, 13, 65, 200], int(rng.integers(0, 200))).astype(np.uint8).tobytes()
        whole = taken([stream])
        assert taken(cut(rng, stream)) == whole
        told = b"".join(item for item in whole if isinstance(item, bytes))
        # Nothing is lost but what ends lines and frames.
        if all(isinstance(item, bytes) for item in whole):
            assert told.translate(None, b"\0\r\n") == stream.translate(None, b"\0\r\n")


def test_text_before_a_frame_does_not_spoil_it() -> None:
    frame = Frame(Type.STATS | REPLY, 10, struct.pack("<III", 10, 10, 10))
    assert taken([b"boot" + DELIMITER + encode(frame)]) == [b"boot", frame]
    assert taken([b"boot\n" + encode(frame)]) == [b"boot", frame]


def test_a_damaged_frame_is_shown_as_it_came() -> None:
    spoilt = bytearray(encode(Frame(Type.HELLO | REPLY, 3, b"abc")))
    spoilt[-3] ^= 1
    assert taken([bytes(spoilt)]) == [bytes(spoilt[:-1])]


def test_what_never_ends_is_shown_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "LONGEST", 100)
    rng = seeds.fresh("endless")
    noise = rng.integers(128, 256, 950, dtype=np.uint8).tobytes()
    reader = Traffic()
    parts = [part for piece in cut(rng, noise) for part in reader.feed(piece)]
    assert parts == [noise[start : start + 100] for start in range(0, 900, 100)]
    assert reader.flush() == [noise[900:]]


def test_what_stops_in_the_middle_is_shown() -> None:
    reader = Traffic()
    assert reader.feed(b"login: ") == []
    assert reader.flush() == [b"login: "]
    assert reader.flush() == []


# ---- in words ----


def test_text_and_noise() -> None:
    assert described(b"tab\there \\ \xc3\xa9") == [r"tab\there \\ \xc3\xa9"]
    lines = described(bytes(range(128, 256)))
    assert [len(line) for line in lines] == [4 * traffic.WIDTH] * (128 // traffic.WIDTH)
    assert escaped(b"\0") == r"\x00"


def test_what_is_readable() -> None:
    rng = seeds.fresh("readable")
    assert readable(b"Zephyr OS v3.7\r\n")
    assert readable(b"\xffZephyr OS v3.7\r\n")
    assert not readable(b"OK")
    assert not any(readable(rng.integers(0, 256, 60, dtype=np.uint8).tobytes()) for _ in range(50))


def reply(kind: int, payload: bytes) -> str:
    (line,) = described(Frame(kind, 7, payload))
    return line


def test_a_clock_that_did_not_start_is_told() -> None:
    numbers = struct.pack("<HHHIIIIIIIIIHHH", *range(15))
    assert reply(Type.HELLO | REPLY, numbers + b"\x03toy\x00\x00").endswith("waited in vain in step 14 of its set-up")


def test_replies_of_a_device() -> None:
    device = SimulatedDevice(board="toy", build_id="cafe")
    (hello,) = taken([device.receive(encode(Frame(Type.HELLO, 9)))])
    (line,) = described(hello)
    assert line.endswith(" B")
    assert line.startswith("HELLO reply 9: toy, build cafe, timer toy timer at 1,000 Hz")
    (stats,) = taken([device.receive(encode(Frame(Type.STATS, 1)))])
    assert described(stats) == ["STATS reply 1: 0 inferences, 512 B of stack used, 0 damaged frames dropped"]
    (settings,) = taken([device.receive(encode(Frame(Type.SETTINGS, 2)))])
    assert described(settings) == [
        "SETTINGS reply 2: thresholds [100, 200, 65535], 3 averaged, one every 10 frames, 16,000 samples of rest"
    ]
    audio = struct.pack("<II3h", 0, 1, 5, 1234, -7)
    (streamed,) = taken([device.receive(encode(Frame(Type.STREAM, 3, audio)))])
    assert described(streamed) == ["STREAM reply 3: 3 samples, 0 inferences, peak 1,234; output 1 at 0.916"]
    (refused,) = taken([device.receive(encode(Frame(Type.RUN, 4)))])
    assert described(refused) == ["ERROR 4: no input (error 5)"]


def test_a_result_and_a_fault() -> None:
    payload = struct.pack("<IIIHII", 70, 500, 1, 2, 30, 40) + struct.pack("<H3i", 3, -5, 6, 7)
    assert reply(Type.RUN | REPLY, payload) == "RUN reply 7: logits [-5, 6, 7], 70 ticks, front end 500"
    fault = struct.pack("<9I", 3, 0x1234, 0, 1 << 24, 0, 1 << 9 | 1 << 15, 1 << 30, 0, 0x40000000)
    told = reply(Type.FAULT, fault)
    assert told.startswith(
        "FAULT 7: HardFault: PRECISERR: no memory where data was read or written; address 0x40000000"
    )
    assert "pc=0x00001234" in told


def test_frames_that_cannot_be_parsed() -> None:
    assert reply(Type.HELLO | REPLY, b"short").startswith("HELLO reply 7: makes no sense: a payload of 5 bytes")
    assert reply(Type.INPUT | REPLY, b"abc") == "INPUT reply 7: 3 bytes"
    assert reply(0x33, b"") == "frame of type 0x33 7: 0 bytes"
    assert reply(Type.ERROR, struct.pack("<H", 2) + text("unknown request")) == "ERROR 7: unknown request (error 2)"
    (other,) = described(Frame(Type.HELLO | REPLY, 7, b"abc", VERSION + 1))
    assert other == f"HELLO reply 7: 3 bytes in version {VERSION + 1} of the protocol, not {VERSION}"
