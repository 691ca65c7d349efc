"""`pqk-mcu eval --stream`: synthetic hours, or a user's recording, through the reference; minutes through the device.

Everything goes into build/<board>/stream.json (a recording: stream-<name>.json). What is chosen is chosen on
validation; testing is only measured.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pqk_codegen import decision, spotter
from pqk_codegen.decision import Settings
from pqk_codegen.ir import Network

from pqk import pipeline
from pqk.data.dataset import DataSet
from pqk.files import atomic_write_text, digest, digest_tree
from pqk.frontend import RATE, FrontEnd
from pqk.pipeline import Build
from pqk.project import FrontEndConfig, Project, as_plain
from pqk.stream import device as on_device
from pqk.stream import reference, score
from pqk.stream.hardware import Hardware
from pqk.stream.labels import Recording
from pqk.stream.mix import Mix, Recipe
from pqk.stream.score import Scene, Score
from pqk.stream.settings import keywords_of, settings_of
from pqk.stream.words import Stream

SCHEMA = 1
RECORD = "stream.json"
CONDITIONS: tuple[tuple[str, float | None], ...] = (("clean", None), ("10 dB", 10.0))
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95)
Progress = Callable[[str, int, int], None]
"""What is going on, how much of it is done, and how much there is."""


@dataclass(frozen=True, eq=False)
class Spotter:
    """A build's network, front end and settings."""

    network: Network
    front_end: FrontEnd
    hop_ms: int
    settings: Settings
    temperature: float

    @property
    def scale(self) -> decision.Scale:
        """Of the posteriors."""
        return decision.scale_of(self.network.tensors[self.network.output].scale, self.temperature)

    @property
    def keywords(self) -> tuple[bool, ...]:
        """Which outputs are words."""
        return keywords_of(self.network.classes)

    def scene(self, stream: Stream, inferences: spotter.Inferences) -> Scene:
        """What thresholds are tried on."""
        smoothed = spotter.smoothed_posteriors(inferences, self.scale, self.settings.smoothing)
        seconds = stream.samples / RATE
        return Scene(smoothed, inferences.samples, stream.words, seconds, self.keywords, self.settings.refractory)


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    hours: float = 1.0
    """Of testing audio in each condition, and of validation audio: thresholds chosen on less do not hold."""
    device_minutes: float = 2.0
    """Of testing audio that go through the device; 0 leaves the device alone."""
    seed: int = 0


def load_spotter(project: Project, built: Build) -> Spotter:
    """Of the last build; with the front end that its network was trained with, and the project's `[stream]`."""
    network = pipeline.load_stream_network(built)
    config = _front_end_config(project, network)
    front_end = FrontEnd(config)
    settings = settings_of(project.stream, network.classes, hop=front_end.hop, rate=RATE)
    return Spotter(network, front_end, config.hop_ms, settings, built.record["stream"]["temperature"])


def run(
    project: Project,
    built: Build,
    effort: Effort,
    hardware: Hardware,
    progress: Progress,
    data: Path | None = None,
) -> dict[str, Any]:
    """Measure on synthetic audio and return the record, which is also in build/<board>/stream.json.

    Raises:
        DataError: the recordings are gone, or too few.
        LinkError: the device does not answer, or with another build. The reference's logits are kept.
    """
    found = load_spotter(project, built)
    dataset = pipeline.scan_data(project, data)
    conditions, device = [], None
    for name, snr in CONDITIONS:
        scenes = {}
        for split in ("validation", "testing"):
            stream = Mix(dataset, Recipe(split, effort.hours * score.HOUR, snr, effort.seed))
            folder = built.directory / "stream" / _key(found, dataset, stream.recipe, built)
            inferences = reference.inferences(
                stream,
                found.network,
                found.front_end,
                found.settings.stride,
                folder,
                lambda done, total, what=f"{split}, {name}": progress(what, done, total),  # type: ignore[misc]
            )
            scenes[split] = (stream, inferences, found.scene(stream, inferences))
        conditions.append({"name": name, "snr_db": snr, **_condition(found, scenes)})
    if effort.device_minutes > 0:  # of the last condition, the hardest
        stream, inferences, _ = scenes["testing"]
        device = _device(found, hardware, stream, inferences, effort, progress)
    record = {**_head(project, built, found), "seed": effort.seed, "conditions": conditions, "device": device}
    atomic_write_text(built.directory / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return record


def run_recording(project: Project, built: Build, audio: Path, labels: Path, progress: Progress) -> dict[str, Any]:
    """Measure on a user's recording and return the record, which is also in build/<board>/stream-<name>.json.

    Raises:
        DataError: the recording or its labels cannot be used.
    """
    found = load_spotter(project, built)
    with Recording(audio, labels, found.network.classes) as stream:
        with audio.open("rb") as file:
            content = digest([hashlib.file_digest(file, "blake2b").digest(), *_parts(found, built)])
        inferences = reference.inferences(
            stream,
            found.network,
            found.front_end,
            found.settings.stride,
            built.directory / "stream" / content,
            lambda done, total: progress(audio.name, done, total),
            threads=1,  # the file has one position
        )
        scene = found.scene(stream, inferences)
        points = score.curve(scene)
        record = {
            **_head(project, built, found),
            "audio": str(audio),
            "labels": str(labels),
            **_scene_facts(scene),
            "configured": _scored(scene.score(found.settings.thresholds)),
            "on_curve": [_on_curve(points, limit) for limit in score.LIMITS],
            "curve": _curve(points),
            "detections": [dataclasses.asdict(item) for item in scene.detections(found.settings.thresholds)],
        }
    path = built.directory / f"stream-{audio.stem}.json"
    atomic_write_text(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return record


def _front_end_config(project: Project, network: Network) -> FrontEndConfig:
    known = {field.name for field in dataclasses.fields(FrontEndConfig)}
    recorded = {key: value for key, value in network.front_end.items() if key in known}
    return dataclasses.replace(project.front_end, **recorded)


def _head(project: Project, built: Build, found: Spotter) -> dict[str, Any]:
    """What every record says first."""
    return {
        "schema": SCHEMA,
        "build_id": built.record["id"],
        "settings": as_plain(project.stream) | {"temperature": found.temperature},
        "keywords": [name for name, keyword in zip(found.network.classes, found.keywords, strict=True) if keyword],
        "tolerance_s": score.TOLERANCE_S,
    }


def _condition(found: Spotter, scenes: dict[str, tuple[Mix, spotter.Inferences, Scene]]) -> dict[str, Any]:
    validation, testing = scenes["validation"][2], scenes["testing"][2]
    points = score.curve(testing)
    return {
        **{
            split: {**_scene_facts(scene), "others": stream.others, "noise_seconds": stream.noise_seconds}
            for split, (stream, _, scene) in scenes.items()
        },
        "operating": [_operating(validation, testing, points, limit) for limit in score.LIMITS],
        "configured": _scored(testing.score(found.settings.thresholds)),
        "curve": _curve(points),
    }


def _operating(validation: Scene, testing: Scene, points: list[score.Point], limit: float) -> dict[str, Any]:
    """At thresholds chosen on validation for so many false accepts per hour, what testing then has."""
    choice = score.choose(validation, limit)
    return {
        "limit": limit,
        "per_word": choice.per_word,
        "thresholds": [
            threshold for threshold, keyword in zip(choice.thresholds, validation.keywords, strict=True) if keyword
        ],
        "validation": _scored(validation.score(choice.thresholds)),
        "testing": _scored(testing.score(choice.thresholds)),
        "on_curve": _on_curve(points, limit),
    }


def _on_curve(points: list[score.Point], limit: float) -> dict[str, Any]:
    """The best point of a curve: read off the audio it is told of, so better than what can be hoped for."""
    point = score.choose_common(points, limit)
    return {"limit": limit, "threshold": point.threshold, **_scored(point.score)}


def _scene_facts(scene: Scene) -> dict[str, Any]:
    return {"seconds": scene.seconds, "words": len(scene.words)}


def _scored(result: Score) -> dict[str, Any]:
    return {
        "false_rejects": result.false_rejects,
        "words": result.words,
        "hits": result.hits,
        "false_accepts": result.false_accepts,
        "per_hour": result.per_hour,
        "repeated": result.repeated,
        "latency": {f"{share:g}": score.quantile(result.latencies, share) for share in QUANTILES},
    }


def _curve(points: list[score.Point]) -> list[dict[str, Any]]:
    return [
        {"threshold": p.threshold, "false_rejects": p.score.false_rejects, "per_hour": p.score.per_hour} for p in points
    ]


def _device(
    found: Spotter,
    hardware: Hardware,
    stream: Mix,
    inferences: spotter.Inferences,
    effort: Effort,
    progress: Progress,
) -> dict[str, Any]:
    seconds = min(effort.device_minutes * 60, stream.samples / RATE)
    with hardware.connect() as device:
        parity = on_device.check(
            device,
            stream,
            inferences,
            found.scale,
            found.keywords,
            found.settings,
            seconds,
            lambda done, total: progress("on the device", done, total),
        )
    rows = on_device.costs(
        hardware.connect_at,
        hardware.hops(found.hop_ms),
        stream,
        found.settings,
        found.hop_ms,
        hardware.board.timer.units_per_tick,
        lambda done, total: progress("cost of each hop", done, total),
    )
    return {"parity": dataclasses.asdict(parity), "unit": hardware.board.timer.unit, "costs": rows}


def _key(found: Spotter, dataset: DataSet, recipe: Recipe, built: Build) -> str:
    return digest([dataset.fingerprint, repr(recipe), *_parts(found, built)])


def _parts(found: Spotter, built: Build) -> list[str]:
    """What logits depend on beside the audio."""
    package, codegen = Path(__file__).parents[1], Path(spotter.__file__).parent
    code = [
        digest_tree(package, ["stream/mix.py", "frontend.py", "features.py", "data/audio.py", "data/dataset.py"]),
        digest_tree(
            codegen, ["spotter.py", "frontend/*.py", "interpreter.py", "streaming.py", "windows.py", "ops/*.py"]
        ),
    ]
    network = digest_tree(pipeline.network_directory(built))
    return [
        network,
        str(built.record["stream"]["reuse"]),
        repr(found.front_end.config),
        str(found.settings.stride),
        str(reference.PIECE),
        *code,
    ]
