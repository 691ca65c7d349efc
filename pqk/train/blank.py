"""A project's network before training, as the generator sees it: what it will cost can be told from its structure."""

import torch
from pqk_codegen.ir import Network as IrNetwork

from pqk.frontend import FrontEnd
from pqk.project import Project, as_plain
from pqk.train import networks
from pqk.train.integer import InputFormat, Quantization, fold, to_ir
from pqk.train.networks.layers import Convolution
from pqk.train.quantize import largest_integer, quantize_weight


def blank_network(project: Project) -> IrNetwork:
    """The project's network with random weights, all nonzero or nearly, and steps of 1. Torch's generator stays as it is.

    Raises ProjectError for an unknown network.
    """
    front_end, compression = FrontEnd(project.front_end), project.compression
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(project.training.seed)
        network = networks.make(project.network.arch, len(project.classes))
    limit = largest_integer(compression.weight_bits)
    weights = {}
    for layer in network.layers():
        shape = [len(layer.weight), 1, 1, 1] if isinstance(layer, Convolution) else []
        weights[layer.name] = quantize_weight(layer.weight, torch.full(shape, float(limit)))
    steps = {layer.stream: 1.0 for layer in network.convolutions()}
    source = InputFormat((1, front_end.frames, front_end.features_per_frame), front_end.dtype, front_end.scale)
    integers = fold(network, Quantization(compression.weight_bits, compression.activation_bits, weights, steps), source)
    return to_ir(
        network, integers, arch=project.network.arch, classes=project.classes, front_end=as_plain(project.front_end)
    )
