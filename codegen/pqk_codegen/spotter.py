"""The reference spotter: audio of any length through front end, network and decision, as the device does it.

What costs is `infer`; posteriors, smoothing and thresholds are applied to its logits afterwards and cost nothing, so
that a sweep over settings infers once. Frames and time stamps are those of `codegen/runtime/pqk_spotter.h`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pqk_codegen import windows
from pqk_codegen.decision import Detection, Integers, Scale, Settings, detections, posteriors, smooth
from pqk_codegen.ir import Network

Pcm = npt.NDArray[np.int16]
Read = Callable[[int, int], Pcm]
"""The samples from the first number to before the second; zeros where there are none, before sample 0 too."""


class FrontEnd(Protocol):
    """Audio to the network's input."""

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""

    @property
    def window(self) -> int:
        """Samples of a frame."""

    @property
    def frames(self) -> int:
        """Frames of the network's input."""

    @property
    def center(self) -> bool:
        """Whether frame t is centred on sample t * hop, instead of starting there."""

    def energies(self, pcm: Pcm, /) -> Any:
        """int16[n, samples] to [n, frames, ...]."""

    def encode(self, energies: Any, /) -> Any:
        """[n, frames, ...] to the network's input [n, 1, frames, features]."""


@dataclass(frozen=True, eq=False)
class Inferences:
    """What the network says of a stream, one row for each inference."""

    logits: Integers
    """[n, k]"""
    samples: Integers
    """[n], received when the last frame of each inference was whole."""


def frame_end(front_end: FrontEnd, frame: int) -> int:
    """Samples that must have been received for `frame` to be whole."""
    return frame * front_end.hop + front_end.window - (front_end.window // 2 if front_end.center else 0)


def whole_frames(front_end: FrontEnd, samples: int) -> int:
    """Frames that are whole after so many samples of a stream, which unlike a clip has no end."""
    return max(0, (samples - frame_end(front_end, 0)) // front_end.hop + 1)


def inferences_in(front_end: FrontEnd, samples: int, stride: int) -> int:
    """Inferences that have taken place after so many samples."""
    return max(0, (whole_frames(front_end, samples) - front_end.frames) // stride + 1)


def features(front_end: FrontEnd, read: Read, first: int, count: int) -> Any:
    """The encoded frames [count, features] of a stream from frame `first` on; they must be whole."""
    margin = -(-front_end.window // front_end.hop)  # frames that the piece's own ends would spoil
    start, stop = first - margin, first + count + margin
    pcm = read(start * front_end.hop, stop * front_end.hop + front_end.window)
    energies = front_end.energies(pcm[np.newaxis])[:, margin : margin + count]
    return front_end.encode(energies)[0, 0]


def infer(network: Network, front_end: FrontEnd, read: Read, *, stride: int, first: int = 0, count: int) -> Inferences:
    """Inferences `first` to `first` + `count` of a stream that is long enough for them."""
    samples = time_stamps(front_end, stride, first, count)
    if not count:
        return Inferences(np.zeros((0, len(network.classes)), np.int64), samples)
    frames = features(front_end, read, first * stride, (count - 1) * stride + front_end.frames)
    return Inferences(windows.logits(network, frames, stride), samples)


def time_stamps(front_end: FrontEnd, stride: int, first: int, count: int) -> Integers:
    """int64 [count]: samples received at each of the inferences from `first` on."""
    last = np.arange(first, first + count, dtype=np.int64) * stride + front_end.frames - 1
    return np.asarray(last * front_end.hop + frame_end(front_end, 0))


def smoothed_posteriors(inferences: Inferences, scale: Scale, smoothing: int) -> Integers:
    """Q15 [n, k] for each inference of a stream from its first on."""
    return smooth(posteriors(inferences.logits, scale), smoothing)


def decide(inferences: Inferences, scale: Scale, keywords: tuple[bool, ...], settings: Settings) -> list[Detection]:
    """What the device detects when a stream begins with these settings; `inferences` have their stride."""
    smoothed = smoothed_posteriors(inferences, scale, settings.smoothing)
    return detections(smoothed, inferences.samples, settings.thresholds, keywords, settings.refractory)


def reader(pcm: Pcm) -> Read:
    """`Read` of samples that are all in memory."""

    def read(start: int, stop: int) -> Pcm:
        inside = pcm[max(0, start) : max(0, stop)]
        before = min(max(0, -start), stop - start)
        return np.pad(inside, (before, stop - start - before - len(inside)))

    return read
