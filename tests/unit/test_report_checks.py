"""Limits of a report: what passes, what fails, what cannot be checked, and what CI servers get to read."""

import json
import math
import re
import shlex
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.command import pqk_mcu
from support.reports import BOARD, records, stream_record, write_build, write_project
from support.seeds import fresh

from pqk.errors import CheckError, ProjectError
from pqk.report import assemble
from pqk.report.checks import Check, Limits, check, junit, raise_failures
from pqk.report.history import Found
from pqk.report.key_figures import key_figures

NOON = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def report() -> dict[str, Any]:
    """Of a physical board, so that there are milliseconds, and with words left out of training."""
    inputs = records(int(fresh("records").integers(2**32)))
    inputs["board"] = replace(BOARD, per_second=2e6)
    inputs["evaluation"]["unit"] = "cycles"
    inputs["evaluation"] |= {"different_features": 3, "different_logits": 5}
    inputs["training"]["unseen_unknown_recall"] = {"float": 0.71, "fake_quant": 0.6825}
    return assemble(**inputs)


def passed(report: dict[str, Any], *, other: dict[str, Any] | None = None, **limits: str) -> bool:
    """Whether one limit is kept."""
    asked = Limits(**{kind: [text] for kind, text in limits.items()})
    return check(report, asked, Found("number 4", other) if other else None)[1].passed


def test_every_figure_is_limited_from_both_sides(report: dict[str, Any]) -> None:
    figures = {figure.name: figure.value for figure in key_figures(report)}
    assert figures == {
        "accuracy": report["accuracy"]["device"],
        "unseen_unknown_recall": 0.6825,
        "different_features": 3,
        "different_logits": 5,
        "cycles": report["cost"]["network"]["median"],
        "milliseconds": report["cost"]["milliseconds"]["median"],
        "front_end": report["cost"]["front_end"]["median"],
        "second_of_audio": report["cost"]["per_second_of_audio"]["median"],
        "flash": report["memory"]["flash"]["total"],
        "ram": report["memory"]["ram"]["total"],
        "stack": report["memory"]["ram"]["stack_high_water"],
    }
    for name, value in figures.items():
        below, above = (f"{value * factor:.12f}" for factor in (0.999, 1.001))
        assert passed(report, under=f"{name}={below}")
        assert not passed(report, under=f"{name}={above}")
        assert not passed(report, over=f"{name}={below}")
        assert passed(report, over=f"{name}={above}")


def test_a_limit_that_is_just_met_is_kept(report: dict[str, Any]) -> None:
    report["accuracy"]["device"], report["memory"]["flash"]["total"] = 0.57, 65536
    report["cost"]["per_inference"]["median"] = 2_300_000
    for least_and_most in ("accuracy=0.57", "accuracy=57%", "flash=64k", "cycles=2.3M"):
        assert passed(report, under=least_and_most), least_and_most
        assert passed(report, over=least_and_most), least_and_most


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("flash=65536", "flash at most 65,536 bytes"),
        ("flash=64k", "flash at most 65,536 bytes"),
        ("ram=64K", "ram at most 65,536 bytes"),
        ("stack=64 kB", "stack at most 65,536 bytes"),
        ("flash=64KiB", "flash at most 65,536 bytes"),
        ("flash=1.5M", "flash at most 1,572,864 bytes"),
        ("cycles=65k", "cycles at most 65,000 cycles"),
        ("front_end=1.2M", "front_end at most 1,200,000 cycles"),
        ("second_of_audio=.5g", "second_of_audio at most 500,000,000 cycles"),
        ("milliseconds=12.5", "milliseconds at most 12.50 ms"),
        ("milliseconds=12.5ms", "milliseconds at most 12.50 ms"),
        ("accuracy=90 %", "accuracy at most 90.00 %"),
        ("different_logits=0", "different_logits at most 0 of 913 clips"),
    ],
)
def test_sizes_count_in_1024_and_all_else_in_1000(report: dict[str, Any], text: str, title: str) -> None:
    assert check(report, Limits(over=[text]))[1].title == title


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "speed=3",
            "no figure 'speed'",
            "accuracy, unseen_unknown_recall, different_features, .*, cycles, milliseconds",
        ),
        ("instructions=3", "no figure 'instructions'", "cycles, milliseconds"),
        ("flash", "'' is no limit for flash", "64k"),
        ("flash=", "'' is no limit for flash", "64k"),
        ("flash=big", "'big' is no limit", "64k"),
        ("flash=-3", "'-3' is no limit", "64k"),
        ("flash=3%", "'3%' is no limit", "64k"),
        ("flash=1e3", "'1e3' is no limit", "64k"),
        ("flash=nan", "'nan' is no limit", "64k"),
        ("cycles=3kB", "'3kB' is no limit", "1.2M"),
        ("milliseconds=3s", "'3s' is no limit", "12.5"),
        ("accuracy=95", "'95' is no limit for accuracy", "0.9 or 90%"),
        ("accuracy=1.01", "'1.01' is no limit for accuracy", "0.9 or 90%"),
    ],
)
def test_what_cannot_be_checked_is_refused(report: dict[str, Any], text: str, message: str, hint: str) -> None:
    for kind in ("under", "over", "worse"):
        if (kind, text) == ("worse", "flash=3%"):
            continue
        with pytest.raises(ProjectError, match=re.escape(message)) as caught:
            check(report, Limits(**{kind: [text]}), Found("number 4", report))
        assert re.search(hint, caught.value.hint)


def test_parity_is_always_checked() -> None:
    inputs = records(3)
    assert [one.passed for one in check(assemble(**inputs), Limits())] == [True]
    inputs["stream"] = stream_record(3)
    assert check(assemble(**inputs), Limits())[0].passed
    for place, key in (
        (inputs["evaluation"], "different_features"),
        (inputs["evaluation"], "different_logits"),
        (inputs["stream"]["device"]["parity"], "different"),
        (inputs["stream"]["device"]["parity"], "different_inferences"),
    ):
        place[key] = 2
        found = check(assemble(**inputs), Limits(over=["flash=1M"]))
        assert [one.passed for one in found] == [False, True]
        assert "2 " in found[0].found
        place[key] = 0
    inputs["stream"] = stream_record(3, device=False)
    assert check(assemble(**inputs), Limits())[0].passed


def test_a_figure_may_be_so_much_worse_than_another_run_s(report: dict[str, Any]) -> None:
    other: dict[str, Any] = json.loads(json.dumps(report))
    other["accuracy"]["device"], report["accuracy"]["device"] = 0.95, 0.94
    other["cost"]["per_inference"]["median"], report["cost"]["per_inference"]["median"] = 1_000_000, 1_020_000
    for text, kept in (
        ("accuracy=0.01", True),
        ("accuracy=1%", True),
        ("accuracy=0.0099", False),
        ("cycles=20k", True),
        ("cycles=19999", False),
        ("cycles=2%", True),
        ("cycles=1.9%", False),
        ("flash=0", True),
    ):
        assert passed(report, other=other, worse=text) is kept, text
    for text in ("accuracy=0", "cycles=0"):
        assert passed(other, other=report, worse=text), "better is never worse"
    found = check(report, Limits(worse=["cycles=1%"]), Found("number 4", other))[1]
    assert found == Check(
        "cycles at most 1% worse than number 4", False, "1,020,000 cycles, there 1,000,000 cycles: +20,000"
    )


def test_nothing_is_worse_than_what_is_not_there(report: dict[str, Any]) -> None:
    with pytest.raises(ProjectError, match="nothing to compare with") as caught:
        check(report, Limits(worse=["flash=1k"]))
    assert "--against" in caught.value.hint
    emulated = assemble(**records(3))
    for name in ("cycles", "milliseconds", "unseen_unknown_recall"):
        with pytest.raises(ProjectError, match=f"number 4 has no {name} in "):
            passed(report, other=emulated, worse=f"{name}=0")


def test_failures_are_all_named() -> None:
    checks = [Check("parity", True, ""), Check("flash at most 3 bytes", False, ""), Check("ram at most 2", False, "")]
    with pytest.raises(CheckError, match=r"^2 of 3 checks failed: flash at most 3 bytes; ram at most 2$") as caught:
        raise_failures(checks)
    assert caught.value.exit_code == 9
    raise_failures(checks[:1])


def test_junit_has_a_case_for_every_check() -> None:
    inputs = records(3)
    inputs["project"] = replace(inputs["project"], name='<a> & "b"\x00\udcff')
    report = assemble(**inputs)
    checks = [*check(report, Limits(over=["flash=1k", "ram=1M"])), Check("against \x07 & <x>", False, "\x1b <y>")]
    root = ET.fromstring(junit(checks, report, NOON).encode())
    assert (root.tag, root.attrib) == ("testsuites", {"tests": "4", "failures": "2"})
    (suite,) = root
    assert suite.tag == "testsuite"
    assert suite.attrib == {
        "name": '<a> & "b"\\x00\\udcff on mps2-an386',
        "timestamp": "2026-03-01T12:00:05",
        "tests": "4",
        "failures": "2",
        "errors": "0",
        "skipped": "0",
    }
    assert [case.attrib["name"] for case in suite] == [
        "parity with the integer reference",
        "flash at most 1,024 bytes",
        "ram at most 1,048,576 bytes",
        "against \\x07 & <x>",
    ]
    assert {case.attrib["classname"] for case in suite} == {"pqk-mcu.mps2-an386"}
    assert [[part.tag for part in case] for case in suite] == [["system-out"], ["failure"], ["system-out"], ["failure"]]
    failures = [failure.attrib["message"] for failure in suite.iter("failure")]
    assert failures == [f"{report['memory']['flash']['total']:,} bytes", "\\x1b <y>"]


def test_the_readme_s_commands_for_ci_run(tmp_path: Path) -> None:
    """Two runs: all limits are kept; then one that is worse, of which the report is written all the same."""
    first, second = (shlex.split(line)[1:] for line in re.findall(r"^pqk-mcu report --.*", README, re.M))
    write_project(tmp_path, records(3))
    outcome = pqk_mcu(*first, cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    assert outcome.out.count(" passed ") == 4
    assert len(ET.parse(tmp_path / "report.xml").findall("testsuite/testcase[system-out]")) == 4
    assert pqk_mcu(*second, cwd=tmp_path).code == 0
    worse = records(3)
    worse["evaluation"]["predictions"][:200] = [0] * 200
    worse["evaluation"]["different_logits"] = 180
    write_build(tmp_path, worse)
    outcome = pqk_mcu(*second, cwd=tmp_path)
    assert outcome.code == 9
    assert (
        "2 of 3 checks failed: parity with the integer reference; accuracy at most 0.01 worse than number 1"
        in outcome.err
    )
    assert "Traceback" not in outcome.err
    assert outcome.out.count(" FAILED ") == 2
    assert "p < 0.001 (McNemar, exact)" in outcome.out
    report = json.loads((tmp_path / "build" / "mps2-an386" / "report.json").read_text(encoding="utf-8"))
    assert report["against"]["name"] == "number 1"
    assert math.isclose(report["accuracy"]["device"], report["against"]["figures"][0]["here"])
    outcome = pqk_mcu("history", cwd=tmp_path)
    assert [line.split()[0] for line in outcome.out.splitlines()] == ["number", "1", "2"]
    assert sorted(path.name[:4] for path in (tmp_path / "history").glob("*.json")) == ["0001", "0002"]


def test_a_limit_that_cannot_be_checked_ends_before_anything_is_written(tmp_path: Path) -> None:
    write_project(tmp_path, records(3))
    outcome = pqk_mcu("report", "--fail-over", "speed=3", "--junit", "report.xml", cwd=tmp_path)
    assert (outcome.code, "Traceback" in outcome.err) == (2, False)
    assert "it has: accuracy, different_features, different_logits, instructions, front_end" in outcome.err
    outcome = pqk_mcu("report", "--against", "7", cwd=tmp_path)
    assert (outcome.code, "'7' is no number of the history" in outcome.err) == (1, True)
    assert not (tmp_path / "history").exists()
    assert not (tmp_path / "report.xml").exists()
    assert not (tmp_path / "build" / "mps2-an386" / "report.json").exists()
