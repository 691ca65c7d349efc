"""From `[stream]` in pqk.toml to what the device's decision takes."""

from collections.abc import Sequence

from pqk_codegen.decision import NEVER, ONE, Settings, keyword_mask

from pqk.errors import ProjectError
from pqk.project import SILENCE, UNKNOWN, StreamConfig

MS = 1000


def keywords_of(classes: Sequence[str]) -> tuple[bool, ...]:
    """Which of the network's outputs are words to detect."""
    return keyword_mask(classes, (UNKNOWN, SILENCE))


def settings_of(stream: StreamConfig, classes: Sequence[str], *, hop: int, rate: int) -> Settings:
    """Settings of a network with these outputs whose frames are `hop` samples apart.

    Raises ProjectError when a time does not fit: see `stride_of`.
    """
    stride = stride_of(stream.hop_ms, hop=hop, rate=rate)
    return Settings(
        thresholds=tuple(q15(stream.threshold) if keyword else NEVER for keyword in keywords_of(classes)),
        smoothing=max(1, round(stream.smoothing_ms / stream.hop_ms)),
        stride=stride,
        refractory=stream.refractory_ms * rate // MS,
    )


def stride_of(hop_ms: float, *, hop: int, rate: int) -> int:
    """Frames in `hop_ms`. Raises ProjectError unless they are whole, and at least one."""
    stride, rest = divmod(hop_ms * rate, MS * hop)
    if rest or stride < 1:
        raise ProjectError(
            f"{hop_ms:g} ms from one inference to the next are not whole frames of {hop * MS / rate:g} ms",
            "choose a multiple of the front end's hop",
        )
    return int(stride)


def q15(share: float) -> int:
    """0..1 as the device holds it."""
    return round(share * ONE)
