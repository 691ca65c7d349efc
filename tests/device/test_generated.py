"""A generated network of res8-narrow's shape on the emulated boards against the numpy interpreter."""

from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen.generate import generate
from pqk_codegen.plan import plan
from support import networks, seeds
from support.device import EMULATED

from pqk import boards, firmware, runners
from pqk.evaluate import Clips, Unit, evaluate

COUNT = 3


@pytest.mark.parametrize("name", EMULATED)
def test_logits_equal_the_interpreters(name: str, tmp_path: Path) -> None:
    board = boards.load(name)
    rng = seeds.fresh("network")
    network = networks.res8(rng)
    planned = plan(network, board.cpu)
    firmware.check_fit(board, {"weights": planned.flash}, {"arena": planned.arena})
    build_id = generate(planned, tmp_path / "generated")
    built = firmware.compile_firmware(board, tmp_path / "generated", tmp_path / "firmware")
    assert built.ram.arena == planned.arena
    assert built.flash.weights >= planned.flash
    runners.flash(board, built.elf, tmp_path, expected_build=build_id)
    inputs = rng.integers(0, 256, (COUNT, 1, 101, 40), dtype=np.uint8)
    logits = interpreter.run(network, inputs)[network.output]
    clips = Clips("testing", [f"clip {i}" for i in range(COUNT)], inputs, np.zeros(COUNT, np.int64), logits)
    result = evaluate(
        lambda: runners.connect(board, tmp_path, expected_build=build_id),
        clips,
        Unit(board.timer.unit, board.timer.units_per_tick),
        tmp_path / "journal",
        lambda *_: None,
    )
    assert result.different_logits == 0
    record = result.record()
    assert len(record["layers"]) == len(planned.layers)
    # At least an instruction for every multiplication that is left.
    assert min(record["per_inference"]) > sum(layer.nonzero_macs for layer in planned.layers)
    assert 64 < record["stack_high_water"] < board.memory.stack
