"""The networks, one file per family. A new one is a file here and its line in NETWORKS."""

from collections.abc import Callable

from pqk.train.networks.layers import Network
from pqk.train.networks.res8 import res8, res8_narrow
from pqk.train.networks.res8_tiny import res8_tiny
from pqk.train.registry import find

NETWORKS: dict[str, Callable[[int], Network]] = {
    "res8": res8,
    "res8-narrow": res8_narrow,
    "res8-tiny": res8_tiny,
}


def make(arch: str, classes: int) -> Network:
    """A network with fresh weights from torch's global generator. Raises ProjectError for an unknown `arch`.

    Its mean is over all rows; see `pqk.train.interior`.
    """
    return find(NETWORKS, "network.arch", arch)(classes)
