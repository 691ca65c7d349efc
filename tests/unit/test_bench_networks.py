"""The benchmark's networks: published sizes, the sparsity and bits that were asked for, activations that are in use."""

from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import interpreter, store
from pqk_codegen.ir import Network
from pqk_codegen.ops import Convolution, DepthwiseConv2d
from support.seeds import fresh

from pqk.bench.networks import NETWORKS, SUM_LIMIT, ds_cnn, prune, quantise, random_inputs, res8_narrow

GRID = [(name, sparsity, bits) for name in NETWORKS for sparsity in (0.0, 0.9) for bits in (4, 8)]
PUBLISHED = {"res8-narrow": (19_905, 7_026_618), "res8": (110_307, 37_175_490), "ds-cnn": (22_028, 2_656_768)}


def convolutions(network: Network) -> list[Convolution]:
    return [op for op in network.ops if isinstance(op, Convolution)]


@pytest.mark.parametrize("name", NETWORKS)
def test_sizes_are_the_published_ones(name: str) -> None:
    """Tang & Lin 2018 for the residual networks; MLPerf Tiny: 2.66 M MACs."""
    network = NETWORKS[name](0.5, 4, 0)
    macs = sum(op.macs(*network.op_tensors(op)) for op in network.ops)
    assert (network.parameters, macs) == PUBLISHED[name]


def test_ds_cnn_has_the_parameters_of_mlperf_tiny() -> None:
    """24,908 in Keras, which counts a bias and four numbers of batch normalisation for every channel as well."""
    network = ds_cnn(0.0, 8)
    folded = sum(5 * len(op.bias) for op in convolutions(network))
    assert network.parameters + folded == 24_908


@pytest.mark.parametrize(("name", "sparsity", "bits"), GRID)
def test_every_layer_has_the_zeros_and_bits_that_were_asked_for(name: str, sparsity: float, bits: int) -> None:
    network = NETWORKS[name](sparsity, bits, int(fresh("seed").integers(1000)))
    for op in network.ops:
        weights = op.weight_values
        if weights is not None:
            pruned = 0.0 if isinstance(op, DepthwiseConv2d) else sparsity
            assert np.count_nonzero(weights == 0) == round(pruned * weights.size), op.name
            assert np.abs(weights.astype(int)).max() == 2 ** (bits - 1) - 1
    assert network.weight_bits == bits


@pytest.mark.parametrize(("name", "sparsity", "bits"), GRID)
def test_activations_are_in_use(name: str, sparsity: float, bits: int) -> None:
    """Neither dead nor saturated, or rows of different sparsity could not be compared."""
    rng = fresh("inputs")
    network = NETWORKS[name](sparsity, bits, int(rng.integers(1000)))
    values = interpreter.run(network, random_inputs(network, rng, 3))
    for op in convolutions(network)[1:]:
        output = values[op.output]
        assert 0.2 < np.mean(output == 0) < 0.8, op.name
        assert np.mean(output == 127) < 0.05
        assert np.quantile(output, 0.99) > 30
    assert all(op.shift == 32 for op in convolutions(network))
    assert all(op.multiplier.max() > 2**20 for op in convolutions(network))


def test_biases_leave_sums_that_fit_16_bits_fitting() -> None:
    """Of a network with many sums near that limit."""
    network = NETWORKS["res8"](0.7, 4, int(fresh("seed").integers(1000)))
    for op in convolutions(network)[1:]:
        source, weights = network.tensors[op.inputs[0]], op.weights.astype(int)
        assert source.minimum == 0
        high, low = (np.maximum(w, 0).sum(axis=(1, 2, 3)) * source.maximum for w in (weights, -weights))
        fitting = np.maximum(high, low) < SUM_LIMIT
        assert fitting.mean() > 0.5
        assert (np.maximum(high + op.bias, low - op.bias) < SUM_LIMIT)[fitting].all()
        assert 20 < np.abs(op.bias[fitting]).max() <= 2000


def test_a_channel_without_weights_has_no_bias() -> None:
    network = res8_narrow(0.95, 4)
    empty = [op.bias[~op.weights.any(axis=(1, 2, 3))] for op in convolutions(network)]
    assert sum(map(len, empty)) > 0
    assert not any(bias.any() for bias in empty)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_seed_decides(name: str, tmp_path: Path) -> None:
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        store.save(NETWORKS[name](0.9, 4, seed), tmp_path / folder)
    first, again, other = ((tmp_path / folder / store.WEIGHTS).read_bytes() for folder in "abc")
    assert first == again
    assert first != other


def test_weights_of_different_sparsity_are_the_same_weights() -> None:
    dense, sparse = (convolutions(res8_narrow(sparsity, 8)) for sparsity in (0.0, 0.8))
    for full, left in zip(dense, sparse, strict=True):
        kept = left.weights != 0
        np.testing.assert_array_equal(np.sign(left.weights[kept]), np.sign(full.weights[kept]))
        assert np.abs(full.weights[kept].astype(int)).mean() > np.abs(full.weights[~kept].astype(int)).mean()


def test_pruning_by_hand() -> None:
    assert prune(np.array([[0.3, -0.1], [0.2, -4.0]]), 0.5).tolist() == [[0.3, 0], [0, -4.0]]
    assert prune(np.array([1.0, -1.0, 2.0]), 0.0).tolist() == [1.0, -1.0, 2.0]


def test_quantisation_by_hand() -> None:
    weights = np.array([[7.0, -3.4, 0.1, 0.0], [-0.5, 0.25, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    # steps 1 and 0.5 / 7; 0.1 would round to zero, but only zero becomes zero
    assert quantise(weights, 7).tolist() == [[7, -3, 1, 0], [-7, 4, 0, 0], [0, 0, 0, 0]]


def test_inputs_have_the_type_and_range_of_the_network() -> None:
    for network, low, high in ((res8_narrow(0.9, 4), 0, 255), (ds_cnn(0.9, 4), -128, 127)):
        x = random_inputs(network, fresh("inputs"), 5)
        assert x.shape == (5, *network.tensors["input"].shape)
        assert (x.dtype, x.min(), x.max()) == (np.dtype(network.tensors["input"].dtype), low, high)
