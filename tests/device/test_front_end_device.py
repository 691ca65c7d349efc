"""The front end on an emulated board of every core: equal to the definition bit for bit, and within its budget."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from pqk_codegen.frontend import FrontEndSpec
from support import front_end, instructions, seeds
from support.device import EMULATED

from pqk import boards, runners, tools
from pqk.boards import Board
from pqk.firmware import COMPILE_FLAGS, COMPILER, BuildResult, compile_firmware

DOUBLE = Path(__file__).parent / "front_end"
BUILD_ID = "f407e4df407e4d00"  # as in its network.h
CORES = {boards.load(name).cpu: boards.load(name) for name in sorted(EMULATED, key=lambda name: "mps" in name)}
"""A board of every core; of two, the one with more memory."""

LIMITS = {
    "cortex-m0": 90_000,
    "cortex-m3": 45_000,
    "cortex-m4": 15_000,
    "cortex-m7": 15_400,
    "cortex-m33": 15_400,
    "cortex-m55": 15_400,
}
"""Instructions of a frame, FFT of 512, 40 bands."""
TABLES, CODE = 3_100, 4_400
"""Bytes in flash for log-mel on a Cortex-M4."""


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("spec", [front_end.LOG_MEL, front_end.MLPERF_TINY], ids=["log-mel", "mlperf"])
def test_equal_bits_within_the_budget(spec: FrontEndSpec, core: str, tmp_path: Path) -> None:
    costs = check(spec, CORES[core], 60, tmp_path)
    print(core, spec.kind, "instructions of a frame:", max(costs), "of silence:", min(costs))
    assert max(costs) <= LIMITS[core]


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4"])
def test_equal_bits_with_any_front_end(core: str, tmp_path: Path) -> None:
    rng = seeds.fresh(core)
    for turn in range(2):
        check(front_end.draw(rng), CORES[core], 40, tmp_path / str(turn))


@pytest.mark.parametrize("window", [128, 250, 380, 512, 760, 1024])
def test_equal_bits_however_many_legs_the_window_has(window: int, tmp_path: Path) -> None:
    check(FrontEndSpec(window=window, bands=16), CORES["cortex-m4"], 30, tmp_path)


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4"])
def test_equal_bits_with_a_long_window(core: str, tmp_path: Path) -> None:
    costs = check(front_end.LONG, CORES[core], 40, tmp_path)
    print(core, "instructions of a frame with an FFT of 1024:", max(costs))


def test_flash(tmp_path: Path) -> None:
    built = build(front_end.LOG_MEL, CORES["cortex-m4"], tmp_path)
    tables = sum(size for name, size in built.symbols.items() if name.startswith("pqk_fe_"))
    code = sum(code_bytes(source, tmp_path) for source in (tmp_path / "generated").glob("front_end_*.c"))
    print("bytes of tables and code:", tables, code)
    assert 2_000 < tables < TABLES
    assert 2_000 < code < CODE


def code_bytes(source: Path, folder: Path) -> int:
    """Of a source file for Cortex-M4, constants in it included."""
    target = folder / f"{source.stem}.o"
    tools.run([COMPILER, *CORES["cortex-m4"].flags, *COMPILE_FLAGS, "-c", str(source), "-o", str(target)])
    return int(tools.run(["arm-none-eabi-size", str(target)]).splitlines()[1].split()[0])


def build(spec: FrontEndSpec, board: Board, folder: Path) -> BuildResult:
    generated = folder / "generated"
    front_end.write(spec, generated)
    for name in ("network.h", "network.c"):
        shutil.copy(DOUBLE / name, generated)
    built = compile_firmware(board, generated, folder / "firmware")
    assert [str(one) for one in instructions.foreign(built.elf, board.cpu)] == []  # QEMU would run some of them
    return built


def check(spec: FrontEndSpec, board: Board, count: int, folder: Path) -> list[int]:
    """Compare frames of all sorts with the definition; the instructions that each took."""
    rng = seeds.fresh(f"{board.cpu} {spec}")
    frames = front_end.frames_of_all_sorts(rng, spec.window, count)
    expected = front_end.features(spec, frames)
    built = build(spec, board, folder)
    runners.flash(board, built.elf, folder, expected_build=BUILD_ID)
    costs = []
    with runners.connect(board, folder, expected_build=BUILD_ID) as device:
        for frame, row in zip(frames, expected, strict=True):
            answer = device.infer(frame.astype("<i2"))
            found = np.array(answer.logits, "<i4").view(expected.dtype)[: spec.features]
            np.testing.assert_array_equal(found, row)
            costs.append(round(answer.layer_ticks[0] * board.timer.units_per_tick))
    return costs
