"""Distances from a student's logits to a teacher's. Gradients reach the student alone."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from pqk.train.arithmetic import FLOAT
from pqk.train.networks.layers import Network

SOFT_SHARE = 0.7
"""Of the loss of `soft_and_hard`, as in Polino et al. 2018."""


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher || student) of softened outputs, mean over the batch (Hinton et al. 2015). [n, classes] each."""
    p = F.log_softmax(teacher.detach() / temperature, 1)
    q = F.log_softmax(student / temperature, 1)
    return temperature**2 * F.kl_div(q, p, reduction="batchmean", log_target=True)


def soft_and_hard(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """SOFT_SHARE of the distance to the teacher's logits, the rest cross-entropy. Labels int64 [n]."""
    soft = divergence(student, teacher, temperature)
    return SOFT_SHARE * soft + (1 - SOFT_SHARE) * F.cross_entropy(student, labels)


class FixedTeacher:
    """A copy of a trained float network as it is now, which only answers. It is no module: no state of who has it."""

    def __init__(self, network: Network) -> None:
        self._network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def logits(self, x: Tensor) -> Tensor:
        """[n, classes] for real-valued features [n, 1, frames, bands]."""
        return self._network.to(x.device).interpret(FLOAT, x)
