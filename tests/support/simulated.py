"""A device in Python behind a line that loses, doubles and damages what it carries."""

import hashlib
import struct
from collections.abc import Callable, Iterable

from pqk.protocol import REPLY, VERSION, Frame, FrameReader, Type, encode

OUTPUTS, LAYERS, INPUT_BYTES, PAYLOAD = 3, 2, 150, 64


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
    """The device's half of the protocol, written from firmware/protocol.h. `runs` counts inferences."""

    def __init__(self, build_id: str = "cafe", board: str = "toy") -> None:
        self.build_id, self.board = build_id, board
        self.reader = FrameReader()
        self.runs: list[bytes] = []
        self.requests: list[Frame] = []
        self.reset()

    def reset(self) -> None:
        self.session, self.last, self.kept, self.input = False, 0, b"", b""

    def receive(self, data: bytes) -> bytes:
        return b"".join(b"\0" + self._respond(frame) for frame in self.reader.feed(data))

    def _respond(self, frame: Frame) -> bytes:
        self.requests.append(frame)
        if frame.type == Type.HELLO:
            self.session, self.kept, self.input = True, b"", b""
            numbers = (self.last + 1) % 65536, OUTPUTS, LAYERS, PAYLOAD, INPUT_BYTES, 1000, 10, 20, 30, 40
            payload = struct.pack("<HHHIIIIIII", *numbers) + text(self.board) + text(self.build_id) + text("toy timer")
            return self._reply(frame, frame.type | REPLY, payload)
        if not self.session:
            return self._error(frame, 6, "HELLO first")
        if not self.kept or frame.sequence != self.last:
            self.last, self.kept = frame.sequence, self._carry_out(frame)
        return self.kept

    def _carry_out(self, frame: Frame) -> bytes:
        if frame.type == Type.INPUT:
            (offset,) = struct.unpack_from("<I", frame.payload)
            assert len(frame.payload) <= PAYLOAD
            if offset not in (0, len(self.input)):
                return self._error(frame, 4, "out of order")
            self.input = self.input[:offset] + frame.payload[4:]
            return self._reply(frame, frame.type | REPLY, b"")
        if frame.type == Type.RUN:
            if len(self.input) != INPUT_BYTES:
                return self._error(frame, 5, "no input")
            self.runs.append(self.input)
            result = struct.pack("<IHIIH3i", 70, LAYERS, 30, 40, OUTPUTS, *answer(self.input))
            self.input = b""
            return self._reply(frame, frame.type | REPLY, result)
        if frame.type == Type.STATS:
            return self._reply(frame, frame.type | REPLY, struct.pack("<III", 512, len(self.runs), 0))
        return self._error(frame, 2, "unknown request")

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
