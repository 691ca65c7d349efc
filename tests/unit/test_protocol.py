"""Frames and messages, without a device."""

import dataclasses
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pqk_codegen.decision import Detection, Settings

from pqk import protocol
from pqk.protocol import BadFrame, Fault, Frame, FrameReader, Type

# Checked by hand. CRC16-XMODEM of "123456789" is 0x31C3, the check value of every catalogue of CRCs.
GOLDEN_FRAMES = [
    # version, type, sequence low, high: 04 01 34 12; its CRC is 0x06E3
    (Frame(Type.HELLO, 0x1234), "07 04 01 34 12 E3 06 00"),
    # 04 03 00 00: the two zeros of the sequence number become the codes 03, 01; CRC 0x93A1
    (Frame(Type.RUN, 0), "03 04 03 01 03 A1 93 00"),
    # 04 02 05 00 | 00 00 00 00 | 0A 0B: an INPUT of two features from offset 0; CRC 0x7D4C
    (Frame(Type.INPUT, 5, protocol.input_payload(0, b"\x0a\x0b")), "04 04 02 05 01 01 01 01 05 0A 0B 4C 7D 00"),
]

GOLDEN_COBS = [
    (b"", "01"),
    (b"\x00", "01 01"),
    (b"\x00\x00", "01 01 01"),
    (b"\x11\x22\x00\x33", "03 11 22 02 33"),
    (b"\x11\x00\x00\x00", "02 11 01 01 01"),
    (bytes(range(1, 255)), "FF " + bytes(range(1, 255)).hex()),
    (bytes(range(0, 255)), "01 FF " + bytes(range(1, 255)).hex()),
    (bytes(range(1, 256)), "FF " + bytes(range(1, 255)).hex() + " 02 FF"),
    (bytes(range(1, 255)) + b"\x00", "FF " + bytes(range(1, 255)).hex() + " 01 01"),
]

frames = st.builds(
    Frame, st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=700), version=st.integers(1, 255)
)


@pytest.mark.parametrize(("frame", "encoded"), GOLDEN_FRAMES)
def test_golden_frames(frame: Frame, encoded: str) -> None:
    assert protocol.encode(frame) == bytes.fromhex(encoded)
    assert protocol.decode(bytes.fromhex(encoded)[:-1]) == frame


@pytest.mark.parametrize(("plain", "encoded"), GOLDEN_COBS)
def test_golden_cobs(plain: bytes, encoded: str) -> None:
    assert protocol.cobs_encode(plain) == bytes.fromhex(encoded)
    assert protocol.cobs_decode(bytes.fromhex(encoded)) == plain


@given(st.binary(max_size=2000))
def test_cobs_has_no_zeros_and_comes_back(data: bytes) -> None:
    encoded = protocol.cobs_encode(data)
    assert b"\0" not in encoded
    assert len(encoded) <= len(data) + 1 + len(data) // 254
    assert protocol.cobs_decode(encoded) == data


@given(st.lists(frames, max_size=5), st.integers(1, 50))
def test_frames_come_back_however_the_stream_is_cut(sent: list[Frame], size: int) -> None:
    stream = b"".join(map(protocol.encode, sent))
    reader = FrameReader()
    got = [frame for at in range(0, len(stream), size) for frame in reader.feed(stream[at : at + size])]
    assert got == sent
    assert reader.dropped == 0


@given(frames, st.data())
def test_a_frame_with_a_flipped_bit_is_not_taken(frame: Frame, data: st.DataObject) -> None:
    """That no other one is taken in its place is not certain: test_protocol_properties.py says when it is."""
    encoded = bytearray(protocol.encode(frame)[:-1])
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= 1 << data.draw(st.integers(0, 7))
    assert frame not in FrameReader().feed(bytes(encoded) + b"\0")


@given(st.binary(max_size=600), frames)
def test_a_delimiter_saves_a_frame_from_noise_before_it(noise: bytes, frame: Frame) -> None:
    assert FrameReader().feed(noise + b"\0" + protocol.encode(frame))[-1] == frame


def test_zeros_are_no_frame() -> None:
    # Their CRC is 0, too, so it alone would let them pass; no version has the number 0.
    with pytest.raises(BadFrame, match="zeros"):
        protocol.decode(b"\x01" * 8)


def test_noise_without_end_is_not_collected() -> None:
    reader = FrameReader(largest=100)
    for _ in range(50):
        assert reader.feed(b"\x55" * 99) == []
    assert len(reader._pending) <= 199
    assert reader.feed(b"\0" + protocol.encode(Frame(1, 2))) == [Frame(1, 2)]


@pytest.mark.parametrize(
    "parse",
    [
        protocol.parse_hello,
        protocol.parse_result,
        protocol.parse_stats,
        protocol.parse_error,
        protocol.parse_fault,
        protocol.parse_streamed,
        protocol.parse_settings,
    ],
)
def test_payloads_cut_short_are_refused(parse) -> None:  # type: ignore[no-untyped-def]
    hello = struct.pack("<HHHIIIIIIIIIHHH", *range(15)) + b"\x02ab\x01c\x00"
    result = struct.pack("<IIIHIIH2i", 9, 1, 3, 2, 4, 5, 2, -1, 2**31 - 1)
    whole = {
        protocol.parse_hello: hello,
        protocol.parse_result: result,
        protocol.parse_stats: bytes(12),
        protocol.parse_error: b"\x05\x00\x03abc",
        protocol.parse_fault: bytes(36),
        protocol.parse_streamed: struct.pack("<IIIIIHBBHQ", *range(6), 1, 7, 8, 9),
        protocol.parse_settings: struct.pack("<HHIH3H", 1, 2, 3, 3, 4, 5, 6),
    }[parse]
    parse(whole)
    for size in range(len(whole)):
        with pytest.raises(BadFrame):
            parse(whole[:size])


def test_result() -> None:
    payload = struct.pack("<IIIHIIH2i", 9, 8, 2**32 - 7, 2, 4, 5, 2, -1, 2**31 - 1)
    assert protocol.parse_result(payload) == protocol.Result(9, 8, 2**32 - 7, (4, 5), (-1, 2**31 - 1))
    with pytest.raises(BadFrame, match="2 layers and 2 outputs"):
        protocol.parse_result(payload + b"\0")


def test_streamed() -> None:
    detections = struct.pack("<BHQBHQ", 255, 32768, 2**64 - 1, 0, 0, 0)
    payload = struct.pack("<IIIIIHB", 1, 2, 3, 4, 5, 32768, 2) + detections
    expected = (Detection(255, 32768, 2**64 - 1), Detection(0, 0, 0))
    assert protocol.parse_streamed(payload) == protocol.Streamed(1, 2, 3, 4, 5, 32768, expected)
    with pytest.raises(BadFrame, match="2 detections in 23 bytes"):
        protocol.parse_streamed(payload + b"\0")


@given(
    st.lists(st.integers(0, 65535), max_size=300),
    st.integers(1, 32),
    st.integers(1, 65535),
    st.integers(0, 2**32 - 1),
)
def test_settings(thresholds: list[int], smoothing: int, stride: int, refractory: int) -> None:
    settings = Settings(tuple(thresholds), smoothing, stride, refractory)
    payload = protocol.settings_payload(settings)
    assert protocol.parse_settings(payload) == settings
    with pytest.raises(BadFrame, match="thresholds in"):
        protocol.parse_settings(payload + b"\0")


def test_settings_that_no_device_has() -> None:
    with pytest.raises(BadFrame, match="smoothing = 0"):
        protocol.parse_settings(struct.pack("<HHIH", 0, 1, 0, 0))


def test_payloads_of_audio() -> None:
    assert protocol.audio_payload(0x01020304, b"\x05\x06") == b"\x04\x03\x02\x01\x05\x06"
    assert protocol.stream_payload(0x01020304, b"\x05\x06") == b"\x04\x03\x02\x01\0\0\0\0\x05\x06"
    assert protocol.stream_payload(0, b"", begins=True) == b"\0\0\0\0\1\0\0\0"


def test_hello() -> None:
    payload = struct.pack("<HHHIIIIIIIIIHHH", *range(1, 16)) + b"\x05board\x04id42\x05timer"
    hello = protocol.parse_hello(payload)
    assert (hello.board, hello.build_id, hello.timer) == ("board", "id42", "timer")
    assert (hello.free_sequence, hello.outputs, hello.layers) == (1, 2, 3)
    assert (hello.largest_payload, hello.input_bytes, hello.timer_hz) == (4, 5, 6)
    assert (hello.flash, hello.ram, hello.stack, hello.arena) == (7, 8, 9, 10)
    assert (hello.clip_samples, hello.sample_rate, hello.hop) == (11, 12, 13)
    assert (hello.in_flight, hello.stuck_setup) == (14, 15)


def test_a_fault_is_told_in_words() -> None:
    fault = Fault(
        3, pc=0x1234, lr=0x5679, xpsr=0x81000000, sp=0x20000F00, cfsr=0x8200, hfsr=1 << 30, mmfar=0, bfar=0xA0
    )
    assert "HardFault" in fault.describe()
    assert "no memory where data was read" in fault.describe()
    assert "address 0x000000a0" in fault.describe()
    assert "pc=0x00001234" in fault.describe()
    assert "overflow" not in fault.describe()
    assert "stack overflow" in Fault(3, 0, 0, 0, 0x1FFFFFE0, 0, 0, 0, 0).describe()


def test_a_core_that_records_no_cause() -> None:
    """ARMv6-M has no fault status: what is known is the registers, and the Thumb bit of xPSR."""
    fault = Fault(3, 0x1234, 0x5678, 0x01000000, 0x20000400, 0, 0, 0, 0)
    assert "HardFault: this core (ARMv6-M) records no cause" in fault.describe()
    assert "pc=0x00001234" in fault.describe()
    assert "without the Thumb bit" in dataclasses.replace(fault, xpsr=0x60000000).describe()
    assert "no cause" not in dataclasses.replace(fault, xpsr=0).describe()
    assert "ARMv6-M" not in dataclasses.replace(fault, hfsr=1 << 30).describe()
