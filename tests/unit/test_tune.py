"""Tuning without a device: what is kept, what is read back, and which choices it changes."""

import json
from pathlib import Path
from typing import Any

import pytest
from pqk_codegen import choice
from pqk_codegen.choice import Objective
from pqk_codegen.ir import Network
from pqk_codegen.storage import Program
from support import seeds
from support.networks import Builder

from pqk import boards, tune

BOARD = boards.load("mps2-an386")


@pytest.fixture
def network() -> Network:
    builder = Builder(seeds.fresh("network"), (1, 12, 10))
    residual = builder.conv(4, pool=(2, 2))
    builder.conv(4, sparsity=0.8)
    builder.add(residual)
    return builder.finish(("a", "b", "c"))


def run(network: Network, folder: Path, monkeypatch: pytest.MonkeyPatch, dear: dict[str, str]) -> dict[str, Any]:
    """Tune with a device on which everything costs what the generator estimates, but some kernels 1000 times that."""

    built: list[Program] = []

    def measure(network: Network, program: Program, board: boards.Board, *, port: str | None) -> tune.Costs:  # noqa: ARG001
        built.append(program)
        return {
            (step.name, step.kernel): step.invocation.cost.instructions
            * (1000 if dear.get(step.name) == step.kernel else 1)
            for step in program.steps
        }

    monkeypatch.setattr(tune, "measure", measure)
    told: list[tuple[int, int]] = []
    record = tune.tune(
        network, BOARD, Objective(), folder, key="k", port=None, progress=lambda *state: told.append(state)
    )
    total = told[-1][1]
    assert told == [*((done, total) for done in range(len(told) - 1)), (total, total)]
    assert len(built) < len(told)
    return record


def test_every_kernel_that_can_run_a_layer_is_measured(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = run(network, tmp_path, monkeypatch, {})
    measured = {(entry["layer"], entry["kernel"]) for entry in record["measured"]}
    wanted = {(name, k.name) for name, kernels in choice.candidates(network, BOARD.cpu).items() for k in kernels}
    assert wanted <= measured
    assert len(wanted) > len(network.ops)
    assert record["unit"] == "emulated instructions"


def test_costs_as_estimated_change_nothing(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(network, tmp_path, monkeypatch, {})["changed"] == []


def test_a_kernel_that_is_slower_than_estimated_is_replaced(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = {step.name: step.kernel for step in choice.choose(network, BOARD.cpu, Objective()).steps}
    record = run(network, tmp_path, monkeypatch, {"conv1": first["conv1"]})
    change = next(change for change in record["changed"] if change["layer"] == "conv1")
    assert change["before"] == first["conv1"] != change["after"]
    measured = tune.load(tmp_path, "k")
    after = {step.name: step.kernel for step in choice.choose(network, BOARD.cpu, Objective(measured=measured)).steps}
    assert after["conv1"] == change["after"]


def test_what_is_chosen_is_measured_as_it_will_run(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels that are cheap beside some kernels and dear beside those that are chosen are not taken."""
    first = {step.name: step.kernel for step in choice.choose(network, BOARD.cpu, Objective()).steps}
    others = [k.name for k in choice.candidates(network, BOARD.cpu)["conv1"] if k.name != first["conv1"]][:5]
    assert len(others) == 5

    def measure(network: Network, program: Program, board: boards.Board, *, port: str | None) -> tune.Costs:  # noqa: ARG001
        costs = {(step.name, step.kernel): step.invocation.cost.instructions for step in program.steps}
        kernels = {step.name: step.kernel for step in program.steps}
        if kernels["conv1"] in others:
            alone = any(
                kernels[name] != kernel for name, kernel in first.items() if name != "conv1" and name in kernels
            )
            costs["conv1", kernels["conv1"]] = 1 if alone else 10**9
        return costs

    monkeypatch.setattr(tune, "measure", measure)
    tune.tune(network, BOARD, Objective(), tmp_path, key="k", port=None, progress=lambda *_: None)
    measured = tune.load(tmp_path, "k")
    after = choice.choose(network, BOARD.cpu, Objective(measured=measured))
    assert sum(measure(network, after, BOARD, port=None).values()) < 10**9


def test_costs_are_read_back_for_their_key_only(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tune.load(tmp_path, "k") == {}
    record = run(network, tmp_path, monkeypatch, {})
    assert json.loads((tmp_path / tune.FILE).read_text()) == record
    costs = tune.load(tmp_path, "k")
    assert costs == {(entry["layer"], entry["kernel"]): entry["cost"] for entry in record["measured"]}
    assert tune.load(tmp_path, "another") == {}
