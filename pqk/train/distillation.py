"""Distances from a student's logits to a teacher's. Gradients reach the student alone."""

import torch.nn.functional as F
from torch import Tensor


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher || student) of softened outputs, mean over the batch (Hinton et al. 2015). [n, classes] each."""
    p = F.log_softmax(teacher.detach() / temperature, 1)
    q = F.log_softmax(student / temperature, 1)
    return temperature**2 * F.kl_div(q, p, reduction="batchmean", log_target=True)
