"""The networks, one file per family. A new one is a file here and its line in NETWORKS."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from pqk.errors import ProjectError
from pqk.train.networks.bc_resnet import bc_resnet
from pqk.train.networks.ds_cnn import ds_cnn
from pqk.train.networks.layers import Network
from pqk.train.networks.res8 import res8
from pqk.train.networks.res8_coarse import res8_coarse
from pqk.train.networks.res15 import res15
from pqk.train.registry import find


@dataclass(frozen=True)
class Architecture:
    """A family of networks, and how wide this one is."""

    build: Callable[[int, int], Network]
    """From the numbers of classes and of channels."""
    width: int
    """Channels, where none are asked for."""
    wider: str = ""
    """Where the name stands for this width: which architecture has the same layers and takes others."""

    @property
    def integral(self) -> bool:
        """Whether there is integer arithmetic for it, and it can run on a device."""
        with torch.device("meta"):  # takes no time and no random numbers
            return self.build(2, self.width).integral


NETWORKS: dict[str, Architecture] = {
    "res8": Architecture(res8, 45),
    "res8-24": Architecture(res8, 24, wider="res8"),
    "res8-narrow": Architecture(res8, 19, wider="res8"),
    "res8-coarse": Architecture(res8_coarse, 24),
    "res8-tiny": Architecture(res8_coarse, 8, wider="res8-coarse"),
    "res15": Architecture(res15, 45),
    "res15-narrow": Architecture(res15, 19, wider="res15"),
    "ds-cnn": Architecture(ds_cnn, 64),
    "bc-resnet": Architecture(bc_resnet, 8),
    "bc-resnet-1": Architecture(bc_resnet, 8, wider="bc-resnet"),
}


def check_device(arch: str) -> None:
    """Raise ProjectError for an unknown `arch`, and for one that no device runs."""
    if not find(NETWORKS, "network.arch", arch).integral:
        known = ", ".join(name for name, architecture in NETWORKS.items() if architecture.integral)
        raise ProjectError(f"network.arch = {arch!r} cannot run on a device yet", f"choose: {known}")


def make(arch: str, classes: int, width: int = 0) -> Network:
    """A network with fresh weights from torch's global generator. `width`: channels; 0 for the architecture's own.

    Raises ProjectError for an unknown `arch`, and for a width where its name stands for one.
    """
    architecture = find(NETWORKS, "network.arch", arch)
    if width and architecture.wider:
        raise ProjectError(
            f"network.width = {width}: {arch} has {architecture.width} channels",
            f'for another width write arch = "{architecture.wider}"',
        )
    return architecture.build(classes, width or architecture.width)
