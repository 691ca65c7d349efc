"""The firmware on the emulated Cortex-M55: boots, answers exactly, and counts instructions."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support import seeds
from support.device import BUILD_ID, FAULTS, INPUT_BYTES, build, clips, logits

import pqk.boards
from pqk import runners
from pqk.device import Device
from pqk.errors import LinkError

BOARD = pqk.boards.load("mps3-an547")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    built = build(tmp_path_factory.mktemp("firmware"), BOARD)
    runners.flash(BOARD, built.elf, folder, expected_build=BUILD_ID)
    return folder


@pytest.fixture
def device(state: Path) -> Iterator[Device]:
    with runners.connect(BOARD, state, expected_build=BUILD_ID) as opened:
        yield opened


def with_first(*values: int) -> np.ndarray:
    """A clip that begins with certain bytes, which tell the double what to do."""
    clip = np.zeros(INPUT_BYTES, np.uint8)
    clip[: len(values)] = values
    return clip


def test_logits_are_exact(device: Device) -> None:
    for run, clip in enumerate(clips(seeds.fresh("clips"), 3), 1):
        assert device.infer(clip).logits == (*logits(clip), run)


def test_a_tick_is_what_the_board_says(device: Device) -> None:
    # Layer 1 of the double spins 1000 * (1 + second byte) turns of 2 instructions.
    short, long = (device.infer(with_first(0, turns)) for turns in (3, 203))
    ticks = long.layer_ticks[1] - short.layer_ticks[1]
    instructions = 200 * 1000 * 2
    assert ticks * BOARD.timer.units_per_tick == pytest.approx(instructions, abs=2 * BOARD.timer.units_per_tick)


def test_the_stack_is_measured(device: Device) -> None:
    device.infer(with_first(0))
    assert 64 < device.stats().stack_high_water < BOARD.memory.stack


def test_an_undefined_instruction_is_reported(device: Device) -> None:
    with pytest.raises(LinkError, match="undefined instruction"):
        device.infer(with_first(FAULTS["undefined instruction"]))
