"""Several processes that train one network: what torchrun starts (torch.distributed, DistributedDataParallel).

Every process has batches of its own, from its share of the clips. Gradients are averaged, so that N processes with
batches of B clips take steps of N * B clips. The first process alone writes files.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pqk.train.methods.method import Method

Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@contextmanager
def group() -> Iterator[None]:
    """Join the processes that torchrun started; nothing where it did not."""
    if "RANK" not in os.environ:
        yield
        return
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def share() -> tuple[int, int]:
    """This process's number and how many there are."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def is_first() -> bool:
    """Whether this process writes what all have made."""
    return share()[0] == 0


def wait() -> None:
    """Until all processes are here."""
    if dist.is_initialized():
        dist.barrier()


def local(place: torch.device) -> torch.device:
    """This process's own GPU, where `place` is one."""
    several = dist.is_initialized() and place.type == "cuda"
    return torch.device("cuda", int(os.environ["LOCAL_RANK"])) if several else place


def loss_of(method: Method) -> Loss:
    """The method's loss, whose gradients are the mean over all processes."""
    if not dist.is_initialized():
        return method.loss
    # In some phases some parameters get no gradient: the teacher's before it exists, for one.
    shared: Loss = DistributedDataParallel(_Step(method), find_unused_parameters=True)
    return shared


class _Step(nn.Module):
    """The loss as a module's forward, which is what DistributedDataParallel takes."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return self.method.loss(x, labels)
