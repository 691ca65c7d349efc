"""Tuning on the emulated board: every kernel is measured, and what was measured is what a build then costs."""

from pathlib import Path

import pytest
from pqk_codegen import choice, interpreter
from pqk_codegen.ir import Network
from support import seeds
from support.networks import Builder

from pqk import boards, choices, tune
from pqk.build import compile_network, objective
from pqk.errors import ModelError
from pqk.project import BuildConfig

BOARD = boards.load("mps2-an386")


@pytest.fixture
def network() -> Network:
    builder = Builder(seeds.fresh("network"), (1, 10, 12))
    builder.conv(3, sparsity=0.8)
    return builder.finish(("a", "b", "c"))


def test_measured_kernels_decide_later_builds(network: Network, tmp_path: Path) -> None:
    config = BuildConfig()
    wanted = objective(config, BOARD, {})
    tune.tune(network, BOARD, wanted, tmp_path, key="k", port=None, progress=lambda *_: None)
    measured = tune.load(tmp_path, "k")
    candidates = choice.candidates(network, BOARD.cpu)
    assert {(name, kernel.name) for name, kernels in candidates.items() for kernel in kernels} <= set(measured)
    assert all(cost > 0 for cost in measured.values())

    program = choice.choose(network, BOARD.cpu, objective(config, BOARD, measured))
    again = tune.measure(network, program, BOARD)
    predicted = sum(measured[step.name, step.kernel] for step in program.steps)
    assert sum(again.values()) == pytest.approx(predicted, rel=0.02)

    dear = measured | {("conv0", step.kernel): 1e9 for step in program.steps if step.name == "conv0"}
    built = compile_network(network, BOARD, tmp_path / "firmware", config, lambda _: None, dear)
    kernels = {layer.name: layer.kernel for layer in built.plan.layers}
    assert ("conv0", kernels["conv0"]) not in {(step.name, step.kernel) for step in program.steps}
    facts = choices.facts(built.plan, measured)
    assert all(fact["plain"]["measured"] for fact in facts if "plain" in fact)


def test_a_wrong_answer_stops_the_tuning(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    right = interpreter.logits
    monkeypatch.setattr(interpreter, "logits", lambda network, x: right(network, x) + 1)
    program = next(choice.variants(network, BOARD.cpu))
    with pytest.raises(ModelError, match="logits are not the reference's") as caught:
        tune.measure(network, program, BOARD)
    assert f"conv0: {program.steps[-3].kernel}" in caught.value.message
    assert program.steps[-3].name == "conv0"
