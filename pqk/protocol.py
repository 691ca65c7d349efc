"""The wire protocol, host side: frames and messages as plain data, no input or output.

A frame is COBS(version u8 | type u8 | sequence u16 | payload | CRC16-XMODEM u16) followed by a zero byte. All numbers
are little-endian; the CRC covers all that stands before it. Texts in payloads are a length byte and UTF-8. The rules of
conversation stand in firmware/protocol.h. COBS: Cheshire and Baker, IEEE/ACM Transactions on Networking 7(2), 1999.
"""

import binascii
import struct
from dataclasses import dataclass
from enum import IntEnum

from pqk_codegen.decision import Detection, Settings

VERSION = 4
DELIMITER = b"\0"
REPLY = 0x80  # a reply has its request's type with this bit
SEQUENCES = 1 << 16

_HEADER = struct.Struct("<BBH")
_CRC = struct.Struct("<H")
_OFFSET = struct.Struct("<I")
_STREAM = struct.Struct("<II")
_SETTINGS = struct.Struct("<HHIH")
_HELLO = struct.Struct("<HHHIIIIIIIIIHHH")
_RESULT = struct.Struct("<IIIH")
_STREAMED = struct.Struct("<IIIIIHB")
_DETECTION = struct.Struct("<BHQ")
_STATS = struct.Struct("<III")
_FAULT = struct.Struct("<9I")
_ERROR = struct.Struct("<H")

INPUT_OVERHEAD = _OFFSET.size  # bytes of an INPUT payload that are not features
AUDIO_OVERHEAD = _OFFSET.size  # bytes of an AUDIO payload that are not samples
STREAM_OVERHEAD = _STREAM.size  # bytes of a STREAM payload that are not samples
SAMPLE_BYTES = 2
POSITIONS = 1 << 32  # what STREAM counts modulo
LONGEST = 1 << 17  # bytes that are kept of what has no end; no frame is longer as it travels
_LARGEST_BLOCK = 254  # bytes that one COBS code can announce

# Configurable Fault Status Register (ARMv7-M ARM, B3.2.15), lowest bit first: MemManage, BusFault, UsageFault.
_CFSR = {
    0: "IACCVIOL: instruction fetch where it is forbidden",
    1: "DACCVIOL: data access where it is forbidden",
    3: "MUNSTKERR: memory fault while leaving an exception",
    4: "MSTKERR: memory fault while entering an exception",
    8: "IBUSERR: no memory where an instruction was fetched",
    9: "PRECISERR: no memory where data was read or written",
    10: "IMPRECISERR: no memory where data was written a while before",
    11: "UNSTKERR: bus error while leaving an exception",
    12: "STKERR: bus error while entering an exception (stack overflow?)",
    16: "UNDEFINSTR: undefined instruction",
    17: "INVSTATE: jump to an address without the Thumb bit",
    18: "INVPC: invalid exception return",
    19: "NOCP: the coprocessor (FPU?) is off or absent",
    24: "UNALIGNED: unaligned access",
    25: "DIVBYZERO: division by zero",
}
_MMFAR_VALID, _BFAR_VALID = 7, 15
_EXCEPTIONS = {2: "NMI", 3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault", 7: "SecureFault"}
_HARD_FAULT = 3
_THUMB = 1 << 24  # of xPSR


class Type(IntEnum):
    """Of a frame."""

    HELLO = 0x01
    INPUT = 0x02
    RUN = 0x03
    STATS = 0x04
    AUDIO = 0x05
    STREAM = 0x06
    SETTINGS = 0x07
    ERROR = 0xE0
    FAULT = 0xF0


class ErrorCode(IntEnum):
    """Of an ERROR reply."""

    VERSION = 1
    TYPE = 2
    LENGTH = 3
    OFFSET = 4
    NO_INPUT = 5
    SESSION = 6
    SETTINGS = 7
    ORDER = 8


def type_name(number: int) -> str:
    """What to call a frame of this type."""
    for kind in Type:
        if number in (kind, kind | REPLY):
            return f"{kind.name} reply" if number & REPLY and kind < REPLY else kind.name
    return f"frame of type {number:#04x}"


class BadFrame(Exception):
    """Bytes between two delimiters that are no frame, or a payload that is no message."""


@dataclass(frozen=True)
class Frame:
    """What travels. `type` is a `Type`, with REPLY set in replies."""

    type: int
    sequence: int
    payload: bytes = b""
    version: int = VERSION


@dataclass(frozen=True)
class Hello:
    """Who the device is. Memory in bytes; `timer_hz` ticks are a second of the device's."""

    board: str
    build_id: str
    timer: str
    free_sequence: int
    """The sequence number that the next request should have."""
    outputs: int
    layers: int
    largest_payload: int
    input_bytes: int
    timer_hz: int
    """0 when the timer stands still."""
    flash: int
    ram: int
    stack: int
    arena: int
    clip_samples: int
    """Of one clip's audio; this and the next two are 0 where the firmware has no front end and takes features only."""
    sample_rate: int
    hop: int
    """Samples from frame to frame."""
    in_flight: int
    """Requests that the host may send before the first is answered."""
    stuck_setup: int
    """The first needed [[setup]] of the board's file, counted from 1, whose `wait` never came true; 0 for none."""


@dataclass(frozen=True)
class Result:
    """Of RUN: ticks of the network (its input included), ticks of each layer, and the logits (int32)."""

    ticks: int
    front_end_ticks: int
    """From samples to features; 0 when the input came as features."""
    input_crc: int
    """zlib's CRC-32 of the network's input; 0 where the firmware has no front end."""
    layer_ticks: tuple[int, ...]
    logits: tuple[int, ...]


@dataclass(frozen=True)
class Stats:
    """Since the device's reset."""

    stack_high_water: int
    """Bytes of stack that have been in use at some time."""
    inferences: int
    dropped_frames: int


@dataclass(frozen=True)
class Streamed:
    """Of STREAM: counts and ticks since the stream began, modulo 2**32."""

    samples: int
    frames: int
    inferences: int
    front_end_ticks: int
    network_ticks: int
    """Of inferences, and the decisions on them."""
    peak: int
    """Largest magnitude among the samples of the request, 0..32768."""
    detections: tuple[Detection, ...]
    """In the samples of the request, in order."""


@dataclass(frozen=True)
class DeviceError:
    """A request that the device refuses."""

    code: int
    text: str


@dataclass(frozen=True)
class Fault:
    """Registers of a processor that has stopped (ARMv7-M ARM, B1.5 and B3.2)."""

    exception: int
    pc: int
    lr: int
    xpsr: int
    sp: int
    cfsr: int
    hfsr: int
    mmfar: int
    bfar: int

    def describe(self) -> str:
        """One line that a person can act on."""
        name = _EXCEPTIONS.get(self.exception, f"exception {self.exception}")
        causes = [text for bit, text in _CFSR.items() if self.cfsr >> bit & 1]
        if self.cfsr >> _BFAR_VALID & 1:
            causes.append(f"address {self.bfar:#010x}")
        if self.cfsr >> _MMFAR_VALID & 1:
            causes.append(f"address {self.mmfar:#010x}")
        if not self.xpsr:  # in Thumb state it is never 0, so the device could not read the registers off its stack
            causes.append("the stack pointer is outside the stack: stack overflow")
        elif not self.xpsr & _THUMB and not causes:
            causes.append("jump to an address without the Thumb bit")
        if self.exception == _HARD_FAULT and not self.hfsr and not causes:  # ARMv7-M always sets a bit of HFSR
            causes.append("this core (ARMv6-M) records no cause, see the instruction at pc")
        registers = " ".join(f"{key}={getattr(self, key):#010x}" for key in ("pc", "lr", "xpsr", "sp", "cfsr", "hfsr"))
        return f"{name}: {'; '.join(causes) or 'no cause recorded'} ({registers})"


def encode(frame: Frame) -> bytes:
    """A frame as it goes over the line, delimiter included."""
    body = _HEADER.pack(frame.version, frame.type, frame.sequence) + frame.payload
    return cobs_encode(body + _CRC.pack(binascii.crc_hqx(body, 0))) + DELIMITER


def decode(encoded: bytes) -> Frame:
    """The frame in what stands before a delimiter.

    Raises:
        BadFrame: the stuffing is broken, it is too short, or the CRC differs.
    """
    body = cobs_decode(encoded)
    if len(body) < _HEADER.size + _CRC.size:
        raise BadFrame(f"{len(body)} bytes are too short for a frame")
    body, crc = body[: -_CRC.size], body[-_CRC.size :]
    if _CRC.pack(binascii.crc_hqx(body, 0)) != crc:
        raise BadFrame(f"CRC of {len(body)} bytes differs")
    version, kind, sequence = _HEADER.unpack_from(body)
    if version == 0:
        raise BadFrame("zeros, whose CRC is right by nature")
    return Frame(kind, sequence, body[_HEADER.size :], version)


def cobs_encode(data: bytes) -> bytes:
    """`data` (any bytes) without zero bytes in it."""
    out = bytearray()
    start = 0
    while True:
        zero = data.find(DELIMITER, start, start + _LARGEST_BLOCK)
        end = zero if zero >= 0 else min(start + _LARGEST_BLOCK, len(data))
        out.append(end - start + 1)
        out += data[start:end]
        if end == len(data):
            return bytes(out)
        start = end if end - start == _LARGEST_BLOCK else end + 1


def cobs_decode(encoded: bytes) -> bytes:
    """The inverse of `cobs_encode`.

    Raises:
        BadFrame: there is a zero byte in it, or the last block is not whole.
    """
    if DELIMITER in encoded:
        raise BadFrame("a zero byte inside a frame")
    out = bytearray()
    place = 0
    while place < len(encoded):
        code = encoded[place]
        block = encoded[place + 1 : place + code]
        if len(block) != code - 1:
            raise BadFrame("the frame ends early")
        out += block
        place += code
        if code <= _LARGEST_BLOCK and place < len(encoded):
            out += DELIMITER
    return bytes(out)


class FrameReader:
    """Cuts a stream of bytes into frames; damaged ones are counted and dropped."""

    def __init__(self, largest: int = LONGEST) -> None:
        """`largest`: bytes of a frame as it travels; more without a delimiter is noise, and is not collected."""
        self._pending = bytearray()
        self._largest = largest
        self.dropped = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes."""
        self._pending += data
        *chunks, rest = self._pending.split(DELIMITER)
        self._pending = rest[: self._largest + 1]  # one more, so that it still is too much at its end
        frames = []
        for chunk in filter(None, chunks):
            try:
                frames.append(self._decoded(chunk))
            except BadFrame:
                self.dropped += 1
        return frames

    def _decoded(self, chunk: bytearray) -> Frame:
        if len(chunk) > self._largest:
            raise BadFrame("noise that is longer than any frame")
        return decode(bytes(chunk))


def input_payload(offset: int, features: bytes) -> bytes:
    """Payload of INPUT: features, one byte each, for the input from `offset` on."""
    return _OFFSET.pack(offset) + features


def audio_payload(offset: int, samples: bytes) -> bytes:
    """Payload of AUDIO: little-endian int16 samples of a clip, from sample `offset` on."""
    return _OFFSET.pack(offset) + samples


def stream_payload(position: int, samples: bytes, *, begins: bool = False) -> bytes:
    """Payload of STREAM: little-endian int16 samples, `position` of which have gone before (modulo 2**32)."""
    return _STREAM.pack(position, begins) + samples


def settings_payload(settings: Settings) -> bytes:
    """Payload of SETTINGS that puts them into force, and of its reply."""
    count = len(settings.thresholds)
    head = _SETTINGS.pack(settings.smoothing, settings.stride, settings.refractory, count)
    return head + struct.pack(f"<{count}H", *settings.thresholds)


def parse_hello(payload: bytes) -> Hello:
    """Raises BadFrame when the payload is no HELLO."""
    numbers = _unpack(_HELLO, payload)
    board, build_id, timer = _texts(payload[_HELLO.size :], 3)
    return Hello(board, build_id, timer, *numbers)


def parse_result(payload: bytes) -> Result:
    """Raises BadFrame when the payload is no RESULT."""
    (ticks, front_end_ticks, crc, layers), rest = _unpack(_RESULT, payload), payload[_RESULT.size :]
    body = struct.Struct(f"<{layers}IH")
    *layer_ticks, outputs = _unpack(body, rest)
    logits = struct.Struct(f"<{outputs}i")
    if len(rest) != body.size + logits.size:
        raise BadFrame(f"a result of {len(payload)} bytes with {layers} layers and {outputs} outputs")
    return Result(ticks, front_end_ticks, crc, tuple(layer_ticks), logits.unpack(rest[body.size :]))


def parse_streamed(payload: bytes) -> Streamed:
    """Raises BadFrame when the payload is no reply to STREAM."""
    samples, frames, inferences, front_end_ticks, network_ticks, peak, count = _unpack(_STREAMED, payload)
    rest = payload[_STREAMED.size :]
    if len(rest) != count * _DETECTION.size:
        raise BadFrame(f"{count} detections in {len(rest)} bytes")
    detections = tuple(Detection(*one) for one in _DETECTION.iter_unpack(rest))
    return Streamed(samples, frames, inferences, front_end_ticks, network_ticks, peak, detections)


def parse_settings(payload: bytes) -> Settings:
    """Raises BadFrame when the payload is no reply to SETTINGS."""
    smoothing, stride, refractory, count = _unpack(_SETTINGS, payload)
    thresholds = struct.Struct(f"<{count}H")
    if len(payload) != _SETTINGS.size + thresholds.size:
        raise BadFrame(f"{count} thresholds in {len(payload)} bytes")
    try:
        return Settings(thresholds.unpack(payload[_SETTINGS.size :]), smoothing, stride, refractory)
    except ValueError as error:
        raise BadFrame(str(error)) from error


def parse_stats(payload: bytes) -> Stats:
    """Raises BadFrame when the payload is no STATS."""
    return Stats(*_unpack(_STATS, payload))


def parse_error(payload: bytes) -> DeviceError:
    """Raises BadFrame when the payload is no ERROR."""
    (code,) = _unpack(_ERROR, payload)
    (text,) = _texts(payload[_ERROR.size :], 1)
    return DeviceError(code, text)


def parse_fault(payload: bytes) -> Fault:
    """Raises BadFrame when the payload is no FAULT."""
    return Fault(*_unpack(_FAULT, payload))


def _unpack(layout: struct.Struct, payload: bytes) -> tuple[int, ...]:
    if len(payload) < layout.size:
        raise BadFrame(f"a payload of {len(payload)} bytes, where {layout.size} are needed")
    return layout.unpack_from(payload)


def _texts(payload: bytes, count: int) -> list[str]:
    texts = []
    for _ in range(count):
        if not payload or len(payload) < 1 + payload[0]:
            raise BadFrame("a text ends early")
        texts.append(payload[1 : 1 + payload[0]].decode(errors="replace"))
        payload = payload[1 + payload[0] :]
    return texts
