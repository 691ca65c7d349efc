"""Every emulated board: the firmware with the network double answers, counts instructions, and reports faults.

What does not depend on the board is tested on one board only, in test_firmware.py.
"""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import seeds
from support.device import BUILD_ID, EMULATED, FAULTS, INPUT_BYTES, LONG, build, clips, exchange, logits, with_first

from pqk import boards, protocol, runners, tools
from pqk.boards import Board
from pqk.errors import LinkError
from pqk.firmware import BuildResult
from pqk.protocol import REPLY, Frame, Type, encode


@dataclass(frozen=True)
class Flashed:
    """A board with firmware on it."""

    board: Board
    built: BuildResult
    state: Path


@pytest.fixture(scope="module", params=EMULATED)
def flashed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Flashed:
    board = boards.load(request.param)
    folder = tmp_path_factory.mktemp(board.name)
    built = build(folder / "firmware", board)
    runners.flash(board, built.elf, folder, expected_build=BUILD_ID)
    return Flashed(board, built, folder)


def test_it_answers_exactly_and_counts_instructions(flashed: Flashed) -> None:
    board, built = flashed.board, flashed.built
    with runners.connect(board, flashed.state, expected_build=BUILD_ID) as device:
        facts, before = device.facts, device.stats()
        assert (facts.board, facts.timer, facts.timer_hz) == (board.name, board.timer.driver, board.timer.hz)
        assert facts.largest_payload == board.uart.largest_payload
        assert (facts.flash, facts.ram, facts.stack) == (built.flash.total, built.ram.total, board.memory.stack)
        inputs = clips(seeds.fresh("clips"), 2)
        for run, clip in enumerate(inputs, 1):
            assert device.infer(clip).logits == (*logits(clip), run)
        # Layer 1 of the double spins 1000 * (1 + second byte) turns of 2 instructions.
        assert board.timer.unit == "emulated instructions"
        unit = board.timer.units_per_tick
        short, long = (device.infer(with_first(0, turns)) for turns in (3, 253))
        difference = long.layer_ticks[1] - short.layer_ticks[1]
        assert difference * unit == pytest.approx(250 * 1000 * 2, abs=2 * unit)
        overhead = short.layer_ticks[1] * unit - 4 * 1000 * 2
        assert 0 <= overhead < 60
        again = device.infer(with_first(0, 3))
        assert all(abs(a - b) <= 1 for a, b in zip(short.layer_ticks, again.layer_ticks, strict=True))
        stats = device.stats()
        assert stats.dropped_frames == before.dropped_frames  # what comes before a UART is on may be lost in part
        assert 32 <= stats.stack_high_water < board.memory.stack


def test_a_long_time_is_counted_whole(flashed: Flashed) -> None:
    """Also by a counter of 24 bits, and by one of nanoseconds."""
    with runners.connect(flashed.board, flashed.state) as device:
        ticks = device.infer(with_first(LONG)).layer_ticks[0]
    assert ticks > 1 << 24
    assert 150e6 <= ticks * flashed.board.timer.units_per_tick < 150.3e6  # the double looks at its input, too


def test_a_flood_loses_nothing(flashed: Flashed) -> None:
    """Far more than the receive ring holds, while the device is busy: an inference, then requests without a pause."""
    largest = flashed.board.uart.largest_payload - protocol.INPUT_OVERHEAD
    rng = seeds.fresh("pieces")
    (clip,) = clips(rng, 1)
    pieces = input_pieces(clip.tobytes(), rng.integers(150, min(largest, 600), INPUT_BYTES).tolist())
    requests = [
        (Type.HELLO, b""),
        (Type.STATS, b""),
        *input_pieces(with_first(0, 255).tobytes(), itertools.repeat(largest)),
        (Type.RUN, b""),
        *pieces,
        (Type.RUN, b""),
        (Type.STATS, b""),
    ]
    frames = [Frame(kind, number, payload) for number, (kind, payload) in enumerate(requests)]
    stream = b"".join(map(encode, frames))
    assert sum(len(payload) for _, payload in pieces) > 3 * flashed.board.uart.ring
    replies = exchange(flashed.board, flashed.state, stream, len(frames))
    assert [(frame.type, frame.sequence) for frame in replies] == [(f.type | REPLY, f.sequence) for f in frames]
    assert protocol.parse_result(replies[-2].payload).logits == (*logits(clip), 2)
    before, after = (protocol.parse_stats(replies[number].payload) for number in (1, -1))
    assert before.dropped_frames == after.dropped_frames


def input_pieces(clip: bytes, sizes: Iterable[int]) -> list[tuple[Type, bytes]]:
    """Requests that bring a clip in pieces of these sizes."""
    pieces, at = [], 0
    for size in sizes:
        if at >= len(clip):
            break
        pieces.append((Type.INPUT, protocol.input_payload(at, clip[at : at + size])))
        at += size
    return pieces


TOLD = {
    "no memory": "no memory where data was read or written; address 0x3f000004",
    "undefined instruction": "undefined instruction",
    "stack overflow": "stack overflow",
}


ANSWERS_EVERYWHERE = {"lm3s6965evb"}
"""Machines that QEMU gives no bus faults (ignore_memory_transaction_failures): what is not there reads as 0."""


@pytest.mark.parametrize("kind", TOLD)
def test_a_fault_is_reported(flashed: Flashed, kind: str) -> None:
    if kind == "no memory" and flashed.board.runner.target in ANSWERS_EVERYWHERE:
        with runners.connect(flashed.board, flashed.state) as device:
            assert device.infer(with_first(FAULTS[kind])).logits[-1] == 1
        return
    told = fault(flashed, kind)
    armv6m = "cortex-m0" in flashed.board.cpu  # has no registers that name a cause
    assert (TOLD[kind] if kind == "stack overflow" or not armv6m else "records no cause") in told.message
    if kind != "stack overflow":
        assert_it_points_into_the_network(flashed, told)


def test_an_unaligned_access_is_a_fault_in_code_for_a_core_without(flashed: Flashed) -> None:
    """So a network that ran on such a board made none."""
    if "cortex-m0" in flashed.board.cpu:
        assert_it_points_into_the_network(flashed, fault(flashed, "unaligned access"))
    else:
        with runners.connect(flashed.board, flashed.state) as device:
            assert device.infer(with_first(FAULTS["unaligned access"])).logits[0] == FAULTS["unaligned access"]


def fault(flashed: Flashed, kind: str) -> LinkError:
    """What is told of an accident of the network double."""
    with (
        runners.connect(flashed.board, flashed.state) as device,
        pytest.raises(LinkError, match="has stopped in RUN: HardFault") as caught,
    ):
        device.infer(with_first(FAULTS[kind]))
    return caught.value


def assert_it_points_into_the_network(flashed: Flashed, told: LinkError) -> None:
    (pc,) = re.findall(r"0x[0-9a-f]+", told.hint)
    where = tools.run(["arm-none-eabi-addr2line", "-f", "-e", str(flashed.built.elf), pc])
    assert "pqk_network_run_layer" in where or "accident" in where


def test_boards_differ() -> None:
    """Two files for the same machine and core would be one board under two names."""
    described = [(boards.load(name).runner.target, boards.load(name).cpu) for name in EMULATED]
    assert not [pair for pair in itertools.combinations(described, 2) if pair[0] == pair[1]]
