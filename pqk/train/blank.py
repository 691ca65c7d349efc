"""A project's network before training, as the generator sees it: from its structure can be told what it will cost."""

import dataclasses

import torch
from pqk_codegen.ir import Network as IrNetwork

from pqk.frontend import FrontEnd
from pqk.project import Project, as_plain
from pqk.train import networks
from pqk.train.integer import InputFormat, to_ir
from pqk.train.quantization import NetworkQuantizer


def blank_network(project: Project) -> IrNetwork:
    """The project's network with random weights of `weight_bits` bits, none pruned. Torch's generator stays as it is.

    Raises ProjectError for an unknown network, or a width that it does not take.
    """
    front_end, compression = FrontEnd(project.front_end), dataclasses.replace(project.compression, lane_budget=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(project.training.seed)
        network = networks.make(project.network.arch, len(project.classes), project.network.width)
    quantizer = NetworkQuantizer(network, InputFormat.of(front_end), compression)
    return to_ir(
        network,
        quantizer.integers(network, lambda layer: quantizer.weight(layer, layer.weight)),
        arch=project.network.arch,
        classes=project.classes,
        front_end=as_plain(project.front_end),
    )
