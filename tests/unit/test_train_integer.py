"""The trainer's integers are the generator's: same logits as the interpreter, on every input."""

import secrets
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pqk_codegen import interpreter, store
from pqk_codegen.fold import FoldedConv
from pqk_codegen.ir import Network
from pqk_codegen.kernels.lanes import Channel, channels
from pqk_codegen.lane_limits import weight_bits
from pqk_codegen.ops import Convolution
from support.seeds import fresh
from support.trained import CLASSES, ir_of, random_inputs, random_pqk

from pqk.project import CompressionConfig
from pqk.train.integer import InputFormat, IntegerClassifier, Integers, Quantization, logits
from pqk.train.networks import NETWORKS, layers
from pqk.train.networks.cost import macs
from pqk.train.networks.layers import Arithmetic, Classifier, T

INTEGRAL = [arch for arch, entry in NETWORKS.items() if entry.integral]


@pytest.mark.parametrize("arch", INTEGRAL)
@pytest.mark.parametrize(("dtype", "scale"), [("uint8", 0.125), ("int8", 1.0)])
@pytest.mark.parametrize(
    ("weight_bits", "activation_bits", "lane_budget"), [(4, 7, 0), (4, 7, 16), (2, 4, 15), (8, 8, 0)]
)
def test_logits_equal_the_interpreter_s(
    arch: str, dtype: str, scale: float, weight_bits: int, activation_bits: int, lane_budget: int
) -> None:
    seed = secrets.randbits(32)
    print("seed", seed)
    rng = np.random.default_rng(seed)
    source = InputFormat((1, int(rng.integers(8, 30)), int(rng.integers(6, 20))), dtype, scale)
    compression = CompressionConfig(
        sparsity=0.8, weight_bits=weight_bits, activation_bits=activation_bits, lane_budget=lane_budget
    )
    method = random_pqk(arch, source, compression, rng)
    x = random_inputs(source, 12, rng)
    expected = interpreter.logits(ir_of(method, arch), x)
    assert len(np.unique(expected, axis=0)) > 1  # the network does compute something
    np.testing.assert_array_equal(method.predict(torch.from_numpy(x)).numpy(), expected)


def test_the_ir_describes_the_network(tmp_path: Path) -> None:
    rng = np.random.default_rng(secrets.randbits(32))
    source = InputFormat((1, 101, 40), "uint8", 0.125)
    method = random_pqk("res8-narrow", source, CompressionConfig(sparsity=0.9, lane_budget=0), rng)
    store.save(ir_of(method, "res8-narrow"), tmp_path)
    network = store.load(tmp_path)
    kinds = ["conv2d", *("conv2d", "conv2d", "add") * 3, "sum_pool", "fully_connected"]
    assert [op.kind for op in network.ops] == kinds
    assert network.parameters == method.network.parameter_count()
    assert network.weights - network.nonzeros >= 0.9 * network.weights
    assert network.classes == CLASSES
    assert network.weight_bits == 4
    assert network.tensors["conv0_out"].shape == (19, 25, 13)
    assert network.tensors["conv0_out"].maximum == 127


@pytest.mark.parametrize("lane_budget", [0, 15, 16])
def test_fake_quantised_floats_are_close_to_the_integers(lane_budget: int) -> None:
    """Training judges the network that is delivered: with equal statistics the floats differ by rounding only."""
    rng = np.random.default_rng(secrets.randbits(32))
    source = InputFormat((1, 24, 12), "uint8", 0.125)
    method = random_pqk("res8-narrow", source, CompressionConfig(sparsity=0.5, lane_budget=lane_budget), rng)
    x = torch.from_numpy(random_inputs(source, 16, rng))
    with torch.no_grad():
        floats = method.student_logits(x * source.scale)
    integers = method.integers()
    exact = method.predict(x) * integers.classifiers["fc"].scale
    spread = floats.std()
    assert (floats - exact).abs().mean() < 0.2 * spread  # 0.03 at worst of 300 draws


@pytest.mark.parametrize("arch", INTEGRAL)
@pytest.mark.parametrize(("dtype", "scale"), [("uint8", 0.125), ("int8", 1.0)])
def test_the_lane_budget_is_spent_and_not_overdrawn(arch: str, dtype: str, scale: float) -> None:
    """Both networks from one state: with a budget every channel keeps to its lane if it can, most are finer."""
    rng = fresh("lane budget")
    plain_config = CompressionConfig(sparsity=0.9, lane_budget=0)
    method = random_pqk(arch, InputFormat((1, 30, 16), dtype, scale), plain_config, rng)
    plain = ir_of(method, arch)
    method.quantizer.compression = replace(plain_config, lane_budget=16)
    fine = ir_of(method, arch)
    assert plain.weight_bits == 4 < fine.weight_bits <= 8
    assert fine.weight_bits == max(int(np.abs(op.weights).max()) for op in convolutions(fine)).bit_length() + 1
    for before, after in zip(convolutions(plain), convolutions(fine), strict=True):
        assert set(largest(before)) <= {0, 7}
        both = zip(seen(fine, after), largest(after), strict=True)
        assert all(channel.fits_lane or weight <= 1 for channel, weight in both)
    assert all(weight_bits(op).mean > 4.4 for op in convolutions(fine)[1:])


def convolutions(network: Network) -> list[Convolution]:
    return [op for op in network.ops if isinstance(op, Convolution)]


def largest(op: Convolution) -> list[int]:
    """The largest integer of each output channel."""
    return [int(value) for value in np.abs(op.weights.astype(int)).reshape(len(op.weights), -1).max(axis=1)]


def seen(network: Network, op: Convolution) -> list[Channel]:
    """The output channels as the kernels on lanes see them."""
    inputs, output = network.op_tensors(op)
    return channels(op, inputs[0], output.maximum)


@pytest.mark.parametrize("arch", INTEGRAL)
def test_the_ir_multiplies_as_often_as_the_network(arch: str) -> None:
    source = InputFormat((1, 43, 17), "uint8", 0.125)
    method = random_pqk(arch, source, CompressionConfig(), fresh("multiplications"))
    network = ir_of(method, arch)
    assert sum(op.macs(*network.op_tensors(op)) for op in network.ops) == macs(method.network, 43, 17)


def test_sums_beyond_float32_are_exact() -> None:
    """An odd sum above 2**24, which no float32 is."""
    network = OneSum()
    weights, zero = np.full((1, 64, 3, 3), 127, np.int8), np.zeros(1, np.int32)
    convolution = FoldedConv(weights, zero - 2**24, zero + 2**24, 24)
    classifier = IntegerClassifier(np.ones((1, 1), np.int8), zero, 1.0)
    integers = Integers(
        InputFormat((64, 3, 3), "uint8", 1.0),
        Quantization(weight_bits=8, activation_bits=7, weights={}, steps={}),
        {"conv0": convolution},
        {"fc": classifier},
    )
    x = torch.full((1, 64 * 9), 229)
    x[0, :201] += 1
    assert 127 * int(x.sum()) == 2**24 + 119
    assert logits(network, integers, x.reshape(1, 64, 3, 3)).tolist() == [[119]]


class OneSum(layers.Network):
    """A single position of a wide convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = layers.Convolution("conv0", 64, 1, stream="conv0", padding=(0, 0, 0, 0))
        self.classifier = Classifier("fc", 1, 1)

    def interpret(self, arithmetic: Arithmetic[T], x: T) -> T:
        return arithmetic.classify(self.classifier, arithmetic.mean(arithmetic.convolution(self.convolution, x)))
