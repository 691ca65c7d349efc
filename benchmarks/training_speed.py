"""Seconds of an epoch of training, beside a plain batch loop that computes its features in the loop.

    python benchmarks/training_speed.py PROJECT

Both train res8-narrow's layers on the training clips of the project, in the same process and with as many threads; the
plain loop trains in floats, with torchaudio's log-mel features of every batch and torch's layers as they come.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor, nn

from pqk import pipeline, project
from pqk.console import reporter
from pqk.features import Features, read_clip_pcm
from pqk.frontend import RATE
from pqk.project import CompressionConfig, NetworkConfig, Project
from pqk.train import run

CHANNELS = 19
BATCH = 32
FULL_SCALE = 32768
PQK = CompressionConfig(method="pqk", sparsity=0.9, weight_bits=4, lane_budget=0)


class Plain(nn.Module):
    """res8-narrow as a tutorial would write it."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        sizes = [1, *[CHANNELS] * 7]
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm2d(CHANNELS) for _ in range(7))
        self.classifier = nn.Linear(CHANNELS, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(self._layer(0, x), (4, 3))
        for first in (1, 3, 5):
            x = x + self._layer(first + 1, self._layer(first, x))
        return self.classifier(x.mean((2, 3)))

    def _layer(self, number: int, x: Tensor) -> Tensor:
        return F.relu(self.norms[number](self.convolutions[number](x)))


def plain_epoch(samples: Tensor, labels: Tensor, classes: int) -> float:
    """Seconds. `samples`: float32 [n, 16000]."""
    mel = torchaudio.transforms.MelSpectrogram(RATE, 512, win_length=480, hop_length=160, n_mels=40)
    network = Plain(classes)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.06, momentum=0.9, nesterov=True)
    start = time.monotonic()
    for chosen in torch.randperm(len(labels)).split(BATCH):
        x = torch.log(mel(samples[chosen]) + 1e-6).transpose(1, 2)[:, None]
        loss = F.cross_entropy(network(x), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.monotonic() - start


def our_epochs(opened: Project, features: Features) -> Iterator[tuple[str, float]]:
    """Name and seconds of the second epoch of the float reference, and of both phases of PQK."""
    training = replace(opened.training, phase1_epochs=2, phase2_epochs=2, batch_size=BATCH)
    short = replace(opened, training=training, network=NetworkConfig("res8-narrow"), compression=PQK)
    with tempfile.TemporaryDirectory() as folder, reporter() as report:
        reference = Path(folder) / "float"
        run.train_float(short, features, reference, report=report.training, device_name="cpu")
        small = Path(folder) / "small"
        run.train_compressed(short, features, reference, small, report=report.training, device_name="cpu")
        history = json.loads((small / run.RECORD).read_text())["history"]
    yield "float", history["float"][1]["seconds"]
    yield "PQK, phase 1", history["pqk"][1]["seconds"]
    yield "PQK, phase 2", history["pqk"][3]["seconds"]


def main(root: Path) -> None:
    """Print a line for each."""
    opened = project.load(root)
    dataset = pipeline.scan_data(opened, None)
    with reporter() as report:
        features = pipeline.extracted(opened, dataset, report)
    chosen = features.indices("training")
    samples = np.stack([read_clip_pcm(dataset, features.clips[i]) for i in chosen]) / np.float32(FULL_SCALE)
    plain = plain_epoch(torch.from_numpy(samples), torch.from_numpy(features.labels[chosen]), len(features.classes))
    print(f"{len(chosen)} clips, {torch.get_num_threads()} threads")
    print(f"plain float loop, features in the loop: {plain:.1f} s")
    for name, seconds in our_epochs(opened, features):
        print(f"{name}: {seconds:.1f} s, {plain / seconds:.2f} times as fast as the plain loop")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
