"""Networks as the trainer delivers them, with random weights: no training, the same way to integers."""

import numpy as np
import torch
from pqk_codegen.ir import Network as IrNetwork

from pqk.project import CompressionConfig, TrainingConfig
from pqk.train.integer import InputFormat, to_ir
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
    """A network with random weights, masks, statistics and ranges."""
    torch.manual_seed(int(rng.integers(2**32)))
    method = Pqk(make(arch, len(classes), width), source, compression, TrainingConfig(phase1_epochs=1)).train()
    method.pruner.prune(1.0)
    for layer in method.network.convolutions():
        layer.norm.weight.data.normal_(1, 0.5)  # some are negative
        layer.norm.bias.data.normal_()
        layer.norm.weight.data[:2] = torch.tensor([1e-4, 1e-7])  # biases beyond float32's integers, and constants
    for _ in range(3):
        method.loss(torch.from_numpy(random_inputs(source, 8, rng)) * source.scale, torch.zeros(8, dtype=torch.int64))
    method.eval()
    return method


def random_inputs(source: InputFormat, count: int, rng: np.random.Generator) -> np.ndarray:
    """Inputs [count, ...] over the whole range of the source's type."""
    limits = np.iinfo(source.dtype)
    return rng.integers(limits.min, limits.max, (count, *source.shape), source.dtype, endpoint=True)


def ir_of(method: Pqk, arch: str, classes: tuple[str, ...] = CLASSES) -> IrNetwork:
    """The network as the generator reads it."""
    return to_ir(method.network, method.integers(), arch=arch, classes=classes, front_end={"kind": "log-mel"})
