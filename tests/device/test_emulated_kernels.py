"""The kernels' battery on an emulated board of every core: assembly against the interpreter, buffer by buffer."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import assets
from pqk_codegen.kernels.base import Conversion, Kernel
from support import battery, instructions, seeds
from support.battery import Case
from support.device import EMULATED

from pqk import boards, runners
from pqk.boards import Board
from pqk.device import Device
from pqk.firmware import compile_firmware

BUILD_ID = "ba77e41ba77e41ba"  # as in its network.h
CORES = {boards.load(name).cpu: boards.load(name) for name in sorted(EMULATED, key=lambda name: "mps" in name)}
"""A board of every core; of two, the one with more memory."""
EVERYWHERE = ("random", "full lanes")
"""Cases for cores that share their code with the Cortex-M4, which gets all."""
LARGE = {("cortex-m7", "conv2d_lanes_far"), ("cortex-m7", "conv2d_lanes_far_short")}
"""Kernels that a core takes for larger inputs only than are drawn: tests/device/test_lane_kernels.py has them."""


def subjects_of(core: str) -> list[Kernel | Conversion]:
    able = [subject for subject in battery.SUBJECTS if (core, subject.name) not in LARGE]
    return [subject for subject in able if battery.kinds_of(subject, core)]


def test_every_kernel_has_a_core() -> None:
    assert {subject for core in CORES for subject in subjects_of(core)} == set(battery.SUBJECTS)


@pytest.mark.parametrize("core", CORES)
def test_battery(core: str, tmp_path: Path) -> None:
    rng, board = seeds.fresh(core), CORES[core]
    only = () if core == "cortex-m4" else EVERYWHERE
    found = [case for subject in subjects_of(core) for case in battery.cases(rng, subject, core, align=4, only=only)]
    flash(board, found, tmp_path)
    with runners.connect(board, tmp_path, expected_build=BUILD_ID) as device:
        problems = [problem for index, case in enumerate(found) for problem in run(device, index, case)]
    assert not problems, "\n".join(problems)


def flash(board: Board, found: list[Case], folder: Path) -> None:
    generated = folder / "generated"
    battery.write(found, generated)
    for name in ("battery.c", "battery.h", "device.c", "network.h"):
        shutil.copy(battery.C_FILES / name, generated)
    for source in assets.directory("kernels").glob("*.[ch]"):
        shutil.copy(source, generated)
    built = compile_firmware(board, generated, folder / "firmware")
    assert [str(one) for one in instructions.foreign(built.elf, board.cpu)] == []  # QEMU would run some of them
    runners.flash(board, built.elf, folder, expected_build=BUILD_ID)


def run(device: Device, index: int, case: Case) -> list[str]:
    """What is wrong with a case: the first thing, from which the rest follows."""
    passed, step, damaged, right = device.infer(np.uint16(index)).logits
    if passed == len(case.x):
        return []
    return [battery.problem(case, passed, step, damaged, "all is right" if right else "some bytes are wrong")]
