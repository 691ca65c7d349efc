"""A device's verbs: hello, infer, stream, settings, stats. Repeats what the line lost.

Knows nothing of how the device was started.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pqk_codegen.decision import Settings

from pqk.conversation import Conversation, Refused, Request, SessionLost
from pqk.errors import LinkError
from pqk.links import Link
from pqk.protocol import (
    AUDIO_OVERHEAD,
    INPUT_OVERHEAD,
    POSITIONS,
    SAMPLE_BYTES,
    STREAM_OVERHEAD,
    ErrorCode,
    Hello,
    Stats,
    Streamed,
    Type,
    audio_payload,
    input_payload,
    parse_hello,
    parse_result,
    parse_settings,
    parse_stats,
    parse_streamed,
    settings_payload,
    stream_payload,
)

HELLO_TIMEOUT_S = 1.0  # a board answers in milliseconds; one that was reset by opening the port boots first
HELLO_ATTEMPTS = 10
RUN_TIMEOUT_S = 2.0
RUN_ATTEMPTS = 60  # an inference may take two minutes
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
        self._link, self._board, self._port = link, board, port
        self._expected_build = expected_build
        self._conversation = Conversation(link, who=f"{board} on {port}", baud=baud, clock=clock)
        self.resets = 0
        self._streamed: StreamReply | None = None
        try:
            self._conversation.settle()
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
        reply = self._conversation.hello(HELLO_TIMEOUT_S, HELLO_ATTEMPTS)
        facts = self._conversation.parsed(parse_hello, reply)
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
        if facts.stuck_setup:
            raise LinkError(
                f"{self._board} on {self._port} waited in vain in step {facts.stuck_setup} of its set-up: its clock "
                "or pins may not be as its file says, and no time right",
                f"look at [[setup]] number {facts.stuck_setup} in the board's file, and at the board's oscillator",
            )
        self._conversation.begin(facts.free_sequence, facts.in_flight)
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
        except SessionLost as error:
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
        """Stack, inferences and dropped frames since the device's last reset.

        Raises:
            LinkError: the device is gone, or refuses.
        """
        reply = self._in_spite_of_resets(lambda: self._conversation.ask(Request(Type.STATS)))
        return self._conversation.parsed(parse_stats, reply)

    def _infer(self, data: bytes) -> Inference:
        step = self.facts.largest_payload - INPUT_OVERHEAD
        starts = range(0, len(data), step)
        return self._run([Request(Type.INPUT, input_payload(at, data[at : at + step])) for at in starts])

    def _infer_audio(self, samples: Pcm) -> Inference:
        data = _little_endian(samples)
        step = _samples_in(self.facts.largest_payload - AUDIO_OVERHEAD)
        starts = range(0, len(data), step)
        return self._run(
            [Request(Type.AUDIO, audio_payload(at // SAMPLE_BYTES, data[at : at + step])) for at in starts]
        )

    def _run(self, parts: list[Request]) -> Inference:
        reply = self._conversation.ask(*parts, Request(Type.RUN, b"", RUN_TIMEOUT_S, RUN_ATTEMPTS))
        result = self._conversation.parsed(parse_result, reply)
        return Inference(result.logits, result.ticks, result.layer_ticks, result.front_end_ticks, result.input_crc)

    def _stream(self, samples: bytes, *, begins: bool = False) -> StreamReply:
        """One request's worth; keeps count of what the device counts modulo 2**32."""
        so_far = _NO_AUDIO_YET if begins or self._streamed is None else self._streamed
        payload = stream_payload(so_far.samples % POSITIONS, samples, begins=begins)
        # There may be several inferences in it.
        try:
            reply = self._conversation.ask(Request(Type.STREAM, payload, RUN_TIMEOUT_S, RUN_ATTEMPTS))
        except Refused as error:
            if error.code != ErrorCode.OFFSET:
                raise
            raise LinkError(
                f"{self._board} on {self._port} has missed a part of the stream", "begin the stream again"
            ) from error
        self._streamed = _since_the_beginning(so_far, self._conversation.parsed(parse_streamed, reply))
        return self._streamed

    def _settings(self, payload: bytes) -> Settings:
        self._needs_front_end()
        try:
            reply = self._conversation.ask(Request(Type.SETTINGS, payload))
        except SessionLost as error:  # the settings that were made are gone
            raise LinkError(f"{self._board} on {self._port} was reset", "run the command again") from error
        return self._conversation.parsed(parse_settings, reply)

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
            except SessionLost:
                self.resets += 1
                self.hello()
        raise self.unsteady()

    def unsteady(self) -> LinkError:
        """The error of a device that cannot be worked with because it resets again and again."""
        return LinkError(f"{self._board} on {self._port} resets again and again", "check the power supply of the board")


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
