"""A short fuzzing of the firmware's side of the protocols, and whether it finds faults; `make fuzz` is a long one."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support import fuzzing, seeds

from pqk import assets
from pqk.protocol import REPLY, ErrorCode, FrameReader, Type, parse_error

INPUTS = 30_000
CHECKOUT = Path(__file__).parents[2]
KEPT = "error(&out, sequence, code);\n    finish_and_send(&out);"
"""How protocol.c refuses."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def outcomes(folder: Path) -> dict[str, fuzzing.Outcome]:
    return fuzzing.fuzz(folder, INPUTS)


@pytest.fixture(params=fuzzing.KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_nothing_is_found(kind: str, outcomes: dict[str, fuzzing.Outcome]) -> None:
    assert outcomes[kind].finding == ""
    assert outcomes[kind].inputs >= INPUTS


@pytest.mark.usefixtures("outcomes")
def test_the_seeds_reach_every_request_and_every_refusal(kind: str, folder: Path, tmp_path: Path) -> None:
    said = fuzzing.replies(folder / kind / "build" / "program", fuzzing.seeds(kind), tmp_path)
    frames = FrameReader().feed(said)
    audio = {Type.AUDIO, Type.STREAM, Type.SETTINGS}
    requests = {Type.HELLO, Type.INPUT, Type.RUN, Type.STATS} | (set() if kind == "features" else audio)
    assert {frame.type for frame in frames} == {kind | REPLY for kind in requests} | {Type.ERROR}
    codes = {parse_error(frame.payload).code for frame in frames if frame.type == Type.ERROR}
    assert codes >= set(ErrorCode) - ({ErrorCode.SETTINGS} if kind == "features" else set())


@pytest.mark.usefixtures("outcomes")
def test_the_seeds_reach_all_that_is_said_in_text(folder: Path, tmp_path: Path) -> None:
    said = fuzzing.replies(folder / "mlperf" / "build" / "program", fuzzing.seeds("mlperf"), tmp_path)
    source = (assets.directory("firmware") / "mlperf.c").read_text()
    texts = re.findall(r'\b(?:say|say_with|error|pqk_text)\(\s*"(.*?)"', source)
    assert len(texts) > 30
    assert [text for text in texts if text.encode() not in said] == []


@pytest.mark.usefixtures("outcomes")
def test_an_input_finds_the_device_as_it_is_after_a_reset(kind: str, folder: Path, tmp_path: Path) -> None:
    program, inputs = folder / kind / "build" / "program", fuzzing.seeds(kind)
    at, other = seeds.fresh("inputs").integers(0, len(inputs), 2)
    once = fuzzing.replies(program, [inputs[at]], tmp_path)
    assert once
    assert fuzzing.replies(program, 2 * [inputs[at]], tmp_path) == once + once
    assert fuzzing.replies(program, [*inputs, inputs[other], inputs[at]], tmp_path).endswith(once)


@pytest.mark.parametrize(
    ("kind", "file", "right", "wrong", "said"),
    [
        ("features", "cobs.c", "decoder->length < decoder->capacity", "decoder->length <= decoder->capacity", "ERROR"),
        ("features", "uart.c", "!pqk_ring_full() && pqk_port_uart_received()", "pqk_port_uart_received()", "is wrong"),
        ("features", "protocol.c", "    pqk_uart_release();\n", "", "no byte can wake it"),
        ("audio", "audio.h", "/ PQK_HOP + 1u)\n", "/ PQK_HOP)\n", "ERROR"),
        ("features", "protocol.c", KEPT, KEPT.replace("&out", "&reply").replace("error", "(void)out, error"), "kept"),
        ("mlperf", "line.c", "length > PQK_MLPERF_MOST)", "length > PQK_MLPERF_MOST + 1u)", "out of bounds"),
        ("mlperf", "mlperf.c", "i < count && loaded < expected", "i < count && loaded <= expected", "out of bounds"),
        ("mlperf", "mlperf.c", "done < count && elapsed <= most", "done < count", "is wrong: it computes for longer"),
    ],
    ids=[
        "one byte too many",
        "a full ring",
        "a line that stays held",
        "one detection too many",
        "a refusal in place of the kept reply",
        "one character too many",
        "one byte of input too many",
        "no end of inferences",
    ],
)
def test_faults_are_found(kind: str, file: str, right: str, wrong: str, said: str, tmp_path: Path) -> None:
    """Writes beyond the ends of frame, ring, reply, command and input, a reply that is lost, and what has no end."""
    firmware = tmp_path / "firmware"
    shutil.copytree(assets.directory("firmware"), firmware)
    text = (firmware / file).read_text()
    assert text.count(right) == 1
    (firmware / file).write_text(text.replace(right, wrong))
    program = fuzzing.build(kind, tmp_path / "build", 1, firmware)
    outcome = fuzzing.run(program, kind, tmp_path / "corpus", INPUTS, seed=1)
    assert said in outcome.finding
    assert any(path.name.startswith("crash-") for path in tmp_path.iterdir())


def test_the_makefile_runs_it() -> None:
    argv = ["make", "--no-print-directory", "--dry-run", "--assume-old=.venv/.test", "fuzz", "RUNS=7"]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout == "PYTHONPATH=tests .venv/bin/python -m support.fuzzing 7\n"
