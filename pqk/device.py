"""A device's verbs: hello, infer, stream, settings, stats. Repeats what the line lost.

Knows nothing of how the device was started.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from secrets import randbelow
from types import TracebackType
from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pqk_codegen.decision import Settings

from pqk.errors import LinkError
from pqk.links import Link
from pqk.protocol import (
    AUDIO_OVERHEAD,
    DELIMITER,
    INPUT_OVERHEAD,
    POSITIONS,
    REPLY,
    SAMPLE_BYTES,
    SEQUENCES,
    STREAM_OVERHEAD,
    VERSION,
    BadFrame,
    ErrorCode,
    Frame,
    FrameReader,
    Hello,
    Stats,
    Streamed,
    Type,
    audio_payload,
    encode,
    input_payload,
    parse_error,
    parse_fault,
    parse_hello,
    parse_result,
    parse_settings,
    parse_stats,
    parse_streamed,
    settings_payload,
    stream_payload,
    type_name,
)

BITS_PER_BYTE = 10  # on the line: start, eight, stop
SETTLE_S = 0.05  # silence after which a line that was just opened counts as quiet
SETTLE_LIMIT_S = 2.0  # a line that never falls silent is tried anyway
HELLO_TIMEOUT_S = 1.0  # a board answers in milliseconds; one that was reset by opening the port boots first
HELLO_ATTEMPTS = 10
REPLY_TIMEOUT_S = 1.0  # on top of the time that the bytes take
REPLY_ATTEMPTS = 8
RUN_TIMEOUT_S = 5.0
RUN_ATTEMPTS = 24  # an inference may take two minutes
RESETS_ALLOWED = 3  # within one inference

_Message = TypeVar("_Message")

Pcm = npt.NDArray[np.int16]


class Features(Protocol):
    """A numpy array, bytes, or what else has bytes."""

    def tobytes(self) -> bytes:
        """One byte for each feature."""


@dataclass(frozen=True)
class Inference:
    """What the device answers for one clip: logits int32, timer ticks of the network and of each layer."""

    logits: tuple[int, ...]
    ticks: int
    layer_ticks: tuple[int, ...]
    front_end_ticks: int = 0
    """From samples to features; 0 when features were sent."""
    input_crc: int = 0
    """zlib's CRC-32 of the network's input; 0 where the firmware has no front end."""


@dataclass(frozen=True)
class StreamReply(Streamed):
    """What the device answers to audio that was pushed. Counts and ticks do not wrap around."""


_NO_AUDIO_YET = StreamReply(0, 0, 0, 0, 0, 0, ())
_WRAPPING = ("samples", "frames", "inferences", "front_end_ticks", "network_ticks")


class _DeviceWasReset(Exception):
    """It does not know this session any more."""


class Device:
    """The device at the other end of a link; a context manager that closes the link."""

    def __init__(
        self,
        link: Link,
        *,
        board: str,
        port: str,
        baud: int,
        expected_build: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Say hello over `link`.

        Args:
            link: an open link, which from now on belongs to this object.
            board: name of the board that is expected, for messages and checked.
            port: name of the port, for messages.
            baud: bits per second, to know how long bytes take.
            expected_build: build id that the device must have; None accepts any.
            clock: seconds, for tests.

        Raises:
            LinkError: nothing answers, or it is another board, another build or another protocol.
        """
        self._link, self._clock = link, clock
        self._board, self._port, self._baud = board, port, baud
        self._expected_build = expected_build
        self._reader = FrameReader()
        self._sequence = 0
        self._last_seen = "nothing"
        self.resets = 0
        self._streamed: StreamReply | None = None
        try:
            self._settle()
            self.facts = self.hello()
        except BaseException:
            link.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.close()

    def hello(self) -> Hello:
        """Open a session and check that board and build are the expected ones.

        Raises:
            LinkError: see the constructor.
        """
        # The number is drawn so that a reply to another program's HELLO is not taken for ours.
        reply = self._ask(Type.HELLO, randbelow(SEQUENCES), b"", HELLO_TIMEOUT_S, HELLO_ATTEMPTS)
        facts = self._parsed(parse_hello, reply)
        if facts.board != self._board:
            raise LinkError(f"on {self._port} is a {facts.board}, not a {self._board}", "name it: --board or --port")
        if self._expected_build not in (None, facts.build_id):
            raise LinkError(
                f"{self._board} on {self._port} runs build {facts.build_id}, not {self._expected_build}",
                "pqk-mcu flash",
            )
        if not facts.timer_hz:
            raise LinkError(
                f"the timer of {self._board} on {self._port} stands still ({facts.timer}): nothing can be measured",
                "choose another timer.driver in the board's file",
            )
        self._sequence = facts.free_sequence
        return facts

    def infer(self, features: Features) -> Inference:
        """Run the network once on `features` (uint8 or int8, PQK_INPUT_BYTES of them in any shape).

        Lost, damaged and repeated frames are dealt with; after a reset of the device the clip starts anew.

        Raises:
            LinkError: the features are not as many as the network takes, the device has faulted, refuses, or is gone.
        """
        data = features.tobytes()
        if len(data) != self.facts.input_bytes:
            raise LinkError(
                f"a clip has {len(data)} features; build {self.facts.build_id} on {self._port} takes"
                f" {self.facts.input_bytes}",
                "pqk-mcu build, then pqk-mcu flash",
            )
        return self._in_spite_of_resets(lambda: self._infer(data))

    def infer_audio(self, samples: Pcm) -> Inference:
        """Run front end and network once on a clip, int16 [PQK_CLIP_SAMPLES] at the device's rate; see `infer`.

        Raises:
            LinkError: see `infer`; or the firmware has no front end.
        """
        self._needs_front_end()
        if samples.shape != (self.facts.clip_samples,):
            raise LinkError(
                f"a clip has {samples.size} samples; build {self.facts.build_id} on {self._port} takes"
                f" {self.facts.clip_samples}",
                "pqk-mcu build, then pqk-mcu flash",
            )
        return self._in_spite_of_resets(lambda: self._infer_audio(samples))

    def stream_begin(self) -> StreamReply:
        """Begin a stream of audio: the device forgets all samples so far, but not its settings.

        Raises:
            LinkError: the device has faulted, refuses, or is gone; or the firmware has no front end.
        """
        self._needs_front_end()
        self._streamed = _NO_AUDIO_YET
        return self._in_spite_of_resets(lambda: self._stream(b"", begins=True))

    def stream_push(self, samples: Pcm) -> StreamReply:
        """The next samples of the stream, int16 [n], as many as there are.

        Raises:
            LinkError: the device was reset or has missed samples, so that the stream has a gap and must begin anew;
                or it has faulted, refuses, or is gone.
        """
        if self._streamed is None:
            raise LinkError(f"no stream has begun on {self._port}", "begin a stream first")
        data = _little_endian(samples)
        step = _samples_in(self.facts.largest_payload - STREAM_OVERHEAD)
        try:
            replies = [self._stream(data[start : start + step]) for start in range(0, len(data), step)]
        except _DeviceWasReset as error:
            self._streamed = None
            raise LinkError(
                f"{self._board} on {self._port} was reset in the middle of a stream", "begin the stream again"
            ) from error
        detections = tuple(one for reply in replies for one in reply.detections)
        peak = max((reply.peak for reply in replies), default=0)
        return replace(self._streamed, peak=peak, detections=detections)

    def settings(self) -> Settings:
        """The settings in force.

        Raises:
            LinkError: the device is gone, refuses, or was reset; or the firmware has no front end.
        """
        return self._settings(b"")

    def set_settings(self, settings: Settings) -> Settings:
        """Put settings into force, until others are set or the device is reset; returns what the device then has.

        Raises:
            LinkError: see `settings`; or there is not one threshold for each output.
        """
        if len(settings.thresholds) != self.facts.outputs:
            raise LinkError(
                f"{len(settings.thresholds)} thresholds for the {self.facts.outputs} outputs of build"
                f" {self.facts.build_id} on {self._port}",
                "give one for each output",
            )
        return self._settings(settings_payload(settings))

    def stats(self) -> Stats:
        """Stack, inferences and dropped frames since the device's reset.

        Raises:
            LinkError: the device is gone, refuses, or was reset, so that there is nothing to tell.
        """
        return self._parsed(parse_stats, self._request_of_session(Type.STATS))

    def _infer(self, data: bytes) -> Inference:
        step = self.facts.largest_payload - INPUT_OVERHEAD
        for offset in range(0, len(data), step):
            self._request(Type.INPUT, input_payload(offset, data[offset : offset + step]))
        return self._run()

    def _infer_audio(self, samples: Pcm) -> Inference:
        data = _little_endian(samples)
        step = _samples_in(self.facts.largest_payload - AUDIO_OVERHEAD)
        for start in range(0, len(data), step):
            self._request(Type.AUDIO, audio_payload(start // SAMPLE_BYTES, data[start : start + step]))
        return self._run()

    def _run(self) -> Inference:
        result = self._parsed(parse_result, self._request(Type.RUN, b"", RUN_TIMEOUT_S, RUN_ATTEMPTS))
        return Inference(result.logits, result.ticks, result.layer_ticks, result.front_end_ticks, result.input_crc)

    def _stream(self, samples: bytes, *, begins: bool = False) -> StreamReply:
        """One request's worth; keeps count of what the device counts modulo 2**32."""
        so_far = _NO_AUDIO_YET if begins or self._streamed is None else self._streamed
        payload = stream_payload(so_far.samples % POSITIONS, samples, begins=begins)
        # There may be several inferences in it.
        reply = self._parsed(parse_streamed, self._request(Type.STREAM, payload, RUN_TIMEOUT_S, RUN_ATTEMPTS))
        self._streamed = _since_the_beginning(so_far, reply)
        return self._streamed

    def _settings(self, payload: bytes) -> Settings:
        self._needs_front_end()
        return self._parsed(parse_settings, self._request_of_session(Type.SETTINGS, payload))

    def _needs_front_end(self) -> None:
        if not self.facts.sample_rate:
            raise LinkError(
                f"build {self.facts.build_id} on {self._port} takes features, no audio",
                "pqk-mcu build, then pqk-mcu flash",
            )

    def _in_spite_of_resets(self, act: Callable[[], _Message]) -> _Message:
        for _ in range(1 + RESETS_ALLOWED):
            try:
                return act()
            except _DeviceWasReset:
                self.resets += 1
                self.hello()
        raise LinkError(f"{self._board} on {self._port} resets again and again", "check the power supply of the board")

    def _request_of_session(self, kind: Type, payload: bytes = b"") -> Frame:
        """For what a reset makes meaningless."""
        try:
            return self._request(kind, payload)
        except _DeviceWasReset as error:
            raise LinkError(f"{self._board} on {self._port} was reset", "run the command again") from error

    def _request(
        self, kind: Type, payload: bytes = b"", timeout: float = REPLY_TIMEOUT_S, attempts: int = REPLY_ATTEMPTS
    ) -> Frame:
        sequence = self._sequence
        self._sequence = (sequence + 1) % SEQUENCES
        return self._ask(kind, sequence, payload, timeout, attempts)

    def _ask(self, kind: Type, sequence: int, payload: bytes, timeout: float, attempts: int) -> Frame:
        """Send a request until its reply comes; the device carries it out once."""
        # The leading delimiter ends whatever stray bytes the device may have seen.
        message = DELIMITER + encode(Frame(kind, sequence, payload))
        timeout += len(message) * BITS_PER_BYTE / self._baud
        for _ in range(attempts):
            self._link.write(message)
            reply = self._reply(kind, sequence, self._clock() + timeout)
            if reply is not None:
                return reply
        raise LinkError(
            f"{self._board} on {self._port} does not answer {kind.name}"
            f" ({attempts} times {timeout:.1f} s; last seen: {self._last_seen}{self._noise()})",
            "check the port and that this firmware is on the board: pqk-mcu flash",
        )

    def _reply(self, kind: Type, sequence: int, deadline: float) -> Frame | None:
        while (left := deadline - self._clock()) > 0:
            for frame in self._reader.feed(self._link.read(left)):
                if self._is_answer(frame, kind, sequence):
                    return frame
        return None

    def _is_answer(self, frame: Frame, kind: Type, sequence: int) -> bool:
        """Whether `frame` is the reply that is waited for; stale and foreign ones are not."""
        if frame.version != VERSION:
            raise LinkError(
                f"the firmware on {self._port} speaks version {frame.version} of the protocol, this program {VERSION}",
                "pqk-mcu build, then pqk-mcu flash",
            )
        if frame.type == Type.FAULT:
            fault = self._parsed(parse_fault, frame)
            raise LinkError(
                f"{self._board} on {self._port} has stopped in {kind.name}: {fault.describe()}",
                f"arm-none-eabi-addr2line -f -e firmware.elf {fault.pc:#x}, then reset the board",
            )
        self._last_seen = f"{type_name(frame.type)} number {frame.sequence}"
        if frame.sequence != sequence:
            return False
        if frame.type == Type.ERROR:
            self._refused(frame, kind)
        return frame.type == kind | REPLY

    def _refused(self, frame: Frame, kind: Type) -> None:
        error = self._parsed(parse_error, frame)
        if error.code == ErrorCode.SESSION:
            raise _DeviceWasReset
        if kind is Type.STREAM and error.code == ErrorCode.OFFSET:
            raise LinkError(f"{self._board} on {self._port} has missed a part of the stream", "begin the stream again")
        raise LinkError(
            f"{self._board} on {self._port} refuses {kind.name}: {error.text} (error {error.code})", "pqk-mcu flash"
        )

    def _parsed(self, parse: Callable[[bytes], _Message], frame: Frame) -> _Message:
        try:
            return parse(frame.payload)
        except BadFrame as error:
            raise LinkError(
                f"{self._board} on {self._port} sent a {type_name(frame.type)} that makes no sense: {error}",
                "pqk-mcu flash",
            ) from error

    def _settle(self) -> None:
        """Throw away what a reset by opening the port, or an earlier program, has left on the line."""
        limit = self._clock() + SETTLE_LIMIT_S
        while self._clock() < limit and (data := self._link.read(SETTLE_S)):
            self._last_seen = f"bytes that are no frame ({data[-40:]!r})"

    def _noise(self) -> str:
        return f"; {self._reader.dropped} damaged frames" if self._reader.dropped else ""


def _little_endian(samples: Pcm) -> bytes:
    """Raises TypeError for samples of another type, which nobody should have to guess the range of."""
    return samples.astype("<i2", casting="equiv").tobytes()


def _samples_in(size: int) -> int:
    """Bytes of the whole samples that fit into `size` bytes."""
    return size // SAMPLE_BYTES * SAMPLE_BYTES


def _since_the_beginning(so_far: StreamReply, reply: Streamed) -> StreamReply:
    """`reply`, whose counts are modulo 2**32 and have not gone once around since `so_far`."""
    counts = {
        name: getattr(so_far, name) + (getattr(reply, name) - getattr(so_far, name)) % POSITIONS for name in _WRAPPING
    }
    return StreamReply(**counts, peak=reply.peak, detections=reply.detections)
