"""Requests and replies over a line that loses and damages them, several requests on their way at a time.

The rules stand in firmware/protocol.h: the device carries requests out in the order of their numbers, each once, so all
that is needed here is to send again what got lost.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from secrets import randbelow
from typing import TypeVar

from pqk.errors import LinkError, LinkLost
from pqk.links import Link, until_quiet
from pqk.protocol import (
    DELIMITER,
    REPLY,
    SEQUENCES,
    VERSION,
    BadFrame,
    ErrorCode,
    Frame,
    FrameReader,
    Type,
    encode,
    parse_error,
    parse_fault,
    type_name,
)

BITS_PER_BYTE = 10  # on the line: start, eight, stop
REPLY_TIMEOUT_S = 1.0  # on top of the time that the bytes take
REPLY_ATTEMPTS = 8

_Message = TypeVar("_Message")


class SessionLost(Exception):
    """The device does not know this session: it was reset, or another program has talked to it."""


class Refused(LinkError):
    """The device will not carry a request out; `code` is one of `pqk.protocol.ErrorCode`."""

    def __init__(self, message: str, hint: str, code: int) -> None:
        super().__init__(message, hint)
        self.code = code


@dataclass(frozen=True)
class Request:
    """What the device is asked, and how patiently."""

    type: Type
    payload: bytes = b""
    timeout: float = REPLY_TIMEOUT_S
    """Seconds until it is sent again, on top of those that the bytes on the line take."""
    attempts: int = REPLY_ATTEMPTS


class _Flight:
    """Requests with consecutive numbers: `answered` of them have been, `sent` of them were sent."""

    def __init__(self, first: int, requests: Sequence[Request]) -> None:
        self._first = first
        self.requests = requests
        # The leading delimiter ends whatever stray bytes the device may have seen.
        self.messages = [
            DELIMITER + encode(Frame(request.type, (first + place) % SEQUENCES, request.payload))
            for place, request in enumerate(requests)
        ]
        self.answered = self.sent = 0
        self.repeated: int | None = None
        """From where was sent again since the last silence, so that a second complaint of the same is not heeded."""

    @property
    def awaited(self) -> Request:
        """The first that has no answer."""
        return self.requests[self.answered]

    def place(self, sequence: int) -> int | None:
        """Which of the requests that were sent has that number."""
        place = (sequence - self._first) % SEQUENCES
        return place if place < self.sent else None

    def bytes_on_the_line(self) -> int:
        return sum(map(len, self.messages[self.answered : self.sent]))

    def go_on_from(self, place: int) -> None:
        """All before `place` were carried out, what follows is to be sent again; once between silences."""
        if place >= self.answered and place != self.repeated:
            self.answered = self.sent = self.repeated = place

    def silence(self) -> None:
        """Nothing came for so long that all is to be sent again."""
        self.sent, self.repeated = self.answered, None


class Conversation:
    """The host's side of one."""

    def __init__(self, link: Link, *, who: str, baud: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Talk over an open `link` at `baud` bits per second to `who`, for messages; `clock` in seconds."""
        self._link, self._who, self._baud, self._clock = link, who, baud, clock
        self._reader = FrameReader()
        self._next: int | None = None
        self._in_flight = 1
        self._last_seen = "nothing"

    def settle(self) -> None:
        """Throw away what is on the line already."""
        if data := until_quiet(self._link, self._clock):
            self._last_seen = f"bytes that are no frame ({data[-40:]!r})"

    def hello(self, timeout: float, attempts: int) -> Frame:
        """The reply to HELLO. Raises LinkError, see `ask`."""
        # The number is drawn so that a reply to another program's HELLO is not taken for ours.
        return self._exchange(randbelow(SEQUENCES), [Request(Type.HELLO, b"", timeout, attempts)])

    def begin(self, sequence: int, in_flight: int) -> None:
        """The next request has this number, and so many may be on their way; HELLO tells it."""
        self._next, self._in_flight = sequence, max(1, in_flight)

    def ask(self, *requests: Request) -> Frame:
        """The reply to the last of some requests, all of which the device carries out once, in this order.

        Raises:
            SessionLost: the device was reset, or an earlier call has failed; HELLO begins anew.
            LinkLost: it does not answer.
            Refused: it will not carry one of them out.
            LinkError: it has faulted, or speaks another version of the protocol.
        """
        first, self._next = self._next, None  # what ends this early leaves requests behind that may still come
        if first is None:
            raise SessionLost
        try:
            reply = self._exchange(first, requests)
        except Refused:
            if len(requests) == 1:  # nothing is left behind
                self._next = (first + 1) % SEQUENCES
            raise
        self._next = (first + len(requests)) % SEQUENCES
        return reply

    def parsed(self, parse: Callable[[bytes], _Message], frame: Frame) -> _Message:
        """What `parse` makes of the payload. Raises LinkError when that is not what it should be."""
        try:
            return parse(frame.payload)
        except BadFrame as error:
            raise LinkError(
                f"{self._who} sent a {type_name(frame.type)} that makes no sense: {error}", "pqk-mcu flash"
            ) from error

    def _exchange(self, first: int, requests: Sequence[Request]) -> Frame:
        flight = _Flight(first, requests)
        silences = 0
        while silences < flight.awaited.attempts:
            while flight.sent < min(len(requests), flight.answered + self._in_flight):
                self._link.write(flight.messages[flight.sent])
                flight.sent += 1
            before = flight.answered
            reply, heard = self._listen(flight)
            if reply is not None:
                return reply
            if flight.answered > before:
                silences = 0
            elif not heard:
                silences += 1
                flight.silence()
        raise self._gone(flight)

    def _listen(self, flight: _Flight) -> tuple[Frame | None, bool]:
        """The last request's reply, or None; and whether anything was heard by which to go on."""
        wait = flight.awaited.timeout + flight.bytes_on_the_line() * BITS_PER_BYTE / self._baud
        deadline = self._clock() + wait
        before = flight.answered, flight.sent
        while (left := deadline - self._clock()) > 0:
            dropped = self._reader.dropped
            for frame in self._reader.feed(self._link.read(left)):
                if self._answers(frame, flight):
                    return frame, True
            if self._reader.dropped > dropped:  # it may have been a reply
                flight.go_on_from(flight.answered)
            if (flight.answered, flight.sent) != before:
                return None, True
        return None, False

    def _answers(self, frame: Frame, flight: _Flight) -> bool:
        """Take note of a frame; whether it is the last request's reply. Stale and foreign ones are nothing."""
        self._check(frame, flight)
        self._last_seen = f"{type_name(frame.type)} number {frame.sequence}"
        place = flight.place(frame.sequence)
        if frame.type == Type.ERROR:
            self._refused(frame, place, flight)
        elif place is not None and frame.type == flight.requests[place].type | REPLY:
            flight.answered = max(flight.answered, place + 1)
            return flight.answered == len(flight.requests)
        return False

    def _check(self, frame: Frame, flight: _Flight) -> None:
        if frame.version != VERSION:
            raise LinkError(
                f"the firmware of {self._who} speaks version {frame.version} of the protocol, this program {VERSION}",
                "pqk-mcu build, then pqk-mcu flash",
            )
        if frame.type == Type.FAULT:
            fault = self.parsed(parse_fault, frame)
            raise LinkError(
                f"{self._who} has stopped in {flight.awaited.type.name}: {fault.describe()}",
                f"in its build: arm-none-eabi-addr2line -f -e firmware/firmware.elf {fault.pc:#x}; reset the board",
            )

    def _refused(self, frame: Frame, place: int | None, flight: _Flight) -> None:
        error = self.parsed(parse_error, frame)
        if place is None:
            return
        kind = flight.requests[place].type
        if error.code == ErrorCode.ORDER:
            flight.go_on_from(place)
        elif error.code != ErrorCode.SESSION:
            text = f"{self._who} refuses {kind.name}: {error.text} (error {error.code})"
            raise Refused(text, "pqk-mcu flash", error.code)
        elif kind is not Type.HELLO:
            raise SessionLost

    def _gone(self, flight: _Flight) -> LinkLost:
        awaited, dropped = flight.awaited, self._reader.dropped
        noise = f"; {dropped} damaged frames" if dropped else ""
        return LinkLost(
            f"{self._who} does not answer {awaited.type.name}"
            f" ({awaited.attempts} times {awaited.timeout:.1f} s; last seen: {self._last_seen}{noise})",
            "pqk-mcu doctor says why; pqk-mcu flash puts this firmware on the board",
        )
