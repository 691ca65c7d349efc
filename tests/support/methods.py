"""Compression methods on a small network with fresh random weights and inputs."""

import secrets
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pqk.project import CompressionConfig, TrainingConfig
from pqk.train.integer import InputFormat
from pqk.train.methods import METHODS, Method
from pqk.train.networks import make

SOURCE = InputFormat((1, 24, 12), "uint8", 0.125)
TRAINING = TrainingConfig(phase1_epochs=2, phase2_epochs=1)
CLASSES = 4

M = TypeVar("M", bound=Method)


def make_method(kind: type[M], **compression: Any) -> M:
    """In training mode, with a fresh seed that is printed. `compression`: settings that are not the default."""
    seed = secrets.randbits(32)
    print("seed", seed)
    torch.manual_seed(seed)
    config = CompressionConfig(method=kind.name, **{"lane_budget": 0, **compression})
    kind.check(config)
    return kind(make("res8-narrow", CLASSES), SOURCE, config, TRAINING).train()


def accepted(name: str) -> dict[str, Any]:
    """Settings that the method accepts. Where it prunes much is 0, so that kernels for that are chosen."""
    return {"sparsity": 0.8, **METHODS[name].unused()}


def batch(size: int = 8) -> tuple[Tensor, Tensor]:
    """Real-valued features and labels."""
    return torch.randint(0, 256, (size, *SOURCE.shape)) * SOURCE.scale, torch.randint(0, CLASSES, (size,))


def gradient(parameter: nn.Parameter) -> Tensor:
    """The gradient of `parameter`, 0 where it has none."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def running(module: nn.Module) -> list[Tensor]:
    """Copies of all buffers: what training changes without a gradient."""
    return [buffer.clone() for buffer in module.buffers()]
