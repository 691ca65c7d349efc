"""Generated networks on the emulated board against the numpy interpreter."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen.generate import generate
from pqk_codegen.ir import Network
from pqk_codegen.plan import plan
from support import networks, seeds
from support.device import BOARD

from pqk import firmware, runners
from pqk.evaluate import Clips, Unit, evaluate

COUNT = 3


def depthwise(rng: np.random.Generator) -> Network:
    """Depthwise convolutions of several shapes, the first on the input."""
    builder = networks.Builder(rng, (3, 21, 13))
    builder.depthwise(stride=(2, 2), padding=(0, 0, 1, 1))
    builder.conv(5, kernel=(1, 1), padding=(0, 0, 0, 0))
    builder.depthwise(dilation=(2, 1), padding=(2, 1, 2, 1), pool=(1, 2))
    builder.conv(4)
    return builder.finish(("a", "b", "c"))


@pytest.mark.parametrize("make", [networks.res8, depthwise])
def test_logits_equal_the_interpreters(make: Callable[[np.random.Generator], Network], tmp_path: Path) -> None:
    rng = seeds.fresh("network")
    network = make(rng)
    planned = plan(network, BOARD.cpu)
    firmware.check_fit(BOARD, {"weights": planned.flash}, {"arena": planned.arena})
    build_id = generate(planned, tmp_path / "generated")
    built = firmware.compile_firmware(BOARD, tmp_path / "generated", tmp_path / "firmware")
    assert built.ram.arena == planned.arena
    assert built.flash.weights >= planned.flash
    runners.flash(BOARD, built.elf, tmp_path, expected_build=build_id)
    inputs = networks.random_input(rng, network, COUNT).astype(np.uint8)
    logits = interpreter.run(network, inputs)[network.output]
    clips = Clips("testing", [f"clip {i}" for i in range(COUNT)], inputs, np.zeros(COUNT, np.int64), logits)
    result = evaluate(
        lambda: runners.connect(BOARD, tmp_path, expected_build=build_id),
        clips,
        Unit(BOARD.timer.unit, BOARD.timer.units_per_tick),
        tmp_path / "journal",
        lambda *_: None,
    )
    assert result.different_logits == 0
    record = result.record()
    assert len(record["layers"]) == len(planned.layers)
    # At least an instruction for every multiplication that is left.
    assert min(record["per_inference"]) > sum(layer.nonzero_macs for layer in planned.layers)
    assert 64 < record["stack_high_water"] < BOARD.memory.stack
