"""Streams of any bytes: the firmware's parser takes the frames that the Python one takes, and drops as many."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from test_protocol_c import PAYLOAD, error_code, program, stream, talk

from pqk import protocol
from pqk.protocol import REPLY, ErrorCode, Frame, FrameReader, Type, encode

__all__ = ["program"]  # the fixture

noise = st.one_of(st.binary(max_size=60), st.builds(bytes.__mul__, st.binary(max_size=9), st.integers(0, 150)))
payloads = st.one_of(
    st.just(b""),
    st.binary(max_size=30),
    st.builds(lambda byte, size: bytes([byte]) * size, st.integers(0, 255), st.integers(PAYLOAD - 6, PAYLOAD + 3)),
)
numbers = st.integers(0, 65535)
hellos = st.builds(Frame, st.just(Type.HELLO), numbers, payloads)
frames = st.builds(Frame, st.integers(0, 255), numbers, payloads, version=st.integers(0, 255)).map(encode)
cut = st.builds(lambda data, at: data[:at], st.one_of(hellos.map(encode), frames), st.integers(0, 1100))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A HELLO on the line with one byte that may be another one."""
    data = bytearray(encode(draw(hellos)))
    data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


pieces = st.one_of(noise, hellos.map(encode), hellos.map(encode), frames, cut, damaged())


@settings(max_examples=150)
@given(st.lists(pieces, max_size=12).map(b"".join))
def test_both_sides_take_the_same_frames(program: Path, line: bytes) -> None:
    reader = FrameReader()
    taken = [frame for frame in reader.feed(line + b"\0") if len(frame.payload) <= PAYLOAD]
    replies = talk(program, line + b"\0" + stream(Frame(Type.HELLO, 7)))
    following = protocol.parse_hello(replies[-1].payload).free_sequence
    *replies, _, stats = talk(program, line + b"\0" + stream(Frame(Type.HELLO, 7), Frame(Type.STATS, following)))
    told = [reply.sequence for reply in replies if reply.type == Type.HELLO | REPLY]
    mine = [frame for frame in taken if frame.version == protocol.VERSION]
    assert told == [frame.sequence for frame in mine if frame.type == Type.HELLO]
    answered = [reply for reply in replies if reply.type != Type.ERROR or error_code(reply) != ErrorCode.ORDER]
    assert {reply.sequence for reply in answered} <= {frame.sequence for frame in taken}
    chunks = list(filter(None, line.split(b"\0")))
    assert protocol.parse_stats(stats.payload).dropped_frames == len(chunks) - len(taken)
