"""`pqk-mcu train` under torchrun: processes on one machine train one network, and one of them writes it."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from support import recordings
from support.command import PROGRAM

from pqk.errors import ProjectError
from pqk.train import device, distributed

SETTINGS = """
[project]
words = ["yes", "no"]

[data]
source = "recordings"

[front_end]
hop_ms = 50
bands = 12

[network]
arch = "res8-tiny"

[compression]
method = "pqk"
sparsity = 0.9

[training]
phase1_epochs = 2
phase2_epochs = 1
batch_size = 8
"""


def train(root: Path, *launcher: str) -> Path:
    """The folder of the trained network, in a project of its own."""
    root.mkdir()
    (root / "pqk.toml").write_text(SETTINGS)
    recordings.write(root / "recordings", ["yes", "no", "marvin"], speakers=60)
    command = [*launcher, str(PROGRAM), "train", "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = (root / "build" / "cache").glob("trained-*")
    assert str(found) in done.stdout
    return found


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    torchrun = str(PROGRAM.with_name("torchrun"))
    found = train(tmp_path / "two", torchrun, "--standalone", "--nproc-per-node", "2", "--no-python")
    record = json.loads((found / "training.json").read_text())
    assert [entry["phase"] for entry in record["history"]["pqk"]] == [1, 1, 2]
    assert record["history"]["pqk"][-1]["sparsity"] == pytest.approx(0.9, abs=0.01)
    alone = json.loads((train(tmp_path / "one") / "training.json").read_text())
    # Half as many steps, each of two batches: another training, of the same network.
    assert record["history"]["float"][0]["loss"] != alone["history"]["float"][0]["loss"]
    assert record["parameters"] == alone["parameters"]


def test_a_process_alone_is_the_first_and_does_not_wait() -> None:
    assert distributed.share() == (0, 1)
    assert distributed.is_first()
    distributed.wait()
    with distributed.group():
        assert distributed.share() == (0, 1)


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.choose("auto") == torch.device("cpu")
    with pytest.raises(ProjectError, match="torch finds no GPU"):
        device.choose("cuda")
    with pytest.raises(ProjectError, match="'tpu' is not known"):
        device.choose("tpu")
