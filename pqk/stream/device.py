"""Audio through the device itself: the same detections as the reference's, and what a second of audio costs there."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pqk_codegen import spotter
from pqk_codegen.decision import Detection, Scale, Settings
from pqk_codegen.spotter import Inferences

from pqk.device import StreamReply
from pqk.errors import LinkError
from pqk.frontend import RATE, Pcm
from pqk.stream.words import Stream

BLOCK = RATE // 10
"""Samples sent at a time."""
HOPS_MS = (10, 20, 50, 100, 250)
WARM_S, COUNTED_S = 1.5, 2.0
"""Audio before costs are counted, so that the first window is full, and audio while they are."""
EVERY_S = 30
"""Seconds of the check in which every inference is to be detected."""
Progress = Callable[[int, int], None]


class StreamDevice(Protocol):
    """The streaming verbs of `pqk.device.Device`."""

    def hello(self) -> object:
        """Open a session."""

    def stream_begin(self) -> object:
        """Forget all audio."""

    def stream_push(self, samples: Pcm, /) -> StreamReply:
        """Send samples."""

    def settings(self) -> Settings:
        """The settings in force."""

    def set_settings(self, settings: Settings, /) -> Settings:
        """Change them; returns what is then in force."""


ConnectAt = Callable[[int], AbstractContextManager[StreamDevice]]
"""A device whose firmware can infer every so many ms."""


@dataclass(frozen=True)
class Parity:
    """Detections of the device beside those of the reference."""

    seconds: float
    detections: int
    """Of the reference, with the project's settings."""
    different: int
    """Of those and of the device's: how many only one of them has, or has otherwise."""
    inferences: int
    """Compared one by one: word and posterior of every inference in the beginning of the stream."""
    different_inferences: int

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.different or self.different_inferences)


def check(
    device: StreamDevice,
    stream: Stream,
    inferences: Inferences,
    scale: Scale,
    keywords: tuple[bool, ...],
    settings: Settings,
    seconds: float,
    progress: Progress = lambda *_: None,
) -> Parity:
    """Send the first `seconds` of `stream` and compare with the reference's `inferences` (of the settings' stride).

    Twice: with `settings`, and for up to 30 s with thresholds of 0 and no refractory time, so that every inference
    tells its most likely word and that word's posterior.
    """
    every = replace(settings, thresholds=(0,) * len(keywords), refractory=0)
    runs = [(settings, int(seconds * RATE) // BLOCK), (every, int(min(seconds, EVERY_S) * RATE) // BLOCK)]
    outcomes, done, total = [], 0, sum(blocks for _, blocks in runs)
    with _settings_kept(device):
        for chosen, blocks in runs:
            found: list[Detection] = []
            for reply in pushes(device, stream, chosen, blocks):
                found += reply.detections
                done += 1
                progress(done, total)
            outcomes.append((_expected(inferences, scale, keywords, chosen, blocks * BLOCK), found))
    (expected, heard), (all_expected, all_heard) = outcomes
    return Parity(
        seconds=runs[0][1] * BLOCK / RATE,
        detections=len(expected),
        different=_differences(expected, heard),
        inferences=len(all_expected),
        different_inferences=_differences(all_expected, all_heard),
    )


def pushes(device: StreamDevice, stream: Stream, settings: Settings, blocks: int) -> Iterator[StreamReply]:
    """Begin a stream with `settings` and send the first so many blocks of `stream`; the reply to each."""
    device.set_settings(settings)
    device.stream_begin()
    for block in range(blocks):
        yield device.stream_push(stream.read(block * BLOCK, (block + 1) * BLOCK))


def costs(
    connect: ConnectAt,
    hops: Sequence[int],
    stream: Stream,
    settings: Settings,
    frame_ms: float,
    units_per_tick: float,
    progress: Progress = lambda *_: None,
) -> list[dict[str, Any]]:
    """What one second of audio costs at each of the hops (in ms, whole frames), on the device that `connect` gives.

    [{"hop_ms", "inferences": per second, "front_end", "network": in units of the device's timer}]
    """
    rows = []
    for index, hop in enumerate(hops):
        progress(index, len(hops))
        with connect(hop) as device, _settings_kept(device):
            chosen = replace(settings, stride=int(hop / frame_ms))
            rows.append({"hop_ms": hop, **_cost(device, stream, chosen, units_per_tick)})
    progress(len(hops), len(hops))
    return rows


@contextmanager
def _settings_kept(device: StreamDevice) -> Iterator[None]:
    """Put the settings back that were in force, unless the device is gone."""
    before = device.settings()
    try:
        yield
    except LinkError:
        raise
    except BaseException:  # Ctrl-C, for one, which may leave a request behind: a session begins anew
        with suppress(LinkError):
            device.hello()
            device.set_settings(before)
        raise
    device.set_settings(before)


def _cost(device: StreamDevice, stream: Stream, settings: Settings, units_per_tick: float) -> dict[str, Any]:
    replies = list(pushes(device, stream, settings, int((WARM_S + COUNTED_S) * RATE) // BLOCK))
    first, last = replies[int(WARM_S * RATE) // BLOCK - 1], replies[-1]
    seconds = (last.samples - first.samples) / RATE
    ticks = {
        "front_end": (last.front_end_ticks - first.front_end_ticks) % 2**32,
        "network": (last.network_ticks - first.network_ticks) % 2**32,
    }
    per_second = {key: round(value * units_per_tick / seconds) for key, value in ticks.items()}
    return {"inferences": (last.inferences - first.inferences) / seconds, **per_second}


def _expected(
    inferences: Inferences, scale: Scale, keywords: tuple[bool, ...], settings: Settings, samples: int
) -> list[Detection]:
    heard = inferences.samples <= samples
    part = Inferences(inferences.logits[heard], inferences.samples[heard])
    return spotter.decide(part, scale, keywords, settings)


def _differences(expected: Sequence[Detection], found: Sequence[Detection]) -> int:
    """Detections that are not in both."""
    key = {(item.word, item.score, item.samples) for item in expected}
    return len(key ^ {(item.word, item.score, item.samples) for item in found})
