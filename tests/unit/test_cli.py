"""The command line: quick help, and errors that name the culprit and the next step."""

import subprocess
import sys
from pathlib import Path

import pytest
from support import recordings
from support.command import pqk_mcu

from pqk import assets

HEAVY = ("torch", "numpy", "matplotlib", "rich", "serial", "soundfile", "scipy", "jinja2")


def test_help_is_instant(tmp_path: Path) -> None:
    outcomes = [pqk_mcu("--help", cwd=tmp_path) for _ in range(5)]
    assert all(outcome.code == 0 for outcome in outcomes)
    for command in (
        "new",
        "build",
        "flash",
        "tune",
        "eval",
        "report",
        "history",
        "boards",
        "bench",
        "compare",
        "download",
    ):
        assert command in outcomes[0].out
    assert "doctor" in outcomes[0].out
    assert "monitor" in outcomes[0].out
    assert min(outcome.seconds for outcome in outcomes) < 0.5


def test_the_command_line_imports_nothing_heavy() -> None:
    code = f"import pqk.cli, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_only_the_trainer_imports_torch() -> None:
    """Everything that building, flashing, evaluating and reporting need, without the trainer."""
    modules = (
        "pqk.pipeline, pqk.console, pqk.tables, pqk.runners, pqk.evaluate, pqk.report, pqk.features, pqk.bench.run, "
        "pqk.compare.run"
    )
    code = f"import {modules}, sys; print('torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "False"


def test_boards_are_listed(tmp_path: Path) -> None:
    outcome = pqk_mcu("boards", cwd=tmp_path)
    assert outcome.code == 0
    line = next(line for line in outcome.out.splitlines() if line.strip().startswith("mps2-an386"))
    assert "cortex-m4" in line
    assert "emulated" in line
    assert "runs in CI (QEMU)" in line


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        (["build"], 2, "no pqk.toml in", "pqk-mcu new"),
        (["new", "x", "--words", "yes"], 2, "1 word(s) given", "add words"),
        (["new", "x", "--words", "yes,no,yes"], 2, "word given twice: yes", "once"),
        (["new", "x", "--words", "yes,no", "--board", "mps2-an368"], 5, "mps2-an368", "mps2-an386"),
        (["bench", "--core", "cortex-m99"], 5, "cortex-m99", "cortex-m4"),
        (["bench", "--network", "res9"], 2, "res9", "res8-narrow"),
        (["bench", "--sparsity", "1.5"], 2, "--sparsity", ""),
        (["frobnicate"], 2, "No such command", ""),
        (["--project", "typo", "doctor"], 2, "no pqk.toml in", "pqk-mcu new"),
        (["--project", "typo", "monitor"], 2, "no pqk.toml in", "pqk-mcu new"),
        (["new", "/proc/x", "--words", "yes,no"], 1, "pqk-mcu: /proc/x: No such file or directory", ""),
    ],
)
def test_errors_without_a_project(arguments: list[str], code: int, message: str, hint: str, tmp_path: Path) -> None:
    outcome = pqk_mcu(*arguments, cwd=tmp_path)
    assert outcome.code == code
    assert message in outcome.err
    assert hint in outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "x").exists()


def project(tmp_path: Path, words: str = "yes,no") -> Path:
    assert pqk_mcu("new", "lights", "--words", words, cwd=tmp_path).code == 0
    return tmp_path / "lights"


def test_a_project_finds_its_board_s_file(tmp_path: Path) -> None:
    """Wherever `new` was typed, and seen from the project's folder where the name is a relative one."""
    (tmp_path / "mine.toml").write_text((assets.directory("boards") / "mps2-an385.toml").read_text())
    assert pqk_mcu("new", "my lights", "--words", "yes,no", "--board", "mine.toml", cwd=tmp_path).code == 0
    settings = tmp_path / "my lights" / "pqk.toml"
    relative = settings.read_text().replace(str(tmp_path / "mine.toml"), "../mine.toml")
    for text in (settings.read_text(), relative):
        settings.write_text(text)
        for folder, root in ((tmp_path / "my lights", "."), (tmp_path, "my lights")):
            outcome = pqk_mcu("--project", root, "build", cwd=folder)
            assert "no recordings found" in outcome.err
    settings.write_text(relative.replace("../mine", "mine"))
    outcome = pqk_mcu("--project", "my lights", "build", cwd=tmp_path)
    assert f"cannot read the board file {tmp_path / 'my lights' / 'mine.toml'}" in outcome.err


def test_errors_with_a_project(tmp_path: Path) -> None:
    root = project(tmp_path)
    data = recordings.write(tmp_path / "data", ["yes", "maybe"], speakers=3)
    cases = [
        (["build"], 3, "no recordings found", "pqk-mcu download mini"),
        (["build", "--data", "nowhere"], 3, "no folder of recordings at", "--data"),
        (["build", "--data", str(data)], 3, "no folder 'no'", ""),
        (["build", "--board", "mps2"], 5, "mps2", "mps2-an386"),
        (["flash"], 2, "has not been built for mps2-an386", "pqk-mcu build"),
        (["tune"], 2, "has not been built for mps2-an386", "pqk-mcu build"),
        (["eval"], 2, "has not been built for mps2-an386", "pqk-mcu build"),
        (["report", "--against", "1"], 2, "has not been built for mps2-an386", "pqk-mcu build"),
        (["mlperf"], 2, "has not been built for mps2-an386", "pqk-mcu build"),
        (["mlperf", "--accuracy", "--performance"], 2, "one of --export, --accuracy and --performance", ""),
    ]
    for arguments, code, message, hint in cases:
        outcome = pqk_mcu(*arguments, cwd=root)
        assert (outcome.code, "Traceback" in outcome.err) == (code, False), outcome.err
        assert message in outcome.err
        assert hint in outcome.err


def test_a_build_of_another_version_is_not_read(tmp_path: Path) -> None:
    root = project(tmp_path)
    built = root / "build" / "mps2-an386" / "build.json"
    built.parent.mkdir(parents=True)
    built.write_text('{"schema": 1}')
    outcome = pqk_mcu("eval", "--stream", cwd=root)
    assert (outcome.code, "Traceback" in outcome.err) == (2, False), outcome.err
    assert "schema 1, this version knows" in outcome.err
    assert outcome.err.endswith(" pqk-mcu build\n")


def test_a_hint_is_about_the_place_that_was_named(tmp_path: Path) -> None:
    project(tmp_path)
    for verb in ("flash", "tune", "eval", "report"):
        outcome = pqk_mcu("--project", "lights", verb, "--board", "microbit", cwd=tmp_path)
        assert outcome.code == 2, outcome.err
        assert outcome.err.endswith(" pqk-mcu --project lights build --board microbit\n")
    outcome = pqk_mcu("--project", "lights", "doctor", "--board", "microbit", cwd=tmp_path)
    assert "pqk-mcu --project lights build --board microbit" in outcome.out


def test_a_wrong_setting_is_found_before_any_work(tmp_path: Path) -> None:
    root = project(tmp_path)
    data = recordings.write(tmp_path / "data", ["yes", "no", "go"])
    for old, new, message in (
        ('arch = "res8-coarse"', 'arch = "res9-coarse"', "res8-coarse"),
        ('method = "quantized-distillation"', 'method = "pqc"', "pqk"),
    ):
        text = (root / "pqk.toml").read_text()
        assert old in text
        (root / "pqk.toml").write_text(text.replace(old, new))
        outcome = pqk_mcu("build", "--data", str(data), cwd=root)
        assert outcome.code == 2, outcome.err
        assert message in outcome.err
        assert "training" not in outcome.err
        (root / "pqk.toml").write_text(text)
