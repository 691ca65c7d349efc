"""Taking dead channels out of a network: what it computes stays the same to the bit, and all that can go is gone."""

from dataclasses import replace

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen.ir import Network, Op, verify
from pqk_codegen.ops import Append, Conv2d, Convolution, DepthwiseConv2d, FullyConnected
from pqk_codegen.prune_channels import without_dead_channels
from support import networks, seeds

Generator = np.random.Generator


def killed(op: Op, dead: np.ndarray, rng: Generator) -> Op:
    """`op` with channels that are 0 whatever the input is, each for one of several reasons."""
    if not isinstance(op, Convolution):
        return op
    weights, bias, multiplier = op.weights.copy(), op.bias.copy(), op.multiplier.copy()
    for channel in np.flatnonzero(dead):
        if rng.random() < 0.3:
            multiplier[channel] = 0
        else:
            weights[channel] = 0
            bias[channel] = -int(rng.integers(0, 100))
    return replace(op, weights=weights, bias=bias, multiplier=multiplier)


def with_dead_channels(network: Network, rng: Generator, share: float = 0.4) -> Network:
    """`network` where convolutions that write tensors of one shape have about the same dead channels."""
    chosen: dict[int, np.ndarray] = {}
    ops = []
    for op in network.ops:
        channels = network.tensors[op.output].shape[0]
        dead = chosen.setdefault(channels, rng.random(channels) < share)
        ops.append(killed(op, dead & (rng.random(channels) < 0.8), rng))
    return verify(replace(network, ops=tuple(ops)))


def alive(network: Network) -> Network:
    """`network` with weights and biases that are not negative: no channel happens to be dead."""
    convolutions = [op for op in network.ops if isinstance(op, Convolution)]
    positive = {op.name: replace(op, weights=np.abs(op.weights), bias=np.abs(op.bias)) for op in convolutions}
    return verify(replace(network, ops=tuple(positive.get(op.name, op) for op in network.ops)))


def shapes(network: Network) -> dict[str, int]:
    return {name: tensor.shape[0] for name, tensor in network.tensors.items()}


def assert_same(network: Network, smaller: Network, rng: Generator, n: int = 6) -> None:
    x = networks.random_input(rng, network, n)
    np.testing.assert_array_equal(interpreter.logits(smaller, x), interpreter.logits(network, x))


@pytest.mark.parametrize("case", range(60))
def test_logits_stay_the_same(case: int) -> None:
    rng = seeds.fresh(f"case {case}")
    network = networks.random_network(rng)
    if case % 4:
        network = with_dead_channels(network, rng)
    smaller = without_dead_channels(network)
    assert_same(network, smaller, rng)
    assert all(
        after <= before for before, after in zip(shapes(network).values(), shapes(smaller).values(), strict=True)
    )
    assert shapes(without_dead_channels(smaller)) == shapes(smaller)  # nothing is left to do


def test_a_network_without_dead_channels_stays_as_it_is() -> None:
    network = alive(networks.res8(seeds.fresh("network"), 6, 3, sparsity=0.1))
    smaller = without_dead_channels(network)
    assert shapes(smaller) == shapes(network)
    assert smaller.weights == network.weights


def residual(rng: Generator, first: list[int], second: list[int]) -> Network:
    """Two convolutions of 6 channels that are added up, with dead channels of their own."""
    builder = networks.Builder(rng, (1, 9, 8))
    stream = builder.conv(6, sparsity=0)
    builder.conv(5, sparsity=0)
    builder.conv(6, sparsity=0)
    builder.add(stream)
    network = alive(builder.finish(("a", "b")))
    ops = list(network.ops)
    for index, dead in ((0, first), (2, second)):
        ops[index] = killed(ops[index], np.isin(np.arange(6), dead), rng)
    return verify(replace(network, ops=tuple(ops)))


def test_a_channel_of_a_sum_goes_only_where_it_is_dead_in_both_operands() -> None:
    rng = seeds.fresh("network")
    network = residual(rng, [0, 2, 3], [2, 3, 5])
    smaller = without_dead_channels(network)
    # conv0 and conv2 write the two operands.
    assert shapes(smaller) == {**shapes(network), **dict.fromkeys(("conv0_out", "conv2_out", "add3_out", "sums"), 4)}
    fc = smaller.ops[-1]
    assert isinstance(fc, FullyConnected)
    assert isinstance(network.ops[-1], FullyConnected)
    np.testing.assert_array_equal(fc.weights, network.ops[-1].weights[:, [0, 1, 4, 5]])
    assert smaller.weights == 4 * 9 + 5 * 4 * 9 + 4 * 5 * 9 + 4 * 2
    assert_same(network, smaller, rng)


def test_inputs_that_are_dead_count_as_zero_even_where_they_stay() -> None:
    """conv0's channels 0 and 1 stay because of the sum; what reads them only is dead all the same."""
    rng = seeds.fresh("network")
    network = residual(rng, [0, 1], [])
    inner = network.ops[1]
    assert isinstance(inner, Conv2d)
    weights, bias = inner.weights.copy(), inner.bias.copy()
    weights[3, 2:], bias[3] = 0, 0
    network = verify(
        replace(network, ops=(network.ops[0], replace(inner, weights=weights, bias=bias), *network.ops[2:]))
    )
    smaller = without_dead_channels(network)
    assert shapes(smaller) == {**shapes(network), "conv1_out": 4}
    assert_same(network, smaller, rng)


@pytest.mark.parametrize("biased", [True, False])
def test_a_depthwise_channel_goes_with_the_one_it_reads(biased: bool) -> None:
    """A depthwise convolution whose bias makes something of nothing keeps its channel, and its input's."""
    rng = seeds.fresh("network")
    builder = networks.Builder(rng, (1, 12, 8))
    builder.conv(5, sparsity=0)
    builder.depthwise()
    network = alive(builder.finish(("a", "b")))
    first, second = network.ops[0], network.ops[1]
    assert isinstance(second, DepthwiseConv2d)
    first = killed(first, np.arange(5) == 2, rng)
    bias, multiplier = second.bias.copy(), second.multiplier.copy()
    bias[2] = 1000 if biased else -1
    multiplier[2] = 2**second.shift // 100
    second = replace(second, bias=bias, multiplier=multiplier)
    network = verify(replace(network, ops=(first, second, *network.ops[2:])))
    smaller = without_dead_channels(network)
    left = 5 if biased else 4
    assert shapes(smaller) == {**shapes(network), "conv0_out": left, "conv1_out": left, "sums": left}
    assert_same(network, smaller, rng)


def test_one_channel_stays_where_all_are_dead() -> None:
    rng = seeds.fresh("network")
    network = residual(rng, list(range(6)), list(range(6)))
    smaller = without_dead_channels(network)
    assert shapes(smaller)["add3_out"] == 1
    assert_same(network, smaller, rng)


def test_signs_count() -> None:
    """Negative weights on inputs that are never negative make a dead channel; on inputs that are, they do not."""
    for dtype, left in (("uint8", 1), ("int8", 2)):
        rng = seeds.fresh(dtype)
        builder = networks.Builder(rng, (1, 8, 8), dtype)
        builder.conv(2, sparsity=0)
        network = builder.finish(("a", "b"))
        op = network.ops[0]
        assert isinstance(op, Conv2d)
        weights, bias = np.abs(op.weights) + np.int8(1), np.zeros(2, np.int32)
        weights[1] *= -1
        op = replace(op, weights=np.clip(weights, -7, 7).astype(np.int8), bias=bias)
        network = verify(replace(network, ops=(op, *network.ops[1:])))
        smaller = without_dead_channels(network)
        assert shapes(smaller)["conv0_out"] == left
        assert_same(network, smaller, rng)


def test_a_network_with_a_state_loses_channels_too() -> None:
    rng = seeds.fresh("network")
    builder = networks.Builder(rng, (1, 6, 8))
    source = builder.conv(4, sparsity=0)
    builder.ops.append(Append("append1", (source.name,), "rows", history=2))
    builder.current = builder.tensor("rows", (4, source.shape[1] + 2, 8), "uint8", 1.0, source.maximum)
    builder.conv(3, sparsity=0)
    network = alive(builder.finish(("a", "b")))
    ops = (killed(network.ops[0], np.arange(4) == 1, rng), *network.ops[1:])
    network = verify(replace(network, ops=ops))
    smaller = without_dead_channels(network)
    assert shapes(smaller) == {**shapes(network), "conv0_out": 3, "rows": 3}
    states = [interpreter.fresh_state(each, 2) for each in (network, smaller)]
    for _ in range(4):
        x = networks.random_input(rng, network, 2)
        whole, states[0] = interpreter.advance(network, x, states[0])
        part, states[1] = interpreter.advance(smaller, x, states[1])
        np.testing.assert_array_equal(part["logits"], whole["logits"])
