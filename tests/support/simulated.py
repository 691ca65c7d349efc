"""A device in Python behind a line that loses, doubles and damages what it carries."""

import binascii
import hashlib
import struct
from collections.abc import Callable, Iterable

from pqk.protocol import REPLY, VERSION, Frame, FrameReader, Type, encode

OUTPUTS, LAYERS, INPUT_BYTES, PAYLOAD = 3, 2, 150, 64
CLIP_SAMPLES, RATE, HOP = 201, 16_000, 10
DEFAULTS = struct.pack("<HHIH3H", 3, 10, 16000, OUTPUTS, 100, 200, 65535)
WRAPPED = 2**32 - 50
"""What the ticks of a stream begin with, so that they wrap."""


def answer(features: bytes) -> tuple[int, ...]:
    """Logits that depend on every byte and its place."""
    return struct.unpack("<3i", hashlib.blake2b(features, digest_size=12).digest())


def text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()


class Clock:
    """Seconds that pass only when somebody waits, so that timeouts cost a test nothing."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class SimulatedDevice:
    """The device's half of the protocol, written from firmware/protocol.h. `runs` counts inferences.

    Its front end makes samples into their bytes, and it detects output 1 at every sample of the value 1234.
    """

    def __init__(
        self,
        build_id: str = "cafe",
        board: str = "toy",
        audio: bool = True,
        *,
        input_bytes: int = INPUT_BYTES,
        payload: int = PAYLOAD,
        in_flight: int = 4,
    ) -> None:
        self.build_id, self.board, self.audio = build_id, board, audio
        self.input_bytes, self.payload, self.in_flight = input_bytes, payload, in_flight
        self.reader = FrameReader()
        self.runs: list[bytes] = []
        self.requests: list[Frame] = []
        self.reset()

    def reset(self) -> None:
        self.session, self.last, self.kept, self.dropped = False, 0, b"", self.reader.dropped
        self.settings = DEFAULTS
        self._forget()

    def _forget(self) -> None:
        self.input, self.clip, self.stream = b"", b"", None

    def receive(self, data: bytes) -> bytes:
        replies = []
        for chunk in data.split(b"\0")[:-1]:
            replies += [self._respond(frame) for frame in self.reader.feed(chunk + b"\0")]
            if self.reader.dropped > self.dropped:
                self.dropped = self.reader.dropped
                replies += [self._next()] if self.session else []
        self.reader.feed(data.split(b"\0")[-1])
        return b"".join(b"\0" + reply for reply in replies if reply)

    def _respond(self, frame: Frame) -> bytes:
        self.requests.append(frame)
        if frame.type == Type.HELLO:
            self.session, self.kept = True, b""
            self._forget()
            audio = (CLIP_SAMPLES, RATE, HOP) if self.audio else (0, 0, 0)
            numbers = (
                (self.last + 1) % 65536,
                OUTPUTS,
                LAYERS,
                self.payload,
                self.input_bytes,
                1000,
                10,
                20,
                30,
                40,
                *audio,
            )
            payload = (
                struct.pack("<HHHIIIIIIIIIHHH", *numbers, self.in_flight, 0)
                + text(self.board)
                + text(self.build_id)
                + text("toy timer")
            )
            return self._reply(frame, frame.type | REPLY, payload)
        if not self.session:
            return self._error(frame, 6, "HELLO first")
        ahead = (frame.sequence - self.last) % 65536
        if ahead == 1:
            self.last, self.kept = frame.sequence, self._carry_out(frame)
        elif 1 < ahead < 32768:
            return self._next()
        return self.kept if ahead <= 1 else b""

    def _next(self) -> bytes:
        return self._error(Frame(Type.ERROR, (self.last + 1) % 65536), 8, "go on with this number")

    def _carry_out(self, frame: Frame) -> bytes:
        assert len(frame.payload) <= self.payload
        if frame.type == Type.INPUT:
            return self._take_input(frame)
        if frame.type == Type.RUN:
            return self._run(frame)
        if frame.type == Type.STATS:
            return self._reply(frame, frame.type | REPLY, struct.pack("<III", 512, len(self.runs), 0))
        if frame.type == Type.AUDIO and self.audio:
            return self._take_clip(frame)
        if frame.type == Type.STREAM and self.audio:
            return self._take_stream(frame)
        if frame.type == Type.SETTINGS and self.audio:
            if frame.payload and not frame.payload[0]:
                return self._error(frame, 7, "out of range")
            self.settings = frame.payload or self.settings
            return self._reply(frame, frame.type | REPLY, self.settings)
        return self._error(frame, 2, "unknown request")

    def _take_input(self, frame: Frame) -> bytes:
        (offset,) = struct.unpack_from("<I", frame.payload)
        if offset not in (0, len(self.input)):
            return self._error(frame, 4, "out of order")
        self.clip, self.stream = b"", None
        self.input = self.input[:offset] + frame.payload[4:]
        return self._reply(frame, frame.type | REPLY, b"")

    def _take_clip(self, frame: Frame) -> bytes:
        (offset,) = struct.unpack_from("<I", frame.payload)
        if offset not in (0, len(self.clip) // 2):
            return self._error(frame, 4, "out of order")
        self.input, self.stream = b"", None
        self.clip = self.clip[: 2 * offset] + frame.payload[4:]
        return self._reply(frame, frame.type | REPLY, b"")

    def _take_stream(self, frame: Frame) -> bytes:
        position, begins = struct.unpack_from("<II", frame.payload)
        if begins:
            self._forget()
            self.stream = []
        if self.stream is None or position != len(self.stream):
            return self._error(frame, 4, "out of order")
        start = len(self.stream)
        new = [value for (value,) in struct.iter_unpack("<h", frame.payload[8:])]
        self.stream += new
        found = [start + index + 1 for index, value in enumerate(new) if value == 1234]
        have = len(self.stream)
        ticks = (WRAPPED + 3 * have) % 2**32, (WRAPPED + have // 2) % 2**32
        head = struct.pack("<IIIIIHB", have, have // HOP, have // 20, *ticks, max(map(abs, new), default=0), len(found))
        detections = b"".join(struct.pack("<BHQ", 1, 30000, stamp) for stamp in found)
        return self._reply(frame, frame.type | REPLY, head + detections)

    def _run(self, frame: Frame) -> bytes:
        if len(self.input) != self.input_bytes and len(self.clip) != 2 * CLIP_SAMPLES:
            return self._error(frame, 5, "no input")
        ticks = 500 if self.clip else 0
        features = self.clip or self.input
        self.runs.append(features)
        head = struct.pack("<IIIHII", 70, ticks, binascii.crc32(features), LAYERS, 30, 40)
        self._forget()
        return self._reply(frame, frame.type | REPLY, head + struct.pack("<H3i", OUTPUTS, *answer(features)))

    def _error(self, frame: Frame, code: int, message: str) -> bytes:
        return self._reply(frame, Type.ERROR, struct.pack("<H", code) + text(message))

    def _reply(self, frame: Frame, kind: int, payload: bytes) -> bytes:
        return encode(Frame(kind, frame.sequence, payload, VERSION))


Disturbance = Callable[[bytes], Iterable[bytes]]


def undisturbed(message: bytes) -> Iterable[bytes]:
    return [message]


class SimulatedLink:
    """A `pqk.links.Link` to a SimulatedDevice. `there` and `back` decide what becomes of each message."""

    def __init__(
        self,
        device: SimulatedDevice,
        clock: Clock,
        there: Disturbance = undisturbed,
        back: Disturbance = undisturbed,
    ) -> None:
        self.device, self.clock, self.there, self.back = device, clock, there, back
        self.arrived = bytearray()
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        for message in self.there(data):
            reply = self.device.receive(message)
            if reply:
                for part in self.back(reply):
                    self.arrived += part

    def read(self, timeout: float) -> bytes:
        if not self.arrived:
            self.clock.now += timeout
        data, self.arrived = bytes(self.arrived), bytearray()
        return data

    def close(self) -> None:
        self.closed = True


class TimedLink:
    """A `pqk.links.Link` to a SimulatedDevice over a line with a rate and a delay each way. Writing takes no time."""

    def __init__(self, device: SimulatedDevice, clock: Clock, baud: int, delay_s: float) -> None:
        self.device, self.clock, self.byte_s, self.delay_s = device, clock, 10 / baud, delay_s
        self._there = self._back = 0.0
        self._arriving: list[tuple[float, bytes]] = []
        self.sent = 0

    def write(self, data: bytes) -> None:
        self.sent += len(data)
        self._there = max(self._there, self.clock.now) + len(data) * self.byte_s
        if reply := self.device.receive(data):
            self._back = max(self._back, self._there + self.delay_s) + len(reply) * self.byte_s
            self._arriving.append((self._back + self.delay_s, reply))

    def read(self, timeout: float) -> bytes:
        if not self._arriving or self._arriving[0][0] > self.clock.now + timeout:
            self.clock.now += timeout
            return b""
        when, data = self._arriving.pop(0)
        self.clock.now = max(self.clock.now, when)
        return data

    def close(self) -> None:
        pass
