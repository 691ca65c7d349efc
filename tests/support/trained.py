"""Networks as the trainer delivers them, with random weights: no training, the same way to integers."""

import numpy as np
import torch
from pqk_codegen.ir import Network as IrNetwork

from pqk.project import CompressionConfig, TrainingConfig
from pqk.train.integer import InputFormat, to_ir
from pqk.train.methods import METHODS, Method, Reference
from pqk.train.methods.pqk import Pqk
from pqk.train.networks import make

CLASSES = ("yes", "no", "up")


def random_pqk(
    arch: str,
    source: InputFormat,
    compression: CompressionConfig,
    rng: np.random.Generator,
    classes: tuple[str, ...] = CLASSES,
    width: int = 0,
) -> Pqk:
    """See `random_method`."""
    method = random_method("pqk", arch, source, compression, rng, classes, width)
    assert isinstance(method, Pqk)
    return method


def random_method(
    name: str,
    arch: str,
    source: InputFormat,
    compression: CompressionConfig,
    rng: np.random.Generator,
    classes: tuple[str, ...] = CLASSES,
    width: int = 0,
) -> Method:
    """A method whose network has random weights, masks, statistics and ranges."""
    torch.manual_seed(int(rng.integers(2**32)))
    training = TrainingConfig(phase1_epochs=1)
    method = METHODS[name](make(arch, len(classes), width), source, compression, training).train()
    reference = Reference(make(arch, len(classes), width), source, compression, training).train()
    train_step(reference, source, rng)
    method.take_reference(reference.network.state_dict())
    for layer in method.network.convolutions():
        layer.norm.weight.data.normal_(1, 0.5)  # some are negative
        layer.norm.bias.data.normal_()
        layer.norm.weight.data[:2] = torch.tensor([1e-4, 1e-7])  # biases beyond float32's integers, and constants
    for _ in range(3):
        method.begin_step(0, 1)
        train_step(method, source, rng)
    method.calibrate(torch.from_numpy(random_inputs(source, 16, rng)))
    return method.eval()


def train_step(method: Method, source: InputFormat, rng: np.random.Generator) -> None:
    """A step's forward pass: statistics and ranges move, weights do not."""
    method.loss(torch.from_numpy(random_inputs(source, 8, rng)) * source.scale, torch.zeros(8, dtype=torch.int64))


def random_inputs(source: InputFormat, count: int, rng: np.random.Generator) -> np.ndarray:
    """Inputs [count, ...] over the whole range of the source's type."""
    limits = np.iinfo(source.dtype)
    return rng.integers(limits.min, limits.max, (count, *source.shape), source.dtype, endpoint=True)


def ir_of(method: Method, arch: str, classes: tuple[str, ...] = CLASSES) -> IrNetwork:
    """The network as the generator reads it."""
    return to_ir(method.network, method.integers(), arch=arch, classes=classes, front_end={"kind": "log-mel"})


def thinned(
    arch: str,
    source: InputFormat,
    compression: CompressionConfig,
    rng: np.random.Generator,
    classes: tuple[str, ...] = CLASSES,
) -> tuple[IrNetwork, IrNetwork]:
    """A network whose filters have been pruned, in its full shape, and as it is delivered."""
    torch.manual_seed(int(rng.integers(2**32)))
    training = TrainingConfig(phase1_epochs=1)
    reference = Reference(make(arch, len(classes)), source, compression, training).train()
    for layer in reference.network.convolutions():
        layer.norm.weight.data.normal_(1, 0.5)
        layer.norm.bias.data.normal_()
    train_step(reference, source, rng)
    method = METHODS["prune-quantize-distil"](make(arch, len(classes)), source, compression, training).train()
    method.take_reference(reference.network.state_dict())
    for _ in range(3):
        train_step(method, source, rng)
    whole = ir_of(method.eval(), arch, classes)
    return whole, method.finish(whole)
