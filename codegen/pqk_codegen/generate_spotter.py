"""Prints how a network decides as C: spotter.h, and the C of the spotter that includes it."""

from dataclasses import dataclass

from pqk_codegen import assets
from pqk_codegen.decision import MOST_SMOOTHING, Settings, scale_of
from pqk_codegen.errors import IrError
from pqk_codegen.frontend.spec import RATE, FrontEndSpec
from pqk_codegen.generate_front_end import constants, generate_front_end
from pqk_codegen.ir import Network
from pqk_codegen.templates import template

RUNTIME = (
    "pqk_decision.c",
    "pqk_decision.h",
    "pqk_frames.c",
    "pqk_frames.h",
    "pqk_spotter.c",
    "pqk_spotter.h",
)
CODE_FLASH = 12800
"""Bytes of code, at most, from the samples to the network's input and from its logits to detections."""
STATE_RAM = 512
"""Bytes, at most, of what is listed nowhere below: counters, settings, the queue of detections."""
SPARE_HOPS = 1
"""Of samples in the buffer besides a window; see pqk_frames.c."""
MOST_OUTPUTS = 256
"""On the wire a word is one byte."""
_MASK_BITS = 32


@dataclass(frozen=True)
class SpotterSpec:
    """What the device listens with."""

    keywords: tuple[bool, ...]
    """For each output whether it is a word to detect."""
    settings: Settings
    """In force until others are set."""
    temperature: float = 1.0
    """Of the posteriors: see `pqk_codegen.decision.scale_of`."""


def audio_files(
    front_end: FrontEndSpec, spotter: SpotterSpec, network: Network, stream: Network | None = None
) -> dict[str, str]:
    """The text of each file by name that makes audio into detections, for `pqk_codegen.generate.generate`.

    `stream` is the network whose logits are decided on in a stream, where it is not `network`.

    Raises:
        IrError: the network's input is not what the front end makes, its windows leave gaps, or see `generate_spotter`.
        EmptyBandError: see `generate_front_end`.
    """
    shape = (1, front_end.frames, front_end.features)
    if network.tensors[network.input].shape != shape:
        raise IrError(f"the network takes {network.tensors[network.input].shape}, the front end makes {shape}")
    if front_end.hop > front_end.window:
        raise IrError(f"a hop of {front_end.hop} samples is longer than the window, {front_end.window}")
    return generate_front_end(front_end) | generate_spotter(spotter, stream or network)


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
        "rate": RATE,
        "settings": spec.settings,
        "scale": scale_of(network.tensors[network.output].scale, spec.temperature),
        "most_smoothing": MOST_SMOOTHING,
        "spare_hops": SPARE_HOPS,
        "keywords": _mask(spec.keywords),
    }
    files = {name: (runtime / name).read_text(encoding="utf-8") for name in RUNTIME}
    return files | {"spotter.h": template("spotter.h.j2").render(context)}


@dataclass(frozen=True)
class Needs:
    """Bytes by part, for a check before anything is compiled."""

    flash: dict[str, int]
    ram: dict[str, int]


def needs(front_end: FrontEndSpec, network: Network, arena: int) -> Needs:
    """What `audio_files` add to a network whose arena has so many bytes."""
    scratch = 4 * front_end.fft // 2
    return Needs(
        flash={"front end's tables": sum(table.values.nbytes for table in constants(front_end)), "audio": CODE_FLASH},
        ram={
            "samples": 2 * (front_end.window + (0 if front_end.hop % 2 else SPARE_HOPS * front_end.hop)),
            "frames": front_end.frames * front_end.features,
            "front end": 0 if arena >= scratch else scratch,  # it uses the arena
            "decision": (2 * MOST_SMOOTHING + 4) * len(network.classes) + STATE_RAM,
        },
    )


def _mask(flags: tuple[bool, ...]) -> list[str]:
    """The flags as 32-bit C constants, the first one in the lowest bit."""
    starts = range(0, len(flags), _MASK_BITS)
    words = [sum(flag << bit for bit, flag in enumerate(flags[start : start + _MASK_BITS])) for start in starts]
    return [f"0x{word:X}u" for word in words]
