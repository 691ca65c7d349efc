"""What a network costs with the kernels for ARMv6-M: measured, and as the generator estimates it."""

from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen.generate import generate
from pqk_codegen.plan import plan
from support import instructions, seeds

from pqk import boards, firmware, runners
from pqk.bench.networks import random_inputs, res8_narrow
from pqk.evaluate import Clips, Unit, evaluate

BOARD = boards.load("mps2-an385-armv6m")
LIMIT = 2_150_000  # instructions of an inference; 68.1 million with CMSIS-NN
COUNT = 2


def test_res8_narrow_at_90_percent(tmp_path: Path) -> None:
    network = res8_narrow(0.9, 4)
    planned = plan(network, BOARD.cpu)
    assert {layer.kernel for layer in planned.layers if layer.op == "conv2d"} == {
        "conv2d_pool_straight_v6m",
        "conv2d_lanes_v6m",
    }
    build_id = generate(planned, tmp_path / "generated")
    built = firmware.compile_firmware(BOARD, tmp_path / "generated", tmp_path / "firmware")
    assert instructions.foreign(built.elf, BOARD.cpu) == []
    runners.flash(BOARD, built.elf, tmp_path, expected_build=build_id)
    inputs = random_inputs(network, seeds.fresh("inputs"), COUNT)
    logits = interpreter.run(network, inputs)[network.output]
    clips = Clips("testing", [str(index) for index in range(COUNT)], inputs, np.zeros(COUNT, np.int64), logits)
    result = evaluate(
        lambda: runners.connect(BOARD, tmp_path, expected_build=build_id),
        clips,
        Unit(BOARD.timer.unit, BOARD.timer.units_per_tick),
        tmp_path / "journal",
        lambda *_: None,
    )
    assert result.different_logits == 0
    record = result.record()
    print(record["per_inference"], record["layers"])
    assert max(record["per_inference"]) <= LIMIT
    for layer, measured in zip(planned.layers, record["layers"], strict=True):
        if layer.op in ("conv2d", "add"):
            assert measured == pytest.approx(layer.cost.instructions, rel=0.05), layer.name
