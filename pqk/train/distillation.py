"""Distances from a student's logits to a teacher's. Gradients reach the student alone."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pqk.train.arithmetic import FLOAT
from pqk.train.networks.layers import Network

SOFT_SHARE = 0.7
"""Of the loss of `soft_and_hard`, as in Polino et al. 2018."""


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher || student) of softened outputs, mean over the batch (Hinton et al. 2015). [n, classes] each."""
    p = F.log_softmax(teacher.detach() / temperature, 1)
    q = F.log_softmax(student / temperature, 1)
    return temperature**2 * F.kl_div(q, p, reduction="batchmean", log_target=True)


def cosine_distance(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 (1 - cosine of the angle between softened outputs), mean over the batch (Boo et al. 2021). [n, classes] each.

    It is bounded, as suits a teacher that is noisy.
    """
    p = F.softmax(teacher.detach() / temperature, 1)
    q = F.softmax(student / temperature, 1)
    return temperature**2 * (1 - F.cosine_similarity(p, q)).mean()


def soft_and_hard(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """SOFT_SHARE of the distance to the teacher's logits, the rest cross-entropy. Labels int64 [n]."""
    soft = divergence(student, teacher, temperature)
    return SOFT_SHARE * soft + (1 - SOFT_SHARE) * F.cross_entropy(student, labels)


@contextmanager
def statistics_kept(network: nn.Module) -> Iterator[None]:
    """Batch normalisation in training mode uses the batch's statistics and leaves the running ones as they are."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


class FixedTeacher:
    """A copy of a trained float network as it is now, which only answers. It is no module: no state of who has it."""

    def __init__(self, network: Network) -> None:
        self._network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def logits(self, x: Tensor) -> Tensor:
        """[n, classes] for real-valued features [n, 1, frames, bands]."""
        return self._network.to(x.device).interpret(FLOAT, x)
