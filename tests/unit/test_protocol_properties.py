"""What holds of frames and messages for all bytes that may come, without a device.

What the CRC is sure to notice in a frame, before the stuffing: its polynomial is (x + 1) times a primitive one of
degree 15. So every odd number of flipped bits; two of them, unless 32767 bits lie between, which takes a frame of 4096
bytes or more (some boards have 4102); and all flipped bits within 12 in a row (within 16, were its lower
byte not the first on the line). A bit that is flipped on the line is a bit of the frame unless it belongs to a code of
the stuffing, or makes a zero: then other bytes than a few come out, and one such frame in 65536 passes.
"""

import binascii
import contextlib
import itertools
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pqk import protocol
from pqk.protocol import BadFrame, Frame, FrameReader, cobs_encode, decode, encode

PERIOD = 32767
"""Bits between two that the CRC does not notice together."""
POLYNOMIAL = 0x11021
BURST = 12

frames = st.builds(
    Frame, st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=300), version=st.integers(1, 255)
)
noise = st.one_of(st.binary(max_size=300), st.binary(max_size=8).map(lambda some: 40 * some))
short = st.binary(max_size=5).map(lambda body: cobs_encode(body + binascii.crc_hqx(body, 0).to_bytes(2, "little")))
texts = st.lists(st.binary(max_size=20).map(lambda text: bytes([len(text)]) + text), max_size=4).map(b"".join)
streams = st.lists(st.one_of(noise, frames.map(encode), frames.map(lambda frame: encode(frame)[:-2])), max_size=8).map(
    b"".join
)


def stuffed(frame: Frame, flipped: set[int]) -> bytes:
    """The frame as it goes over the line, without its delimiter, some bits of it flipped before the stuffing."""
    body = bytearray(protocol.cobs_decode(encode(frame)[:-1]))
    for bit in flipped:
        body[bit // 8] ^= 0x80 >> bit % 8
    return cobs_encode(bytes(body))


def bits(frame: Frame) -> int:
    """Header, payload and CRC."""
    return 8 * (len(frame.payload) + 6)


@given(
    st.builds(
        Frame,
        st.integers(0, 255),
        st.integers(0, 65535),
        st.builds(bytes.__mul__, st.binary(max_size=20), st.integers(0, 500)),
        version=st.integers(1, 255),
    )
)
def test_every_frame_comes_back(frame: Frame) -> None:
    encoded = encode(frame)
    assert encoded.endswith(b"\0")
    assert b"\0" not in encoded[:-1]
    assert decode(encoded[:-1]) == frame


@settings(max_examples=300)
@given(st.one_of(noise, short, frames.map(lambda frame: encode(frame)[:-1])))
def test_any_bytes_are_a_frame_or_a_bad_one(data: bytes) -> None:
    try:
        frame = decode(data)
    except BadFrame:
        return
    assert decode(encode(frame)[:-1]) == frame


PARSERS = [
    (protocol.parse_hello, 46),
    (protocol.parse_result, 12),
    (protocol.parse_streamed, 22),
    (protocol.parse_settings, 8),
    (protocol.parse_stats, 0),
    (protocol.parse_error, 2),
    (protocol.parse_fault, 0),
]


@pytest.mark.parametrize(("parse", "before"), PARSERS)
@given(data=st.data())
def test_any_payload_is_a_message_or_a_bad_one(
    parse: Callable[[bytes], object], before: int, data: st.DataObject
) -> None:
    """Half of them begin with `before` zeros, so that the drawn bytes say how long what follows is."""
    small = st.lists(st.integers(0, 3), max_size=40).map(bytes)
    payload = data.draw(st.one_of(st.binary(max_size=80), small, texts))
    if data.draw(st.booleans()):
        payload = bytes(before) + payload
    with contextlib.suppress(BadFrame):
        parse(payload)


@given(streams, st.data(), st.sampled_from([7, 50, 131072]))
def test_cuts_of_a_stream_make_no_difference(stream: bytes, data: st.DataObject, largest: int) -> None:
    whole, pieces = FrameReader(largest), FrameReader(largest)
    places = [0, *sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30))), len(stream)]
    got = []
    for start, end in itertools.pairwise(places):
        got += pieces.feed(stream[start:end])
        assert len(pieces._pending) <= largest + 1
    assert got == whole.feed(stream)
    assert pieces.dropped == whole.dropped
    assert len(got) + whole.dropped == len(list(filter(None, stream.split(b"\0")[:-1])))


@given(streams, frames, st.booleans())
def test_a_zero_saves_a_frame_from_whatever_came_before(stream: bytes, frame: Frame, longer: bool) -> None:
    reader = FrameReader(largest=400)
    reader.feed(stream + b"\x55" * (500 * longer))
    assert reader.feed(b"\0" + encode(frame))[-1] == frame


@given(frames, st.data())
def test_an_odd_number_of_flipped_bits_is_noticed(frame: Frame, data: st.DataObject) -> None:
    flipped = data.draw(st.sets(st.integers(0, bits(frame) - 1), min_size=1, max_size=bits(frame)))
    odd = flipped if len(flipped) % 2 else set(sorted(flipped)[1:])
    with pytest.raises(BadFrame):
        decode(stuffed(frame, odd))


@given(frames, st.data())
def test_two_flipped_bits_and_short_bursts_are_noticed(frame: Frame, data: st.DataObject) -> None:
    two = data.draw(st.sets(st.integers(0, bits(frame) - 1), min_size=2, max_size=2))
    start, pattern = data.draw(st.integers(0, bits(frame) - BURST)), data.draw(st.integers(1, 2**BURST - 1))
    for flipped in (two, {start + place for place in range(BURST) if pattern >> place & 1}):
        with pytest.raises(BadFrame):
            decode(stuffed(frame, flipped))


def codes_in(encoded: bytes) -> list[int]:
    """Places of the stuffing's codes in a frame on the line."""
    places = [0]
    while encoded[places[-1] + encoded[places[-1]]]:
        places.append(places[-1] + encoded[places[-1]])
    return places


@given(frames, st.data())
def test_a_bit_flipped_on_the_line_is_noticed(frame: Frame, data: st.DataObject) -> None:
    """Where it is no code of the stuffing, and makes no zero."""
    encoded = bytearray(encode(frame))
    place = data.draw(st.sampled_from(sorted({*range(len(encoded) - 1)} - {*codes_in(encoded)})))
    encoded[place] ^= data.draw(st.sampled_from([1 << bit for bit in range(8) if encoded[place] != 1 << bit]))
    reader = FrameReader()
    assert reader.feed(bytes(encoded)) == []
    assert reader.dropped == 1


@given(frames, st.integers(1, 255))
def test_a_last_block_that_is_not_whole_is_noticed(frame: Frame, more: int) -> None:
    encoded = bytearray(encode(frame)[:-1])
    last = codes_in(encoded + b"\0")[-1]
    encoded[last] = min(encoded[last] + more, 255)
    assume(bytes(encoded) != encode(frame)[:-1])
    with pytest.raises(BadFrame):
        decode(bytes(encoded))


def test_two_bits_that_the_crc_does_not_notice() -> None:
    """The powers of x come round after PERIOD of them and not before."""
    power, period = 2, 1
    while power != 1:
        power = power << 1 ^ (POLYNOMIAL if power & 0x8000 else 0)
        period += 1
    assert period == PERIOD
    frame = Frame(1, 2, bytes(4096))
    assert decode(stuffed(frame, {8, 8 + PERIOD})) != frame
    with pytest.raises(BadFrame):
        decode(stuffed(frame, {8, 7 + PERIOD}))
