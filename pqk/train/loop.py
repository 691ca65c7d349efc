"""The training loop: the same for every method."""

import math
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pqk.project import TrainingConfig
from pqk.train import checkpoint, device, distributed
from pqk.train.augment import Augmenter, TrainingData
from pqk.train.methods.method import Method

Array = npt.NDArray[Any]
T = TypeVar("T")

CPU = torch.device("cpu")
WARM_UP = 1.0  # epochs
MOMENTUM = 0.9
MEASURES = ("epoch", "loss", "train_accuracy", "validation_accuracy", "seconds")
"""What the history's entries have, whatever the method."""
EVALUATION_BATCH = 32  # more at once leave the processor's cache


@dataclass(frozen=True)
class Progress:
    """Where a training stands: `step` steps of `steps` are done in `epoch` (from 0) of `epochs`.

    `metrics` is the history's entry of the epoch before, empty in the first one.
    """

    stage: str
    epoch: int
    epochs: int
    step: int
    steps: int
    metrics: dict[str, float]


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Held:
    """Clips that are only looked at: inputs [n, 1, frames, bands] of the front end's type, labels int64 [n]."""

    inputs: Array
    labels: Array


@dataclass(frozen=True)
class Beginning:
    """First epochs that several trainings have in common, kept in a checkpoint."""

    path: Path
    epochs: int


def fit(
    method: Method,
    data: TrainingData,
    validation: Held,
    augmenter: Augmenter,
    *,
    stage: str,
    key: str,
    checkpoint_path: Path,
    report: Report,
    place: torch.device = CPU,
    beginning: Beginning | None = None,
) -> list[dict[str, float]]:
    """Train `method` in place, on `place`, and return its history, one entry an epoch.

    Continues from `checkpoint_path` when that was written with the same `key`, else from `beginning` if another
    training has been so far; the result is then bit for bit that of a run without interruption, for every epoch has its
    own generator, seeded with (seed, epoch).
    """
    config = augmenter.config
    method.to(place)
    optimizer = make_optimizer(method, config)
    judge, share = distributed.loss_of(method), distributed.share()
    facts = checkpoint.restore(checkpoint_path, method, optimizer, key)
    history: list[dict[str, float]] = facts["history"] if facts else _begun(beginning, method, optimizer, place)
    steps = augmenter.steps(data, share[1])
    for epoch in range(len(history), method.epochs):
        start = time.monotonic()
        method.train()
        method.begin_epoch(epoch)
        rng = np.random.default_rng((config.seed, epoch))
        loss_sum, correct, seen = 0.0, 0, 0
        for step, (inputs, labels) in enumerate(ahead(augmenter.batches(data, rng, share))):
            iteration = epoch * steps + step
            set_learning_rate(optimizer, method.rate * learning_rate(config, iteration / steps))
            method.begin_step(iteration, steps)
            x, y = torch.from_numpy(inputs).to(place).float() * method.source.scale, torch.from_numpy(labels).to(place)
            with device.mixed_precision(place):
                loss, logits = judge(x, y)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's stub has no types for it
            optimizer.step()
            loss_sum += loss.item() * len(labels)
            seen += len(labels)
            correct += int((logits.argmax(1) == y).sum())
            report(Progress(stage, epoch, method.epochs, step + 1, steps, history[-1] if history else {}))
        history.append(
            {
                "epoch": epoch,
                **method.facts(),
                "loss": loss_sum / seen,
                "train_accuracy": correct / seen,
                "validation_accuracy": accuracy(predict(method, validation.inputs), validation.labels),
                "seconds": time.monotonic() - start,
            }
        )
        if distributed.is_first():
            checkpoint.save(checkpoint_path, method, optimizer, {"key": key, "history": history})
            if beginning and len(history) == beginning.epochs:
                checkpoint.save(beginning.path, method, optimizer, {"key": place.type, "history": history})
    method.to(CPU)
    return history


def ahead(items: Iterator[T]) -> Generator[T]:
    """`items`, none of them None, each made by a thread while the one before is used."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def _begun(
    beginning: Beginning | None, method: Method, optimizer: torch.optim.Optimizer, place: torch.device
) -> list[dict[str, float]]:
    """The history of the beginning, if there is one, with what this method says about an epoch and no other does."""
    facts = checkpoint.restore(beginning.path, method, optimizer, place.type, common=True) if beginning else None
    own = method.facts()
    known = {*MEASURES, *own}
    return [{k: v for k, v in {**own, **entry}.items() if k in known} for entry in facts["history"]] if facts else []


def make_optimizer(method: Method, config: TrainingConfig) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum on the method's groups of parameters."""
    return torch.optim.SGD(method.parameter_groups(), lr=config.learning_rate, momentum=MOMENTUM, nesterov=True)


def learning_rate(config: TrainingConfig, epoch: float) -> float:
    """The rate at a fractional `epoch`: a linear warm-up, then half a cosine down to 0 at the end of the last epoch."""
    if epoch < WARM_UP:
        return config.learning_rate * max(epoch / WARM_UP, 0.01)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (epoch - WARM_UP) / (config.epochs - WARM_UP)))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)


def predict(method: Method, inputs: Array) -> Array:
    """int64 [n]: the predicted class of each clip."""
    method.eval()
    parts: list[Tensor] = [
        method.predict(torch.from_numpy(inputs[start : start + EVALUATION_BATCH])).argmax(1)
        for start in range(0, len(inputs), EVALUATION_BATCH)
    ]
    return torch.cat(parts).numpy()


def accuracy(predictions: Array, labels: Array) -> float:
    """Share of right predictions."""
    return float((predictions == labels).mean())
