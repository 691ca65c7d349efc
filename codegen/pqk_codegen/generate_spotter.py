"""Prints how a network decides as C: spotter.h, and the C of the spotter that includes it."""

from dataclasses import dataclass

from pqk_codegen import assets, templating
from pqk_codegen.decision import MOST_SMOOTHING, Settings, scale_of
from pqk_codegen.errors import IrError
from pqk_codegen.ir import Network

RUNTIME = (
    "pqk_decision.c",
    "pqk_decision.h",
    "pqk_frames.c",
    "pqk_frames.h",
    "pqk_spotter.c",
    "pqk_spotter.h",
)
MOST_OUTPUTS = 256
"""On the wire a word is one byte."""
_MASK_BITS = 32


@dataclass(frozen=True)
class SpotterSpec:
    """What the device listens with."""

    rate: int
    """Samples per second."""
    keywords: tuple[bool, ...]
    """For each output whether it is a word to detect."""
    settings: Settings
    """In force until others are set."""


def generate_spotter(spec: SpotterSpec, network: Network) -> dict[str, str]:
    """The text of each file by name: spotter.h, and the C that runs front end, network and decision.

    Raises IrError where the spec is not for this network's outputs, or there are more of them than a byte can number.
    """
    outputs = len(network.classes)
    if {len(spec.keywords), len(spec.settings.thresholds)} != {outputs}:
        raise IrError(
            f"{len(spec.keywords)} keywords and {len(spec.settings.thresholds)} thresholds for {outputs} outputs"
        )
    if outputs > MOST_OUTPUTS:
        raise IrError(f"{outputs} outputs are more than a spotter can tell apart ({MOST_OUTPUTS})")
    runtime = assets.directory("runtime")
    context = {
        "network": network,
        "spotter": spec,
        "scale": scale_of(network.tensors[network.output].scale),
        "most_smoothing": MOST_SMOOTHING,
        "keywords": _mask(spec.keywords),
    }
    files = {name: (runtime / name).read_text(encoding="utf-8") for name in RUNTIME}
    return files | {"spotter.h": templating.render("spotter.h", context)}


def _mask(flags: tuple[bool, ...]) -> list[str]:
    """The flags as 32-bit C constants, the first one in the lowest bit."""
    starts = range(0, len(flags), _MASK_BITS)
    words = [sum(flag << bit for bit, flag in enumerate(flags[start : start + _MASK_BITS])) for start in starts]
    return [f"0x{word:X}u" for word in words]
