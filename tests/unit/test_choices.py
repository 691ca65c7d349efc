"""What a build says about its kernels."""

from dataclasses import replace

import pytest
from pqk_codegen import choice, plan
from pqk_codegen.choice import Objective
from pqk_codegen.ir import Network
from pqk_codegen.kernels import KERNELS
from pqk_codegen.ops import Convolution
from support import seeds
from support.networks import Builder

from pqk import choices

CORE = "cortex-m4"
PLAIN = {kernel.name for kernel in KERNELS if kernel.plain}


@pytest.fixture
def network() -> Network:
    """Two convolutions, of which the second has no faster kernels: 100 is not the largest value of any bits."""
    builder = Builder(seeds.fresh("network"), (2, 12, 10))
    builder.conv(4, sparsity=0.8)
    builder.conv(3, sparsity=0.8, maximum=100)
    return builder.finish(("a", "b", "c"))


def test_a_layer_without_a_faster_kernel_is_named(network: Network) -> None:
    found = choice.candidates(network, CORE)
    assert {kernel.name for kernel in found["conv1"]} <= PLAIN
    assert not {kernel.name for kernel in found["conv0"]} <= PLAIN
    made = plan.plan(network, CORE)
    kernel = next(layer.kernel for layer in made.layers if layer.name == "conv1")
    lines = [line for line in choices.fallbacks(made) if line.startswith("conv")]
    assert lines == [f"conv1 runs in plain C ({kernel}): no faster kernel for cortex-m4 supports it"]


def test_a_layer_that_had_to_be_small_is_named_with_the_other_reason(network: Network) -> None:
    lines = choices.fallbacks(plan.plan(network, CORE, Objective(goal="size")))
    reasons = {line.split()[0]: line.partition(": ")[2] for line in lines}
    assert reasons["conv0"] == "chosen for its size, or to save a conversion"
    assert reasons["conv1"] == "no faster kernel for cortex-m4 supports it"


def test_what_is_always_plain_c_is_no_fallback(network: Network) -> None:
    lines = choices.fallbacks(plan.plan(network, CORE, Objective(goal="size")))
    assert not any(line.startswith("fc ") for line in lines)
    assert next(layer for layer in plan.plan(network, CORE).layers if layer.name == "fc").plain


def test_facts_have_estimates_and_what_plain_c_costs_at_best(network: Network) -> None:
    made = plan.plan(network, CORE)
    facts = dict(zip([layer.name for layer in made.layers], choices.facts(made, {}), strict=True))
    assert len(facts) == len(made.layers)
    for layer in made.layers:
        fact = facts[layer.name]
        assert fact["estimate"] == {"instructions": round(layer.cost.instructions), "cycles": round(layer.cost.cycles)}
        assert fact["estimate"]["cycles"] > fact["estimate"]["instructions"] > 0
        assert ("plain" in fact) == ("in_plain_c" in fact) == (layer.op != "convert")
        if layer.op == "convert":
            continue
        assert fact["in_plain_c"] == (layer.kernel in PLAIN)
        assert fact["plain"]["kernel"] in PLAIN
        assert fact["plain"]["measured"] is False
        if layer.kernel == fact["plain"]["kernel"]:
            assert fact["plain"]["cost"] == fact["estimate"]["instructions"]
    assert facts["conv0"]["plain"]["cost"] > 2 * facts["conv0"]["estimate"]["instructions"]
    assert "convert" in {layer.op for layer in made.layers}


def test_measured_costs_replace_estimates_of_plain_c_and_choose_among_its_kernels(network: Network) -> None:
    made = plan.plan(network, CORE)
    costs = {("conv0", "conv2d_dense"): 17.2, ("conv0", "conv2d_sparse4"): 999.0, ("conv0", "conv2d_sparse8"): 999.0}
    facts = dict(zip([layer.name for layer in made.layers], choices.facts(made, costs), strict=True))
    assert facts["conv0"]["plain"] == {"kernel": "conv2d_dense", "cost": 17, "measured": True}
    assert facts["conv1"]["plain"]["measured"] is False


def test_lane_budget_is_of_convolutions_and_worked_out_from_their_weights(network: Network) -> None:
    made = plan.plan(network, CORE)
    facts = dict(zip([layer.name for layer in made.layers], choices.facts(made, {}), strict=True))
    convolutions = {op.name for op in network.ops if isinstance(op, Convolution)}
    assert {name for name, fact in facts.items() if "lanes" in fact} == convolutions == {"conv0", "conv1"}
    assert 0 < facts["conv0"]["lanes"]["used"] < 1
    assert facts["conv0"]["lanes"]["beyond"] == 0


def test_channels_beyond_a_lane_are_counted() -> None:
    builder = Builder(seeds.fresh("wide sums"), (40, 6, 6), bits=8)
    builder.conv(3, sparsity=0.0)
    op = builder.ops[0]
    assert isinstance(op, Convolution)
    weights = op.weights.copy()
    weights[1:] = 0  # sums of 360 weights of up to 127 times 255 are left in channel 0 alone
    weights[0] = 127
    builder.ops[0] = replace(op, weights=weights)
    made = plan.plan(builder.finish(("a", "b", "c")), CORE)
    lanes = next(fact["lanes"] for fact in choices.facts(made, {}) if "lanes" in fact)
    assert lanes["beyond"] == 1
    assert lanes["used"] > 360 * 127 * 255 / 2**16
    assert lanes["spare_bits"] == 0
