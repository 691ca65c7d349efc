"""What nonzeros cost: the model's estimates are those of kernels chosen for networks with weights."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pqk_codegen.choice import Objective
from pqk_codegen.errors import IrError
from pqk_codegen.ir import Network, Op
from pqk_codegen.ops import Convolution
from support.networks import Builder, random_network
from support.planned import planned
from support.seeds import fresh

from pqk import boards, costs
from pqk.bench.networks import NETWORKS
from pqk.budget import NetworkCosts
from pqk.errors import ModelError
from pqk.project import BuildConfig, CompressionConfig, NetworkConfig, Project, as_plain
from pqk.train.blank import blank_network

CORE = "cortex-m4"
DENSITIES = (0.0, 0.03, 0.06, 0.1, 0.16, 1.0)


def nonzeros(network: Network) -> dict[str, int]:
    return {op.name: int(np.count_nonzero(op.weights)) for op in network.ops if isinstance(op, Convolution)}


@pytest.fixture(scope="module")
def narrow() -> NetworkCosts:
    network = NETWORKS["res8-narrow"](0.5, 4, 0)
    return costs.measure(network, CORE, Objective(), densities=DENSITIES, seed=int(fresh("draws").integers(1000)))


def test_the_model_is_the_planner_within_a_few_percent(narrow: NetworkCosts) -> None:
    """Bytes within more, and of most networks: at the change of a kernel, near a density of 12 %, they jump by a fifth,
    and code for the first layer depends on which channels have weights."""
    rng, sizes = fresh("networks"), []
    for _ in range(9):
        network = NETWORKS["res8-narrow"](float(rng.uniform(0.85, 0.96)), 4, int(rng.integers(1000)))
        instructions, size = planned(network, CORE, Objective())
        assert narrow.instructions(nonzeros(network)) == pytest.approx(instructions, rel=0.05)
        sizes.append(narrow.bytes(nonzeros(network)) / size)
    assert np.median(sizes) == pytest.approx(1, abs=0.1)
    assert sizes == pytest.approx([1] * len(sizes), abs=0.5)


def test_layers_of_different_sparsity_add_up(narrow: NetworkCosts) -> None:
    rng = fresh("mixed")
    seed = int(rng.integers(1000))
    made = [NETWORKS["res8-narrow"](sparsity, 4, seed) for sparsity in (0.86, 0.92, 0.96)]
    ops = tuple(versions[int(rng.integers(3))] for versions in zip(*(network.ops for network in made), strict=True))
    network = dataclasses.replace(made[0], ops=ops)
    assert narrow.instructions(nonzeros(network)) == pytest.approx(planned(network, CORE, Objective())[0], rel=0.05)


def test_a_weight_of_the_first_layer_costs_most(narrow: NetworkCosts) -> None:
    """Before its pool there are 12 times as many positions as in the others."""
    dense = {layer.name: layer.instructions.costs[-1] / layer.instructions.weights for layer in narrow.layers}
    assert dense["conv0"] > 8 * dense["conv1"]
    assert dense["conv1"] == pytest.approx(dense["conv6"], rel=0.05)


def test_costs_survive_json(narrow: NetworkCosts) -> None:
    assert NetworkCosts.from_plain(json.loads(json.dumps(as_plain(narrow)))) == narrow


def test_only_the_measured_budgets_have_prices(narrow: NetworkCosts) -> None:
    prices = narrow.prices("budget_instructions")
    assert list(prices.layers) == [f"conv{number}" for number in range(7)]
    assert prices.fixed == narrow.instructions_fixed > 0
    assert prices.dense == narrow.instructions({name: curve.weights for name, curve in prices.layers.items()})
    with pytest.raises(ValueError, match="budget_nonzeros"):
        narrow.prices("budget_nonzeros")


def test_any_network_can_be_measured() -> None:
    rng = fresh("any")
    for core in ("cortex-m4", "cortex-m0", "cortex-m55"):
        network = random_network(rng)
        measured = costs.measure(network, core, Objective(), densities=(0.0, 0.2, 1.0))
        sizes = {op.name: op.weights.size for op in network.ops if isinstance(op, Convolution)}
        assert {layer.name: layer.instructions.weights for layer in measured.layers} == sizes
        assert measured.instructions(sizes) > measured.instructions(dict.fromkeys(sizes, 0))


def test_wider_limits_of_weights_are_part_of_the_model() -> None:
    """With finer weights fewer are equal, so that the kernel that groups equal ones has more to do."""
    rng = fresh("lanes")
    builder = Builder(rng, (8, 20, 12), maximum=127)
    builder.conv(12, maximum=127)
    network = builder.finish(("a", "b"))
    coarse, fine = (
        costs.measure(network, CORE, Objective(), lane_budget=lane, densities=(0.0, 0.3, 1.0)) for lane in (0, 16)
    )
    assert fine.layers[0].instructions.table[-200:].sum() > coarse.layers[0].instructions.table[-200:].sum()


@pytest.mark.parametrize("arch", ["res8-tiny", "ds-cnn"])
def test_a_blank_network_has_what_is_measured(arch: str) -> None:
    """Its structure is the trained network's, its weights do not count, and making it draws no random numbers."""
    project = Project(
        Path(), "p", ("yes", "no"), network=NetworkConfig(arch), compression=CompressionConfig(lane_budget=16)
    )
    state = torch.get_rng_state()
    network = blank_network(project)
    assert torch.equal(torch.get_rng_state(), state)
    assert (network.arch, network.classes, network.weight_bits) == (arch, project.classes, 4)
    assert network.nonzeros > 0.8 * network.weights
    pruned = dataclasses.replace(network, ops=tuple(map(emptied, network.ops)))
    measured = [
        costs.measure(version, CORE, Objective(), lane_budget=16, densities=(0.0, 0.1, 1.0))
        for version in (network, pruned)
    ]
    assert measured[0] == measured[1]


def emptied(op: Op) -> Op:
    return dataclasses.replace(op, weights=0 * op.weights) if isinstance(op, Convolution) else op


def test_a_project_is_measured_once_for_its_board_and_objective(tmp_path: Path) -> None:
    builder = Builder(fresh("project"), (1, 12, 10))
    builder.conv(6)
    network, made = builder.finish(("yes", "no")), []

    def blank() -> Network:
        made.append(network)
        return network

    board, fast = boards.load("mps2-an386"), Project(Path(), "p", ("yes", "no"))
    small = dataclasses.replace(fast, build=BuildConfig(objective="size"))
    quick, compact = (costs.project_costs(project, board, blank, tmp_path) for project in (fast, small))
    dense = {layer.name: layer.bytes.weights for layer in quick.layers}
    assert compact.bytes(dense) < quick.bytes(dense)
    assert compact.instructions(dense) > quick.instructions(dense)
    assert costs.project_costs(small, board, blank, tmp_path) == compact
    assert len(made) == 2


def test_a_network_without_kernels_is_the_models_fault(tmp_path: Path) -> None:
    def blank() -> Network:
        raise IrError("no kernel")

    with pytest.raises(ModelError, match="no kernel"):
        costs.project_costs(Project(Path(), "p", ("yes", "no")), boards.load("mps2-an386"), blank, tmp_path)
