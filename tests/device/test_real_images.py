"""Images of real boards, as they would lie in flash, on chips that QEMU has and that are theirs or close to it."""

import dataclasses
from pathlib import Path

import pytest
from support import seeds
from support.device import BUILD_ID, build, clips, exchange, logits

from pqk import boards, protocol, runners
from pqk.boards import Board, Runner
from pqk.protocol import REPLY, Frame, Type, encode
from pqk.runners.probe import Flashing

NRF51822 = boards.load("microbit").runner
STM32F405 = boards.load("netduinoplus2").runner
SECOND_UART = dataclasses.replace(STM32F405, args=(*STM32F405.args, "-serial", "null"))


def on(chip: Runner, name: str, folder: Path) -> Board:
    """The real board `name`, its own image flashed to an emulated chip. Nobody says hello to it yet."""
    board = dataclasses.replace(boards.load(name), runners=(chip,))
    elf = build(folder / "firmware", boards.load(name)).elf
    runners.RUNNERS["qemu"].write(Flashing(board, chip, elf, folder, probe=None, port=None))
    return board


def test_microbit_v1(tmp_path: Path) -> None:
    board = on(NRF51822, "microbit-v1", tmp_path)
    (clip,) = clips(seeds.fresh("clip"), 1)
    with runners.connect(board, tmp_path, expected_build=BUILD_ID) as device:
        assert device.facts.timer_hz == board.timer.hz
        assert device.infer(clip).logits == (*logits(clip), 1)


@pytest.mark.parametrize("name", ["nucleo-f446re", "stm32f4-discovery"])
def test_stm32f4(name: str, tmp_path: Path) -> None:
    """QEMU has none of the chip's clocks, for which the set-up waits in vain, and no DWT: nothing can be timed."""
    board = on(SECOND_UART, name, tmp_path)
    (clip,) = clips(seeds.fresh("clip"), 1)
    whole = protocol.input_payload(0, clip.tobytes())
    requests = [Frame(Type.HELLO, 0), Frame(Type.INPUT, 1, whole), Frame(Type.RUN, 2)]
    replies = exchange(board, tmp_path, b"".join(map(encode, requests)), len(requests))
    assert [reply.type for reply in replies] == [request.type | REPLY for request in requests]
    hello = protocol.parse_hello(replies[0].payload)
    assert (hello.board, hello.build_id, hello.timer, hello.timer_hz) == (name, BUILD_ID, "dwt", 0)
    assert board.setup[hello.stuck_setup - 1].wait
    assert protocol.parse_result(replies[2].payload).logits == (*logits(clip), 1)
