"""The report's part on continuous audio, from what `pqk-mcu eval --stream` left; absent where that was not run."""

from collections.abc import Mapping
from typing import Any

from pqk.report.records import Record

COMMAND = "pqk-mcu eval --stream"
QUANTILES = ("0.05", "0.5", "0.9", "0.95")


def section(stream: Mapping[str, Any], build_id: str) -> dict[str, Any] | None:
    """What report.json says under `stream`; None where nothing was measured, or of another build.

    Raises PqkError naming the command to run when the record is incomplete.
    """
    if not stream:
        return None
    record = Record("stream record", COMMAND, stream)
    if record.text("build_id") != build_id:
        return None
    settings = record.table("settings")
    numbers = {key: settings.number(key) for key in ("hop_ms", "smoothing_ms", "refractory_ms", "temperature")}
    return {
        "settings": {**numbers, "threshold": settings.share("threshold")},
        "tolerance_s": record.number("tolerance_s"),
        "seed": record.whole("seed"),
        "keywords": record.texts("keywords"),
        "conditions": [_condition(condition) for condition in record.tables("conditions")],
        "device": _device(record.table("device")) if stream.get("device") else None,
    }


def _condition(condition: Record) -> dict[str, Any]:
    return {
        "name": condition.text("name"),
        "snr_db": _optional(condition, "snr_db"),
        **{split: _audio(condition.table(split)) for split in ("validation", "testing")},
        "operating": [_operating(point) for point in condition.tables("operating")],
        "configured": _scored(condition.table("configured")),
        "curve": [
            {"threshold": point.whole("threshold"), "per_hour": point.number("per_hour")}
            | {"false_rejects": point.share("false_rejects")}
            for point in condition.tables("curve")
        ],
    }


def _audio(audio: Record) -> dict[str, Any]:
    seconds = {key: audio.number(key) for key in ("seconds", "noise_seconds")}
    return {**seconds, **{key: audio.whole(key) for key in ("words", "others")}}


def _operating(point: Record) -> dict[str, Any]:
    return {
        "limit": point.number("limit"),
        "per_word": point.flag("per_word"),
        "thresholds": point.wholes("thresholds"),
        **{key: _scored(point.table(key)) for key in ("validation", "testing", "on_curve")},
    }


def _scored(result: Record) -> dict[str, Any]:
    latency = result.table("latency")
    return {
        "false_rejects": result.share("false_rejects"),
        "per_hour": result.number("per_hour"),
        **{key: result.whole(key) for key in ("words", "hits", "false_accepts", "repeated")},
        "latency": {share: _optional(latency, share) for share in QUANTILES},
    }


def _device(device: Record) -> dict[str, Any]:
    parity = device.table("parity")
    counts = ("detections", "different", "inferences", "different_inferences")
    return {
        "unit": device.text("unit"),
        "parity": {"seconds": parity.number("seconds"), **{key: parity.whole(key) for key in counts}},
        "costs": [
            {"hop_ms": row.number("hop_ms"), "inferences": row.number("inferences")}
            | {key: row.whole(key) for key in ("front_end", "network")}
            | {"total": row.whole("front_end") + row.whole("network")}
            for row in device.tables("costs")
        ],
    }


def _optional(record: Record, key: str) -> float | None:
    """A number, or None where there is nothing to tell: the latency of no hit, the ratio to no noise."""
    return None if key in record.values and record.values[key] is None else record.number(key)


def measured(stream: dict[str, Any] | None) -> list[tuple[str, str, str]]:
    """How the figures were obtained: figure, key, words."""
    if stream is None:
        return []
    first, late = stream["conditions"][0], stream["tolerance_s"]
    noise = max(condition["testing"]["noise_seconds"] for condition in stream["conditions"])
    repeated = f", {noise:.0f} seconds of which are different and come again and again" if noise else ""
    entries = [
        (
            "False rejects, false accepts",
            "stream.conditions",
            "Recordings of the testing split, words of the list and others, placed at random (seeded) into background "
            f"noise of the testing part of the noise files{repeated}; {first['testing']['seconds'] / 3600:.3g} hours "
            "for each row, run by the integer reference. The signal-to-noise ratio compares root mean squares: of the "
            "word, found by its energy, and of the whole noise. A word counts as heard when it is detected from its "
            f"start to {late:g} s after its end; every other detection is a false accept, but a word detected again.",
        ),
        (
            "Thresholds",
            "stream.conditions[].operating",
            f"Chosen on {first['validation']['seconds'] / 3600:.3g} hours made of the validation split, so that there "
            "are at most so many false accepts per hour with as few false rejects as can be; testing then says what "
            "they are worth. The curve, and what is read off it, are of the testing audio alone, and so is a little "
            "too good. A threshold for each word is used where it pays on halves of the validation audio on which "
            "it was not chosen.",
        ),
        (
            "Latency",
            "stream.conditions[].operating[].testing.latency",
            "From the end of a word to the last sample that the device needs for detecting it; the time that it then "
            "computes is not in it.",
        ),
    ]
    if stream["device"]:
        kind = stream["device"]["unit"]
        entries.append(
            (
                "Cost per second of audio",
                "stream.device.costs",
                f"{kind.capitalize()}, by the board's timer around front end and network, while the device hears "
                "2 seconds of the stream whose first window was full before.",
            )
        )
    return entries
