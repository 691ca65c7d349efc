"""What comes over a serial line, be it of ours or not: frames, and lines of text or noise between them."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pqk_codegen.decision import ONE, Settings

from pqk.protocol import (
    DELIMITER,
    LONGEST,
    REPLY,
    VERSION,
    BadFrame,
    Frame,
    Hello,
    Result,
    Stats,
    Streamed,
    Type,
    decode,
    parse_error,
    parse_fault,
    parse_hello,
    parse_result,
    parse_settings,
    parse_stats,
    parse_streamed,
    type_name,
)

WIDTH = 64  # bytes of text or noise in a line that is shown
READABLE = 0.9  # share of printable characters in a text; of random bytes it is 0.38
SHORTEST_TEXT = 8  # bytes; fewer may be readable by chance

_NEWLINE = b"\n"
_VERSIONS = range(1, 8)
"""A frame's second byte is its version, as no text's is. In a frame a newline means nothing."""
_TEXT = frozenset(b"\t\r\n") | frozenset(range(0x20, 0x7F))


class Traffic:
    """Cuts a stream of bytes into frames and what is none. How it arrives, in which pieces, makes no difference."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Frame | bytes]:
        """What `data` completes: frames, lines of text without their end, and noise."""
        self._pending += data
        found: list[Frame | bytes] = []
        while (size := self._complete()) is not None:
            part = bytes(self._pending[:size])
            del self._pending[:size]
            found += _items(part)
        return found

    def flush(self) -> list[Frame | bytes]:
        """What has come of something that does not go on."""
        part, self._pending = bytes(self._pending), bytearray()
        return _items(part)

    def _complete(self) -> int | None:
        """How many bytes at the beginning belong together; None where the end has not come yet."""
        if len(self._pending) < 2:  # of which the second one tells
            return None
        ends = DELIMITER if self._pending[1] in _VERSIONS else DELIMITER + _NEWLINE
        places = [place for end in ends if (place := self._pending.find(end, 0, LONGEST)) >= 0]
        if places:
            return min(places) + 1
        return LONGEST if len(self._pending) >= LONGEST else None


def _items(part: bytes) -> list[Frame | bytes]:
    if part.endswith(DELIMITER):
        with suppress(BadFrame):
            return [decode(part[: -len(DELIMITER)])]
    text = part.strip(DELIMITER + _NEWLINE + b"\r")
    return [text] if text else []


def readable(data: bytes) -> bool:
    """Whether `data` looks like text that somebody wrote."""
    return len(data) >= SHORTEST_TEXT and sum(byte in _TEXT for byte in data) >= READABLE * len(data)


def escaped(data: bytes) -> str:
    """`data` as text; what is not printable ASCII as in Python."""
    return data.decode("latin-1").encode("unicode_escape").decode("ascii")


def described(item: Frame | bytes) -> list[str]:
    """Lines for a person: of a frame its type, number and meaning."""
    if isinstance(item, bytes):
        return [escaped(item[start : start + WIDTH]) for start in range(0, len(item), WIDTH)]
    return [f"{type_name(item.type)} {item.sequence}: {_meaning(item)}"]


def _meaning(frame: Frame) -> str:
    if frame.version != VERSION:
        return f"{len(frame.payload)} bytes in version {frame.version} of the protocol, not {VERSION}"
    parse, tell = _MESSAGES.get(frame.type, (_nothing, str))
    try:
        return tell(parse(frame.payload))
    except BadFrame as error:
        return f"makes no sense: {error}"


def _nothing(payload: bytes) -> str:
    return f"{len(payload)} bytes"


def _hello(hello: Hello) -> str:
    stuck = f", waited in vain in step {hello.stuck_setup} of its set-up" if hello.stuck_setup else ""
    return (
        f"{hello.board}, build {hello.build_id}, timer {hello.timer} at {hello.timer_hz:,} Hz,"
        f" flash {hello.flash:,} B, RAM {hello.ram:,} B, frames of {hello.largest_payload:,} B{stuck}"
    )


def _result(result: Result) -> str:
    return f"logits {list(result.logits)}, {result.ticks:,} ticks, front end {result.front_end_ticks:,}"


def _stats(stats: Stats) -> str:
    return (
        f"{stats.inferences:,} inferences, {stats.stack_high_water:,} B of stack used,"
        f" {stats.dropped_frames:,} damaged frames dropped"
    )


def _streamed(streamed: Streamed) -> str:
    heard = "".join(f"; output {one.word} at {one.score / ONE:.3f}" for one in streamed.detections)
    return f"{streamed.samples:,} samples, {streamed.inferences:,} inferences, peak {streamed.peak:,}{heard}"


def _settings(settings: Settings) -> str:
    return (
        f"thresholds {list(settings.thresholds)}, {settings.smoothing} averaged, one every {settings.stride} frames,"
        f" {settings.refractory:,} samples of rest"
    )


# What a frame's payload is parsed with, and the text of what that gives.
_MESSAGES: dict[int, tuple[Callable[[bytes], Any], Callable[[Any], str]]] = {
    Type.HELLO | REPLY: (parse_hello, _hello),
    Type.RUN | REPLY: (parse_result, _result),
    Type.STATS | REPLY: (parse_stats, _stats),
    Type.STREAM | REPLY: (parse_streamed, _streamed),
    Type.SETTINGS | REPLY: (parse_settings, _settings),
    Type.ERROR: (parse_error, lambda error: f"{error.text} (error {error.code})"),
    Type.FAULT: (parse_fault, lambda fault: fault.describe()),
}
