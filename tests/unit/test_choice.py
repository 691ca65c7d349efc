"""Which kernels are chosen under limits of flash, and how small the weights become."""

from collections.abc import Callable, Iterator

import pytest
from pqk_codegen.choice import Objective, choose, flash, speed
from pqk_codegen.errors import FlashLimitError
from pqk_codegen.ir import Network
from pqk_codegen.ops import Convolution
from pqk_codegen.storage import Program
from support.seeds import fresh

from pqk.bench.networks import ds_cnn, res8_narrow

CORE = "cortex-m4"
SPARSITIES = (0.8, 0.9, 0.95)
STREAMS = ("stream", "entries", "weights")  # roles of tables with weights

MAKES = pytest.mark.parametrize("make", [res8_narrow, ds_cnn])
BITS = pytest.mark.parametrize("bits", [4, 8])


def sparse_streams(program: Program) -> Iterator[tuple[Convolution, int]]:
    """Every pruned convolution whose weights are data, and their bytes."""
    for step in program.steps:
        size = sum(table.size for table in step.invocation.tables if table.role in STREAMS)
        if isinstance(step.op, Convolution) and size and (step.op.weights == 0).mean() > SPARSITIES[0] - 0.02:
            yield step.op, size


@MAKES
@BITS
@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_fast_streams_are_no_larger_than_dense_weights(
    make: Callable[[float, int], Network], bits: int, sparsity: float
) -> None:
    found = list(sparse_streams(choose(make(sparsity, bits), CORE, Objective())))
    assert found
    for op, size in found:
        constants = op.bias.nbytes + op.multiplier.nbytes  # which a stream contains
        assert size <= op.weights.nbytes + constants, op.name


@MAKES
@BITS
@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_small_weights_take_two_bytes(make: Callable[[float, int], Network], bits: int, sparsity: float) -> None:
    found = list(sparse_streams(choose(make(sparsity, bits), CORE, Objective(goal="size"))))
    assert found
    for op, size in found:
        assert size <= 2 * (op.weights != 0).sum(), op.name


def test_limits_are_kept_and_used() -> None:
    rng, network = fresh("flash limits"), res8_narrow(0.9, 4)
    fastest, smallest = (choose(network, CORE, Objective(goal=goal)).steps for goal in ("speed", "size"))
    low, high = flash(smallest), flash(fastest)
    enough = choose(network, CORE, Objective(flash_limit=high)).steps
    assert [step.kernel for step in enough] == [step.kernel for step in fastest]
    for limit in rng.integers(low + (high - low) // 4, high, 2).tolist():
        steps = choose(network, CORE, Objective(flash_limit=limit)).steps
        assert low < flash(steps) <= limit
        assert speed(fastest, Objective()) < speed(steps, Objective()) < speed(smallest, Objective())


def test_a_limit_is_used_at_least_as_well_as_by_hand() -> None:
    network = res8_narrow(0.9, 4)
    layers = [op.name for op in network.ops if isinstance(op, Convolution)]
    for first, other in (("conv2d_pool_looped", "conv2d_grouped_lanes"), ("conv2d_sparse4", "conv2d_grouped_lanes")):
        forced = dict.fromkeys(layers, other) | {layers[0]: first}
        by_hand = choose(network, CORE, Objective(), forced).steps
        found = choose(network, CORE, Objective(flash_limit=flash(by_hand))).steps
        assert speed(found, Objective()) <= speed(by_hand, Objective())


def test_a_limit_that_cannot_be_met_names_the_smallest_size() -> None:
    network = res8_narrow(0.9, 4)
    smallest = flash(choose(network, CORE, Objective(goal="size")).steps)
    with pytest.raises(FlashLimitError) as raised:
        choose(network, CORE, Objective(flash_limit=smallest - 1))
    assert raised.value.smallest == smallest
