"""The main job on made-up recordings: every command of the README, from recordings to a report."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from support import recordings, remote
from support.command import PROGRAM, Outcome, pqk_mcu

from pqk import boards, files, project

CHECKOUT = Path(__file__).parents[2]
WORDS = ["yes", "no", "stop", "go"]


def readme_commands() -> list[list[str]]:
    """The commands of the README's project, in order."""
    text = (CHECKOUT / "README.md").read_text()
    block = next(block for block in re.findall(r"```sh\n(.*?)```", text, re.S) if "pqk-mcu new" in block)
    return [line.split() for line in block.splitlines()]


def shorten(root: Path) -> None:
    """Fewer epochs: these tests are about the way, not about accuracy."""
    path = root / "pqk.toml"
    text = path.read_text()
    short = re.sub(r"phase1_epochs = \d+", "phase1_epochs = 3", text)
    path.write_text(re.sub(r"phase2_epochs = \d+", "phase2_epochs = 2", short))


@pytest.fixture(scope="module")
def lights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after the README's commands. One file is no recording, one is stereo at another rate."""
    folder = tmp_path_factory.mktemp("lights")
    data = recordings.write(folder / "recordings", [*WORDS, "marvin", "sheila"])
    (data / "yes" / "ffff0000_nohash_0.wav").write_bytes(b"this is no recording")
    stereo = np.random.default_rng(0).normal(0, 0.1, (44100, 2))
    soundfile.write(data / "no" / "ffff0001_nohash_0.wav", stereo, 44100)
    directory = folder
    for command in readme_commands():
        if command[0] == "cd":
            directory = directory / command[1]
            shorten(directory)
            continue
        assert command[0] == "pqk-mcu"
        outcome = pqk_mcu(*command[1:], cwd=directory)
        assert outcome.code == 0, outcome.err
    return directory


def report_of(root: Path) -> dict[str, Any]:
    return dict(json.loads((root / "build" / "mps2-an386" / "report.json").read_text()))


def test_the_report_is_filled(lights: Path) -> None:
    report = report_of(lights)
    keys = {
        "project": ["name", "classes"],
        "board": ["name", "cpu", "emulated"],
        "build": ["id", "compiler", "tool"],
        "model": ["arch", "parameters", "nonzero", "sparsity", "weight_bits", "macs", "nonzero_macs"],
        "data": ["source", "split", "clips"],
        "accuracy": ["float", "fake_quant", "integer", "device"],
        "parity": ["clips", "different_logits"],
        "cost": ["kind", "per_inference"],
        "memory": ["flash", "ram"],
    }
    assert report["schema"] == 1
    for key, inner in keys.items():
        assert set(inner) <= set(report[key]), key
    assert report["project"]["classes"] == [*WORDS, "_unknown_", "_silence_"]
    assert report["parity"]["different_logits"] == 0
    assert report["parity"]["clips"] == report["data"]["clips"] > 10
    assert report["accuracy"]["device"] == report["accuracy"]["integer"] == report["accuracy"]["fake_quant"]
    assert report["model"]["sparsity"] >= 0.9
    assert report["cost"]["kind"] == "emulated instructions"
    layers = report["layers"]
    assert all(layer["instructions"] > 0 for layer in layers)
    assert sum(layer["instructions"] for layer in layers) == pytest.approx(
        report["cost"]["per_inference"]["median"], rel=0.01
    )
    assert sum(layer["nonzeros"] for layer in layers) == report["model"]["nonzero"]


def test_a_page_lies_beside_it(lights: Path) -> None:
    page = (lights / "build" / "mps2-an386" / "report.html").read_text()
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
    assert "ffff0000_nohash_0.wav" in page


def test_audio_went_to_the_device(lights: Path) -> None:
    report = report_of(lights)
    assert report["parity"]["different_features"] == 0
    cost = report["cost"]
    assert cost["network"] == cost["per_inference"]
    assert 101 * 5_000 < cost["front_end"]["median"] < 101 * 17_000  # of frames; a clip is quiet before the word
    parts = cost["front_end"]["median"] + cost["network"]["median"]
    assert cost["per_second_of_audio"]["median"] == pytest.approx(parts, rel=0.05)


def test_features_can_be_sent_instead(lights: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(lights, root, symlinks=True)
    data = str(lights.parent / "recordings")
    assert pqk_mcu("eval", "--features", "--limit", "3", "--data", data, cwd=root).code == 0
    evaluation = json.loads((root / "build" / "mps2-an386" / "evaluation.json").read_text())
    assert (evaluation["sent"], evaluation["clips"], evaluation["different_logits"]) == ("features", 3, 0)


def test_streams(lights: Path, tmp_path: Path) -> None:
    """`eval --stream` with firmware that reuses rows, in the report; then `listen` to one of the recordings."""
    root = tmp_path / "copy"
    shutil.copytree(lights, root, symlinks=True)
    data = lights.parent / "recordings"
    outcome = pqk_mcu("eval", "--stream", "--hours", "0.01", "--device-minutes", "0.1", "--data", str(data), cwd=root)
    assert outcome.code == 0, outcome.err
    built = json.loads((root / "build" / "mps2-an386" / "build.json").read_text())
    assert built["stream"]["reuse"] is True
    outcome = pqk_mcu("report", cwd=root)
    assert outcome.code == 0, outcome.err
    stream = report_of(root)["stream"]
    assert [condition["name"] for condition in stream["conditions"]] == ["clean", "10 dB"]
    parity = stream["device"]["parity"]
    assert (parity["different"], parity["different_inferences"]) == (0, 0)
    assert parity["inferences"] > 40
    costs = {row["hop_ms"]: row["total"] for row in stream["device"]["costs"]}
    assert list(costs) == [10, 20, 50, 100, 250]
    assert costs[100] < 0.6 * 10 * report_of(root)["cost"]["per_second_of_audio"]["median"]
    assert costs[10] > costs[20] > costs[50] > costs[100]
    recording = min((data / "yes").glob("*.wav"))
    outcome = pqk_mcu("listen", str(recording), "--fast", "--threshold", "0.01", "--smoothing-ms", "100", cwd=root)
    assert outcome.code == 0, outcome.err


def made(root: Path) -> dict[Path, int]:
    """When each result of a stage, each object file and the firmware were written."""
    build = root / "build"
    paths = [*(build / "cache").glob("*-*"), *(build / "mps2-an386" / "firmware").rglob("*")]
    return {path: path.stat().st_mtime_ns for path in paths}


def test_with_nothing_changed_build_is_quick(lights: Path) -> None:
    """Nothing is trained or compiled, and what training needs is not even imported."""
    before = made(lights)
    assert lights / "build" / "mps2-an386" / "firmware" / "firmware.elf" in before
    outcome = pqk_mcu("build", cwd=lights, env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert outcome.code == 0
    assert "up to date" in outcome.out
    imported = {line.rpartition("|")[2].strip() for line in outcome.err.splitlines()}
    assert "pqk.pipeline" in imported
    assert not imported & {"torch", "matplotlib", "pqk.train.run"}
    assert made(lights) == before


def test_two_builds_at_once_are_kept_apart(lights: Path) -> None:
    place = lights / "build" / "mps2-an386"
    with files.exclusive(place):
        outcome = pqk_mcu("build", cwd=lights)
    assert outcome.code == 10
    assert f"another process is writing {place}" in outcome.err
    assert pqk_mcu("build", cwd=lights).code == 0


def test_deleted_firmware_is_compiled_again(lights: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(lights, root)
    firmware = root / "build" / "mps2-an386" / "firmware"
    before = (firmware / "firmware.bin").read_bytes()
    shutil.rmtree(firmware)
    outcome = pqk_mcu("build", "--data", str(lights.parent / "recordings"), cwd=root)
    assert outcome.code == 0, outcome.err
    assert "built" in outcome.out
    assert (firmware / "firmware.bin").read_bytes() == before


def test_another_board_retrains_nothing(lights: Path, tmp_path: Path) -> None:
    """What comes after `flash --board` is about that board, too."""
    root = shutil.copytree(lights, tmp_path / "lights")
    text = (CHECKOUT / "boards" / "mps2-an386.toml").read_text()
    (tmp_path / "bench.toml").write_text(text.replace('name = "mps2-an386"', 'name = "bench"'))
    before = sorted((root / "build" / "cache").iterdir())
    board = str(tmp_path / "bench.toml")
    data = str(lights.parent / "recordings")
    ran("build", "--board", board, "--data", data, cwd=root)
    assert ran("flash", "--board", "../bench.toml", cwd=root).out.endswith("next: pqk-mcu eval --board ../bench.toml\n")
    for command in (["eval", "--limit", "5"], ["report"]):
        assert f"on {board}, which was flashed last" in ran(*command, cwd=root).err
    elsewhere = ran("--project", str(root), "flash", "--board", "bench.toml", cwd=tmp_path)
    next_command = shlex.join(["pqk-mcu", "--project", str(root), "eval", "--board", "bench.toml"])
    assert elsewhere.out.endswith(f"next: {next_command}\n")
    assert sorted((root / "build" / "cache").iterdir()) == before
    report = json.loads((root / "build" / "bench" / "report.json").read_text())
    assert (report["board"]["name"], report["parity"]["clips"]) == ("bench", 5)
    assert "flashed last" not in ran("eval", "--limit", "5", "--board", "mps2-an386", cwd=root).err
    ran("flash", cwd=root)
    assert "flashed last" not in ran("eval", "--limit", "5", cwd=root).err


def ran(*arguments: str, cwd: Path) -> Outcome:
    """What a command said that must end well, and train nothing."""
    outcome = pqk_mcu(*arguments, cwd=cwd)
    assert outcome.code == 0, outcome.err
    assert "training" not in outcome.err
    return outcome


def test_two_devices_elsewhere_at_the_same_time(lights: Path, tmp_path: Path) -> None:
    root = shutil.copytree(lights, tmp_path / "lights")
    built = root / "build" / "mps2-an386"
    for journal in built.glob("journal-*"):
        journal.unlink()
    board = boards.load("mps2-an386")
    with (
        remote.listening(board, built / "flashed.elf") as first,
        remote.listening(board, built / "flashed.elf") as behind,
        remote.rfc2217(behind) as second,
        ThreadPoolExecutor(2) as pool,
    ):
        outcomes = pool.map(lambda url: pqk_mcu("eval", "--limit", "12", "--port", url, cwd=root), (first, second))
        for outcome in outcomes:
            assert outcome.code == 0, outcome.err
    journals = sorted(built.glob("journal-testing-*.jsonl"))
    assert [path.name.split("-")[2] for path in journals] == ["rfc2217", "socket"]
    answers = [
        [(entry["name"], entry["logits"]) for entry in map(json.loads, path.read_text().splitlines()[1:])]
        for path in journals
    ]
    assert answers[0] == answers[1]
    assert len(answers[0]) == 12
    assert json.loads((built / "evaluation.json").read_text())["different_logits"] == 0


def test_firmware_that_was_not_flashed_is_refused(lights: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(lights, root)
    (root / "build" / "mps2-an386" / "flashed.elf").unlink()
    outcome = pqk_mcu("eval", cwd=root)
    assert outcome.code == 7
    assert "nothing has been flashed to mps2-an386" in outcome.err
    assert "pqk-mcu flash" in outcome.err


def test_another_build_on_the_board_is_refused(lights: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(lights, root)
    text = (root / "pqk.toml").read_text()
    (root / "pqk.toml").write_text(re.sub(r"seed = \d+", "seed = 5", text))
    data = str(lights.parent / "recordings")
    assert pqk_mcu("build", "--data", data, cwd=root).code == 0
    outcome = pqk_mcu("eval", cwd=root)
    assert outcome.code == 7
    assert "runs build" in outcome.err
    assert "pqk-mcu flash" in outcome.err


def test_a_board_that_is_too_small_is_refused_before_compiling(lights: Path, tmp_path: Path) -> None:
    text = (CHECKOUT / "boards" / "mps2-an386.toml").read_text()
    text = text.replace('name = "mps2-an386"', 'name = "tiny"')
    text = re.sub(r"ram = \{ origin = (\w+), size = \w+ \}", r"ram = { origin = \1, size = 16384 }", text)
    (tmp_path / "tiny.toml").write_text(text)
    outcome = pqk_mcu("build", "--board", str(tmp_path / "tiny.toml"), cwd=lights)
    assert outcome.code == 6
    assert "RAM: needs" in outcome.err
    assert "arena" in outcome.err
    assert "has 16,384" in outcome.err
    assert not (lights / "build" / "tiny").exists()


def test_an_interrupted_training_goes_on(lights: Path, tmp_path: Path) -> None:
    """Ctrl-C in the middle of training loses at most an epoch, and the result is the same to the bit."""
    root = tmp_path / "again"
    root.mkdir()
    shutil.copy(lights / "pqk.toml", root)
    data = str(lights.parent / "recordings")
    process = subprocess.Popen([PROGRAM, "build", "--data", data], cwd=root, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list((root / "build" / "cache").glob("*checkpoint*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in error
    assert "Traceback" not in error
    assert pqk_mcu("build", "--data", data, cwd=root).code == 0
    built, expected = (path / "build" / "mps2-an386" / "network" for path in (root, lights))
    for name in ("network.json", "weights.npz"):
        assert (built / name).read_bytes() == (expected / name).read_bytes()
    assert not list((root / "build" / "cache").glob("*checkpoint*"))


def test_make_demo(lights: Path, tmp_path: Path) -> None:
    """The README's first command, on the small project; set-up is what made this test run."""
    variables = [f"DEMO={lights}", f"REPORT={tmp_path}", f"PQK_DATA={lights.parent / 'recordings'}", "HOURS=0.01"]
    command = ["make", "--old-file=.venv/.demo", "demo", *variables]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["parity"]["different_logits"] == 0
    assert report["kernels"]["plain_measured"] is True
    assert report["kernels"]["gain"] > 3
    assert report["stream"]["device"]["parity"]["different"] == 0
    assert "measured on this device by" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("folder", ["speech-commands", "mini"])
def test_demo_projects_are_valid(folder: str) -> None:
    loaded = project.load(CHECKOUT / "demo" / folder)
    assert loaded.board in boards.names()
    assert loaded.compression == project.CompressionConfig()


def test_a_wheel_works_elsewhere(lights: Path, tmp_path: Path) -> None:
    """Built, unpacked into another folder, and run from a third: nothing of the checkout is needed."""
    wheels, installed, work = tmp_path / "wheels", tmp_path / "installed", tmp_path / "work"
    work.mkdir()
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, CHECKOUT], check=True)
    wheel = next(wheels.glob("pqk_mcu-*.whl"))
    subprocess.run([*pip, "install", "--no-deps", "--target", installed, wheel], check=True)
    env = {**os.environ, "PYTHONPATH": str(installed), "PQK_DATA": str(lights.parent / "recordings")}

    def run(*arguments: str, cwd: Path) -> str:
        code = "import pqk.cli, pqk_codegen, sys; print(pqk.__file__, pqk_codegen.__file__); pqk.cli.main()"
        command = [sys.executable, "-P", "-c", code, *arguments]
        result = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    printed = run("new", "lamp", "--words", "yes,no", cwd=work)
    assert printed.count(str(installed)) == 2
    shorten(work / "lamp")
    assert "built" in run("build", cwd=work / "lamp")
    assert (work / "lamp" / "build" / "mps2-an386" / "firmware" / "firmware.bin").stat().st_size > 1000
