"""The trainer's integers are the generator's: same logits as the interpreter, on every input."""

import secrets
from pathlib import Path

import numpy as np
import pytest
import torch
from pqk_codegen import interpreter, store
from pqk_codegen.ir import Network as IrNetwork

from pqk.project import CompressionConfig, TrainingConfig
from pqk.train.integer import InputFormat, to_ir
from pqk.train.methods.pqk import Pqk
from pqk.train.networks import NETWORKS, make

CLASSES = ("yes", "no", "up")


def random_pqk(arch: str, source: InputFormat, compression: CompressionConfig, rng: np.random.Generator) -> Pqk:
    """A network with random weights, masks, statistics and ranges."""
    torch.manual_seed(int(rng.integers(2**32)))
    method = Pqk(make(arch, len(CLASSES)), source, compression, TrainingConfig(phase1_epochs=1)).train()
    method.prune(method.zeros)
    for layer in method.network.convolutions():
        layer.norm.weight.data.normal_(1, 0.5)  # some are negative
        layer.norm.bias.data.normal_()
        layer.norm.weight.data[:2] = torch.tensor([1e-4, 1e-7])  # biases beyond float32's integers, and constants
    for _ in range(3):
        method.loss(torch.from_numpy(random_inputs(source, 8, rng)) * source.scale, torch.zeros(8, dtype=torch.int64))
    method.eval()
    return method


def random_inputs(source: InputFormat, count: int, rng: np.random.Generator) -> np.ndarray:
    limits = np.iinfo(source.dtype)
    return rng.integers(limits.min, limits.max, (count, *source.shape), source.dtype, endpoint=True)


def ir_of(method: Pqk, arch: str) -> IrNetwork:
    return to_ir(method.network, method.integers(), arch=arch, classes=CLASSES, front_end={"kind": "log-mel"})


@pytest.mark.parametrize("arch", NETWORKS)
@pytest.mark.parametrize(("dtype", "scale"), [("uint8", 0.125), ("int8", 1.0)])
@pytest.mark.parametrize(("weight_bits", "activation_bits"), [(4, 7), (2, 4), (8, 8)])
def test_logits_equal_the_interpreter_s(
    arch: str, dtype: str, scale: float, weight_bits: int, activation_bits: int
) -> None:
    seed = secrets.randbits(32)
    print("seed", seed)
    rng = np.random.default_rng(seed)
    source = InputFormat((1, int(rng.integers(8, 30)), int(rng.integers(6, 20))), dtype, scale)
    compression = CompressionConfig(sparsity=0.8, weight_bits=weight_bits, activation_bits=activation_bits)
    method = random_pqk(arch, source, compression, rng)
    x = random_inputs(source, 12, rng)
    expected = interpreter.logits(ir_of(method, arch), x)
    assert len(np.unique(expected)) > 12  # the network does compute something
    np.testing.assert_array_equal(method.predict(torch.from_numpy(x)).numpy(), expected)


def test_the_ir_describes_the_network(tmp_path: Path) -> None:
    rng = np.random.default_rng(secrets.randbits(32))
    source = InputFormat((1, 101, 40), "uint8", 0.125)
    method = random_pqk("res8-narrow", source, CompressionConfig(), rng)
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


def test_fake_quantised_floats_are_close_to_the_integers() -> None:
    """Training judges the network that is delivered: with equal statistics the floats differ by rounding only."""
    rng = np.random.default_rng(secrets.randbits(32))
    source = InputFormat((1, 24, 12), "uint8", 0.125)
    method = random_pqk("res8-narrow", source, CompressionConfig(sparsity=0.5), rng)
    x = torch.from_numpy(random_inputs(source, 16, rng))
    with torch.no_grad():
        floats = method.student_logits(x * source.scale)
    integers = method.integers()
    exact = method.predict(x) * integers.classifiers["fc"].scale
    spread = floats.std()
    assert (floats - exact).abs().max() < 0.1 * spread
