"""Chunk networks on emulated boards: the window's logits at every hop, for a fraction of its instructions."""

from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen.generate import generate
from pqk_codegen.ir import Network
from pqk_codegen.plan import Plan, plan
from pqk_codegen.streaming import chunked, with_interior_mean
from support import seeds, streams

from pqk import boards, firmware, runners
from pqk.bench.networks import res8_narrow
from pqk.boards import Board
from pqk.device import Inference

FRAMES, HOP = 101, 10
BUDGET = 3_850_000  # instructions for a second of audio: 5 million, less what the front end takes


def inferences(board: Board, network: Network, inputs: list[np.ndarray], folder: Path) -> tuple[Plan, list[Inference]]:
    """The device's answers to inputs [1, frames, bands], one run after the other."""
    planned = plan(network, board.cpu)
    build_id = generate(planned, folder / "generated")
    built = firmware.compile_firmware(board, folder / "generated", folder / "firmware")
    runners.flash(board, built.elf, folder, expected_build=build_id)
    with runners.connect(board, folder, expected_build=build_id) as device:
        return planned, [device.infer(x.astype(np.uint8)) for x in inputs]


@pytest.mark.parametrize("name", ["mps2-an386", "mps2-an385-armv6m", "mps2-an500", "mps3-an547"])
def test_every_window_of_a_stream(name: str, tmp_path: Path) -> None:
    """One phase of a stream, whose chunk network stands in for the whole window's, and its state begins with zeros."""
    rng, board = seeds.fresh("chunks"), boards.load(name)
    network = with_interior_mean(res8_narrow(0.9, 4))
    made = chunked(network, HOP)
    period = made.phases * made.hop
    stream = streams.frames_of(rng, network, FRAMES + 4 * period)
    starts = range(made.first_frame - made.warm_up * period, len(stream) - made.frames + 1, period)
    before = np.concatenate([np.zeros((period, stream.shape[1]), np.int64), stream])
    inputs = [before[np.newaxis, period + start : period + start + made.frames] for start in starts]
    planned, found = inferences(board, made.network, inputs, tmp_path / "chunk")
    windows = streams.windows(network, period, stream)
    expected = interpreter.logits(network, windows)
    got = np.array([answer.logits for answer in found[made.warm_up :]])
    np.testing.assert_array_equal(got, expected)
    cost = found[-1].ticks * board.timer.units_per_tick
    _, (whole,) = inferences(board, network, [windows[0]], tmp_path / "whole")
    print(name, cost, whole.ticks * board.timer.units_per_tick, [layer.kernel for layer in planned.layers])
    share = 0.55 if board.cpu == "cortex-m55" else 0.35  # vectors are wide for so few rows
    assert cost < share * whole.ticks * board.timer.units_per_tick
    if board.cpu == "cortex-m4":
        assert cost * 1000 / (10 * HOP) < BUDGET
