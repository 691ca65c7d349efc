"""Limits that a report must keep, for the machines that watch over a project: each is checked, and all are told."""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from pqk.errors import CheckError, ProjectError
from pqk.report.history import Found
from pqk.report.key_figures import BYTES, MILLISECONDS, SHARE, Figure, key_figures, said, said_difference
from pqk.report.text import visible

_NUMBER = re.compile(r"([0-9]*\.?[0-9]+) ?([a-z]*|%)")
_SUFFIXES: dict[str, dict[str, Fraction]] = {
    SHARE: {"": Fraction(1), "%": Fraction(1, 100)},
    BYTES: {
        **dict.fromkeys(("", "b"), Fraction(1)),
        **dict.fromkeys(("k", "kb", "kib"), Fraction(1024)),
        **dict.fromkeys(("m", "mb", "mib"), Fraction(1024**2)),
    },
    MILLISECONDS: {"": Fraction(1), "ms": Fraction(1)},
}
"""What a number may end in, in small letters. Sizes are in units of 1024 as in linker scripts and pqk.toml."""
_COUNT_SUFFIXES = {"": Fraction(1), "k": Fraction(10**3), "m": Fraction(10**6), "g": Fraction(10**9)}
_EXAMPLES = {SHARE: "0.9 or 90%", BYTES: "65536 or 64k", MILLISECONDS: "12.5"}
_COUNT_EXAMPLE = "1200000 or 1.2M"


@dataclass(frozen=True)
class Limits:
    """What was asked for, in words like "flash=64k"."""

    under: Sequence[str] = ()
    """The least that a figure may be."""
    over: Sequence[str] = ()
    """The most that a figure may be."""
    worse: Sequence[str] = ()
    """By how much a figure may be worse than that of another run; "2%" is of the other run's figure."""


@dataclass(frozen=True)
class Check:
    """A limit, and what came of it."""

    title: str
    passed: bool
    found: str


def check(report: Mapping[str, Any], limits: Limits, other: Found | None = None) -> list[Check]:
    """Parity with the integer reference, then every limit on `report` in the order given.

    Raises ProjectError: a limit is not NAME=VALUE, the report has no such figure, or `worse` has nothing to go by.
    """
    figures = {figure.name: figure for figure in key_figures(report)}
    checks = [_parity(report)]
    checks += [_bound(*_wanted(text, figures), "at least") for text in limits.under]
    checks += [_bound(*_wanted(text, figures), "at most") for text in limits.over]
    if limits.worse and other is None:
        raise ProjectError("--fail-worse has nothing to compare with", "add --against and a number of pqk-mcu history")
    if other is not None:
        theirs = {figure.title: figure for figure in key_figures(other.report, other.name)}
        checks += [_no_worse(*_wanted(text, figures), theirs, other.name) for text in limits.worse]
    return checks


def raise_failures(checks: Sequence[Check]) -> None:
    """Raise CheckError if a check failed."""
    failed = [check.title for check in checks if not check.passed]
    if failed:
        raise CheckError(
            f"{len(failed)} of {len(checks)} checks failed: {'; '.join(failed)}",
            "pqk-mcu history lists runs, and pqk-mcu report --against NUMBER shows what has changed since one",
        )


def junit(checks: Sequence[Check], report: Mapping[str, Any], now: datetime) -> str:
    """The checks as JUnit XML, a test case each, as CI servers read it."""
    suite = visible(f"{report['project']['name']} on {report['board']['name']}")
    counts = {"tests": str(len(checks)), "failures": str(sum(not check.passed for check in checks))}
    root = ET.Element("testsuites", counts)
    time = now.replace(tzinfo=None).isoformat(timespec="seconds")  # the schema has no room for a zone
    table = ET.SubElement(root, "testsuite", {"name": suite, "timestamp": time, "errors": "0", "skipped": "0"} | counts)
    for check in checks:
        case = ET.SubElement(
            table, "testcase", {"classname": f"pqk-mcu.{report['board']['name']}", "name": visible(check.title)}
        )
        if check.passed:
            ET.SubElement(case, "system-out").text = visible(check.found)
        else:
            ET.SubElement(case, "failure", {"type": "limit", "message": visible(check.found)})
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _parity(report: Mapping[str, Any]) -> Check:
    parity = report["parity"]
    counts = [
        f"{parity['different_features']:,} of {parity['clips']:,} clips with other features",
        f"{parity['different_logits']:,} with other outputs",
    ]
    passed = parity["different_features"] == parity["different_logits"] == 0
    heard = report["stream"]["device"] if "stream" in report else None
    if heard:
        stream = heard["parity"]
        counts.append(f"{stream['different']:,} other detections and {stream['different_inferences']:,} posteriors")
        passed = passed and stream["different"] == stream["different_inferences"] == 0
    return Check("parity with the integer reference", passed, ", ".join(counts))


def _wanted(text: str, figures: Mapping[str, Figure]) -> tuple[str, Figure]:
    """The value, and the figure that it limits."""
    name, _, value = text.partition("=")
    if name not in figures:
        raise ProjectError(f"{text!r}: this report has no figure {name!r}", f"it has: {', '.join(figures)}")
    return value, figures[name]


def _bound(value: str, figure: Figure, word: str) -> Check:
    bound = _number(value, figure.unit, figure.name)
    passed = figure.value >= bound if word == "at least" else figure.value <= bound
    return Check(f"{figure.name} {word} {said(bound, figure.unit)}", passed, figure.text)


def _no_worse(value: str, figure: Figure, others: Mapping[str, Figure], name: str) -> Check:
    other = others.get(figure.title)
    if other is None or other.unit != figure.unit:
        raise ProjectError(f"{name} has no {figure.name} in {figure.unit} to compare with", "leave this limit out")
    relative = value.endswith("%") and figure.unit != SHARE
    allowed = other.value * _number(value, SHARE, figure.name) if relative else _number(value, figure.unit, figure.name)
    difference = figure.value - other.value
    worse = -difference if figure.more_is_better else difference
    passed = worse <= allowed or math.isclose(worse, allowed)  # 0.95 - 0.94 is a little more than 0.01
    changed = said_difference(difference, figure.unit)
    found = f"{figure.text}, there {other.text}: {changed}"
    return Check(f"{figure.name} at most {value} worse than {name}", passed, found)


def _number(text: str, unit: str, name: str) -> float:
    """`text` as a number in `unit`, for the figure called `name`."""
    match = _NUMBER.fullmatch(text.strip().lower())
    factor = _SUFFIXES.get(unit, _COUNT_SUFFIXES).get(match[2]) if match else None
    if match is None or factor is None or (unit == SHARE and Fraction(match[1]) * factor > 1):
        raise ProjectError(f"{text!r} is no limit for {name}", f"for instance {_EXAMPLES.get(unit, _COUNT_EXAMPLE)}")
    return float(Fraction(match[1]) * factor)
