"""MLPerf Tiny on the emulated M4: the demo's project with a random network, driven over both protocols."""

import json
import os
import re
import shutil
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import serial
from pqk_codegen import interpreter, store
from pqk_codegen.ir import Network
from support import mlperf, recordings, seeds, spotting
from support.command import pqk_mcu, started
from support.mlperf import CLASSES
from support.trained import ir_of, random_method

from pqk import boards, features, firmware, pipeline, project, runners
from pqk.boards import Board
from pqk.build import Compiled, compile_network, listener
from pqk.features import Features
from pqk.files import atomic_directory
from pqk.frontend import FrontEnd
from pqk.links import Link, SerialLink, open_link
from pqk.mlperf import run
from pqk.mlperf.client import Client, Profile
from pqk.pipeline import Build, Reporter
from pqk.project import Project
from pqk.train.blank import blank_network
from pqk.train.integer import InputFormat

CHECKOUT = Path(__file__).parents[2]
DEMO = CHECKOUT / "demo" / "mlperf-kws"
BOARD = boards.load("mps2-an386")
SMALLEST = boards.load("mps2-an385-armv6m")
INSTRUCTIONS = 31.25
"""Of the emulated board in one of its microseconds."""


@dataclass(frozen=True)
class Built:
    project: Project
    build: Build
    network: Network
    inputs: np.ndarray


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The demo's project, built and flashed on made-up recordings, with random weights in place of trained ones."""
    root = tmp_path_factory.mktemp("mlperf") / "kws"
    shutil.copytree(DEMO, root, ignore=shutil.ignore_patterns("build"))
    opened = project.load(root)
    data = recordings.write(root / "recordings", [*mlperf.WORDS, "marvin"], speakers=30)
    report = Reporter(note=lambda _: None, extracting=lambda *_: None, training=lambda _: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "trained", _made_up)
        made = pipeline.build(opened, BOARD, data=data, report=report)
    runners.flash(BOARD, made.elf, made.directory, expected_build=made.record["id"])
    inputs, _, _ = features.load(pipeline.features_directory(opened, made)).subset("testing")
    return Built(opened, made, pipeline.load_network(made), np.asarray(inputs))


def _made_up(opened: Project, inputs: Features, *_: object) -> Path:
    """A network that decides for each of the classes now and then, in place of `pipeline.trained`."""
    rng, source = seeds.fresh("network"), InputFormat.of(FrontEnd(opened.front_end))
    method = random_method(opened.compression.method, opened.network.arch, source, opened.compression, rng, CLASSES)
    network = ir_of(method, opened.network.arch, CLASSES)
    with atomic_directory(opened.root / "trained") as out:
        store.save(spotting.calibrated(rng, network, inputs.inputs("testing")), out / "network")
        (out / "training.json").write_text("{}")
    return opened.root / "trained"


@pytest.fixture
def port(built: Built) -> Iterator[str]:
    """A freshly started board."""
    with runners.started(BOARD, built.build.directory) as url:
        yield url


def reply(link: Link, command: bytes) -> bytes:
    """What comes back, m-ready included."""
    link.write(command)
    said = b""
    limit = time.monotonic() + 30
    while not said.endswith(b"m-ready\r\n") and time.monotonic() < limit:
        said += link.read(1.0)
    return said


def test_the_demos_project() -> None:
    opened = project.load(DEMO)
    network = blank_network(opened)
    assert opened.classes == CLASSES
    assert (opened.board, opened.network.arch, opened.build.mlperf) == ("mps2-an386", "ds-cnn", True)
    assert network.tensors[network.input].shape == (1, 49, 10)
    assert network.tensors[network.input].elements == 490
    assert network.tensors[network.output].shape == (12,)
    assert opened.compression.sparsity > 0


def test_the_documented_dialogue(built: Built, port: str) -> None:
    clip = built.inputs[0]
    link = open_link(port, BOARD.uart.baud)
    Client(link, port)  # throws away the banner, of which an emulator's port may have missed a part
    assert reply(link, b"name%") == b"m-name-dut-[pqk-mcu]\r\nm-ready\r\n"
    assert reply(link, b"profile%") == (
        b"m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\nm-model-[kws01]\r\nm-ready\r\n"
    )
    assert re.fullmatch(rb"m-lap-us-\d+\r\nm-ready\r\n", reply(link, b"timestamp%"))
    assert reply(link, b"db load 490%") == b"m-[Expecting 490 bytes]\r\nm-ready\r\n"
    data = clip.tobytes().hex()
    for start in range(0, 2 * 465, 62):
        assert reply(link, f"db {data[start : start + 62]}%".encode()) == b"m-ready\r\n"
    assert reply(link, f"db {data[2 * 465 :]}%".encode()) == b"m-load-done\r\nm-ready\r\n"
    first = reply(link, b"db print%").split(b"\r\n")[0]
    assert first == b"m-buffer-" + clip.tobytes()[:8].hex("-").encode()
    results = mlperf.results(built.network, clip).encode()
    said = reply(link, b"infer 2 1%")
    laps = re.findall(rb"m-lap-us-(\d+)", said)
    assert len(laps) == 2
    assert said == (
        b"m-warmup-start-1\r\nm-warmup-done\r\nm-infer-start-2\r\nm-lap-us-0\r\nm-lap-us-" + laps[1] + b"\r\n"
        b"m-infer-done\r\n" + results + b"\r\nm-ready\r\n"
    )
    assert reply(link, b"results%") == results + b"\r\nm-ready\r\n"
    assert reply(link, b"x%") == b"e-[Unknown command: x]\r\nm-ready\r\n"
    assert reply(link, b"%") == b"m-ready\r\n"
    link.close()


def test_a_clip_by_both_protocols_without_a_reset(built: Built, port: str) -> None:
    """One after the other on the same line, each way."""
    rng = seeds.fresh("clips")
    expected_build = built.build.record["id"]
    for clip in built.inputs[rng.choice(len(built.inputs), 2)]:
        with runners.connect(BOARD, built.build.directory, expected_build=expected_build, port=port) as device:
            inference = device.infer(clip)
        assert inference.logits == tuple(interpreter.logits(built.network, clip[np.newaxis])[0])
        link = open_link(port, BOARD.uart.baud)
        client = Client(link, port)
        assert (client.name(), client.profile().model) == ("pqk-mcu", "kws01")
        client.load(clip.tobytes())
        lap = client.infer(20, 1)
        line = mlperf.results(built.network, clip)
        assert lap.results == client.results() == tuple(map(float, line[11:-1].split(",")))
        # The laps are around the same work, the softmax and the way from inference to inference.
        counted = inference.ticks * BOARD.timer.units_per_tick
        assert counted < lap.microseconds * INSTRUCTIONS / lap.count < 1.01 * counted + 5000
        link.close()


def test_audio_still_goes_in_by_our_protocol(built: Built, port: str) -> None:
    with runners.connect(BOARD, built.build.directory, port=port) as device:
        samples = np.zeros(device.facts.clip_samples, np.int16)
        silent = device.infer_audio(samples)
        assert device.infer_audio(samples).logits == silent.logits


def test_accuracy_is_the_references(built: Built) -> None:
    root = built.project.root
    outcome = pqk_mcu("mlperf", "--accuracy", "--limit", "12", cwd=root)
    assert outcome.code == 0, outcome.err
    labels = features.load(pipeline.features_directory(built.project, built.build)).subset("testing")[1]
    chosen = np.arange(12) * len(labels) // 12
    right = int((interpreter.logits(built.network, built.inputs[chosen]).argmax(axis=1) == labels[chosen]).sum())
    assert f"{right} of 12 testing clips right" in outcome.out
    assert "0 answers differ from the integer reference's" in outcome.out
    assert "open division" in outcome.out
    assert "it is no time" in outcome.out


def test_performance_of_an_emulated_board_is_no_time(built: Built, port: str) -> None:
    link = open_link(port, BOARD.uart.baud)
    measured = run.performance(Client(link, port), built.inputs[0].tobytes(), lambda *_: None, seconds=0.5)
    link.close()
    assert len(measured.windows) == 5
    assert all(measured.count * window >= 0.5e6 for window in measured.windows)
    told = run.performance_line(measured, BOARD)
    assert "emulated instructions per inference" in told
    assert "second" not in told
    counted = int(told.split()[0].replace(",", ""))
    assert counted == pytest.approx(INSTRUCTIONS * measured.windows[0], rel=0.01)
    real = run.performance_line(measured, boards.load("nucleo-l4r5zi"))
    assert real.startswith(f"{1e6 / sorted(measured.windows)[2]:,.3f} inferences per second")


def test_what_the_runner_reads(built: Built, tmp_path: Path) -> None:
    root = built.project.root
    outcome = pqk_mcu("mlperf", "--export", str(tmp_path / "datasets"), cwd=root)
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "datasets" / "kws01"
    rows = [line.split(",") for line in (folder / "y_labels.csv").read_text().splitlines()]
    assert {row[1] for row in rows} == {"12"}
    files = [folder / row[0] for row in rows]
    assert {*folder.iterdir()} == {*files, folder / "y_labels.csv"}
    assert [path.read_bytes() for path in files] == [clip.tobytes() for clip in built.inputs]
    labels = features.load(pipeline.features_directory(built.project, built.build)).subset("testing")[1]
    assert [mlperf.PRINTED[int(row[2])] for row in rows] == [CLASSES[label] for label in labels]
    assert len({row[2] for row in rows}) == 12
    again = pqk_mcu("mlperf", "--export", str(tmp_path / "datasets"), cwd=root)
    assert again.code == 3
    assert "is there already" in again.err


def test_the_readmes_commands(built: Built) -> None:
    """The first one serves until Ctrl-C: see the next test."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    (block,) = (block for block in re.findall(r"```sh\n(.*?)```", text, re.S) if "pqk-mcu mlperf" in block)
    first, *others = (line.split() for line in block.splitlines())
    assert first == ["pqk-mcu", "mlperf"]
    for command in others:
        assert command[:2] == first
        outcome = pqk_mcu(*command[1:], cwd=built.project.root)
        assert outcome.code == 0, outcome.err


def test_a_port_for_the_runner(built: Built) -> None:
    """Opened, closed and opened again, as the runner does after `profile`."""
    with started("mlperf", cwd=built.project.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        path = process.stdout.readline().decode().split()[0]
        for _ in range(3):
            link = SerialLink(path, 115200)
            client = Client(link, path)
            assert client.profile() == Profile("ULPMark for tinyML Firmware V0.0.1", "kws01")
            client.load(built.inputs[1].tobytes())
            line = mlperf.results(built.network, built.inputs[1])
            assert client.infer(1).results == tuple(map(float, line[11:-1].split(",")))
            link.close()
        with serial.Serial(path, 115200) as port:  # gone with a command half said, and output that nobody has read
            port.write(b"help%na")
        with serial.Serial(path, 9600, timeout=20) as port:
            assert not termios.tcgetattr(port.fileno())[3] & termios.ECHO
            port.write(b"me%")
            answer = b"m-name-dut-[pqk-mcu]\r\nm-ready\r\n"  # behind what may be left of the other one
            said = port.read_until(answer)
            assert said.endswith(answer)
            assert b"e-[" not in said
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
        assert process.returncode == 0
        assert b"open division: ds-cnn" in told
        assert b"emulated instructions, 31.25" in told
    assert not os.path.exists(path)  # noqa: PTH110


def test_a_build_without_the_protocol(built: Built, tmp_path: Path) -> None:
    root = tmp_path / "kws"
    shutil.copytree(built.project.root, root, symlinks=True)
    record = root / "build" / BOARD.name / "build.json"
    record.write_text(record.read_text().replace('"mlperf": true', '"mlperf": false'))
    for options in ([], ["--accuracy"], ["--performance"]):
        outcome = pqk_mcu("mlperf", *options, cwd=root)
        assert (outcome.code, "Traceback" in outcome.err) == (2, False), outcome.err
        assert "does not speak the protocol of MLPerf Tiny" in outcome.err
        assert "mlperf = true under [build]" in outcome.err


def test_a_real_board_has_a_port_of_its_own(built: Built, tmp_path: Path) -> None:
    root = tmp_path / "kws"
    shutil.copytree(built.project.root, root, symlinks=True)
    (root / "build" / BOARD.name).rename(root / "build" / "nucleo-l4r5zi")
    outcome = pqk_mcu("mlperf", "--board", "nucleo-l4r5zi", cwd=root)
    assert (outcome.code, "Traceback" in outcome.err) == (5, False), outcome.err
    assert "pqk-mcu ports" in outcome.err


def rebuilt(built: Built, folder: Path, board: Board, mlperf: bool) -> Compiled:
    """The same network for another board, or without the protocol."""
    opened = replace(built.project, build=replace(built.project.build, mlperf=mlperf))
    heard = listener(opened, built.network)
    return compile_network(built.network, board, folder / "firmware", opened.build, lambda _: None, listener=heard)


def test_what_it_costs(built: Built, tmp_path: Path) -> None:
    """Nothing unless it is asked for, and then no more than the check before compiling takes into account."""
    without = rebuilt(built, tmp_path, BOARD, mlperf=False).sizes
    with_it = json.loads((built.build.elf.parent / "sizes.json").read_text())
    own = {"pqk_line_receive", "pqk_mlperf_command"}
    assert own <= set(with_it["symbols"])
    assert not own & set(without["symbols"])
    assert 0 < with_it["flash"]["total"] - without["flash"]["total"] < firmware.MLPERF_FLASH
    kept = 490 + 4 * len(CLASSES)
    assert kept <= with_it["ram"]["total"] - without["ram"]["total"] < firmware.MLPERF_RAM + kept


def test_a_core_without_division(built: Built, tmp_path: Path) -> None:
    made = rebuilt(built, tmp_path, SMALLEST, mlperf=True)
    runners.flash(SMALLEST, made.elf, tmp_path, expected_build=made.build_id)
    clip = built.inputs[0]
    with runners.started(SMALLEST, tmp_path) as url:
        link = open_link(url, SMALLEST.uart.baud)
        client = Client(link, url)
        client.load(clip.tobytes())
        line = mlperf.results(built.network, clip)
        assert client.infer(1).results == tuple(map(float, line[11:-1].split(",")))
        link.close()
