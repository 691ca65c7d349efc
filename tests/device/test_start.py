"""What the firmware does with its board before it listens: registers, and the processor's caches."""

import dataclasses
from pathlib import Path

import pytest
from support import seeds
from support.device import BOARD, BUILD_ID, build, clips, logits

from pqk import boards, runners
from pqk.boards import Board, Step
from pqk.errors import LinkError

RELOAD = 0x4000_1008  # of CMSDK timer 1, which nothing here uses


def answers(board: Board, folder: Path) -> None:
    """Flash the board and compare an inference."""
    runners.flash(board, build(folder / "firmware", board).elf, folder, expected_build=BUILD_ID)
    (clip,) = clips(seeds.fresh("clip"), 1)
    with runners.connect(board, folder, expected_build=BUILD_ID) as device:
        assert device.infer(clip).logits == (*logits(clip), 1)


def test_registers_are_set_and_waited_for(tmp_path: Path) -> None:
    steps = (Step(RELOAD, set=0x1000), Step(RELOAD, wait=0x1000), Step(RELOAD, set=0x8000, wait=0x9000))
    answers(dataclasses.replace(BOARD, setup=steps), tmp_path)


@pytest.mark.parametrize("wait", [0x100, 0x8000_0000])
def test_a_register_that_never_gets_there_is_told(wait: int, tmp_path: Path) -> None:
    steps = (Step(RELOAD, set=0x1000), Step(RELOAD, set=0x8000, wait=wait), Step(RELOAD, wait=0x1000))
    with pytest.raises(LinkError, match=r"mps2-an386 on .* waited in vain in step 2 of its set-up") as caught:
        answers(dataclasses.replace(BOARD, setup=steps), tmp_path)
    assert "[[setup]] number 2" in caught.value.hint


def test_caches_are_switched_on(tmp_path: Path) -> None:
    """QEMU has none, but the registers that empty and enable them."""
    without = boards.load("mps2-an500")
    board = dataclasses.replace(without, memory=dataclasses.replace(without.memory, caches=True))
    answers(board, tmp_path)
    nothing, code = (build(tmp_path / "size", one).symbols["pqk_cache_enable"] for one in (without, board))
    assert nothing <= 4 < 32 < code
