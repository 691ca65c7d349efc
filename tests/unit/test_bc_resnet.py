"""BC-ResNet: its normalisation, its blocks, and what is refused because it has no integers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pqk.data.dataset import Clip
from pqk.errors import ProjectError
from pqk.features import Features
from pqk.frontend import FrontEnd
from pqk.project import CompressionConfig, FrontEndConfig, NetworkConfig, Project, TrainingConfig
from pqk.train.arithmetic import FLOAT, RealArithmetic
from pqk.train.integer import InputFormat, Integers, Quantization, fold, logits, to_ir
from pqk.train.networks import make
from pqk.train.networks.bc_resnet import SUB_BANDS, BroadcastBlock, SubSpectralNorm
from pqk.train.networks.layers import Block, Classifier, Convolution, Network
from pqk.train.quantize import quantize_weight, straight_through
from pqk.train.run import check, train_compressed, train_float

SOURCE = InputFormat((1, 101, 40), "uint8", 0.125)


def test_sub_bands_are_normalised_by_themselves() -> None:
    torch.manual_seed(1)
    norm, x = SubSpectralNorm(3), torch.rand(4, 3, 7, 10)
    norm.weight.data.normal_()
    norm.bias.data.normal_()
    y = norm(x)
    gain, shift = norm.weight.view(3, SUB_BANDS), norm.bias.view(3, SUB_BANDS)
    for part in range(SUB_BANDS):
        alone = torch.nn.BatchNorm2d(3)
        alone.weight.data, alone.bias.data = gain[:, part].detach(), shift[:, part].detach()
        bands = slice(2 * part, 2 * part + 2)
        torch.testing.assert_close(y[..., bands], alone(x[..., bands]))


def test_a_block_adds_a_function_of_the_mean_to_all_bands() -> None:
    torch.manual_seed(2)
    block = BroadcastBlock(1, 4, 4, stride=1, dilation=2).eval()
    block.bands.norm.weight.data.fill_(0)
    block.bands.norm.bias.data.fill_(0.5)  # what remains of the bands is their mean, and that is constant
    block.mix.weight.data.abs_()
    block.time.weight.data.abs_()
    x = torch.rand(2, 4, 9, 10)
    added = FLOAT.block(block, x) - x - 0.5
    assert (added > 0.01).all()
    torch.testing.assert_close(added, added[..., :1].expand_as(added))
    assert not torch.allclose(added[:, :, 0], added[:, :, 4])  # zero padding reaches the first frame


def test_time_is_dilated_more_in_each_stage_and_bands_are_halved_twice() -> None:
    blocks = [module for module in make("bc-resnet-1", 3).modules() if isinstance(module, BroadcastBlock)]
    assert [block.time.dilation[0] for block in blocks] == [1] * 2 + [2] * 2 + [4] * 4 + [8] * 4
    assert [block.bands.stride[1] for block in blocks] == [1, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1]
    shortcuts = [block.transition is None for block in blocks]
    assert shortcuts == [False, True, False, True, False, True, True, True, False, True, True, True]


def test_a_compression_method_has_a_say_in_every_weight_and_block_output() -> None:
    torch.manual_seed(3)
    network, seen = make("bc-resnet-1", 3), []

    def grid(stream: str, x: Tensor) -> Tensor:
        seen.append((stream, bool(x.min() >= 0)))
        return x

    def weight(layer: Convolution | Classifier) -> Tensor:
        limit = torch.tensor(7.0)
        return straight_through(quantize_weight(layer.weight, limit).value, layer.weight)

    logits = network.interpret(RealArithmetic(weight, activation=grid), torch.rand(8, 1, 101, 40))
    F.cross_entropy(logits, torch.arange(8) % 3).backward()  # type: ignore[no-untyped-call]
    assert seen == [(name, True) for name in ("conv0", *(f"block{number}" for number in range(1, 13)), "head")]
    for layer in network.layers():
        assert layer.weight.grad is not None
        assert layer.weight.grad.abs().sum() > 0, layer.name


def quantized(network: Network, bits: int) -> Integers:
    """All weights with so many bits, activations with 7."""
    streams = {layer.stream: 0.1 for layer in network.convolutions()}
    limit = torch.tensor(2.0 ** (bits - 1) - 1)
    weights = {layer.name: quantize_weight(layer.weight, limit) for layer in network.layers()}
    return fold(network, Quantization(weight_bits=bits, activation_bits=7, weights=weights, steps=streams), SOURCE)


def test_there_are_no_integers_for_a_device_yet() -> None:
    network = make("bc-resnet-1", 3)
    with pytest.raises(
        ProjectError, match=r"network\.arch: .* cannot run on a device yet, its layer 'block1'"
    ) as error:
        to_ir(network, quantized(network, 4), arch="bc-resnet-1", classes=("a", "b", "c"), front_end={})
    assert "res8-narrow" in error.value.hint


@torch.no_grad()
def test_its_logits_are_of_quantised_weights_and_activations() -> None:
    torch.manual_seed(4)
    network, x = make("bc-resnet-1", 3).eval(), torch.randint(0, 256, (2, 1, 30, 40))
    integers = quantized(network, 4)
    found = logits(network, integers, x)
    steps = integers.quantization.steps
    for layer in network.layers():
        layer.weight.copy_(integers.quantization.weights[layer.name].value)
    on_grid = RealArithmetic(activation=lambda stream, y: (y / steps[stream]).round().clamp(0, 127) * steps[stream])
    torch.testing.assert_close(found, network.interpret(on_grid, x * SOURCE.scale))
    assert not torch.allclose(found, network.interpret(FLOAT, x * SOURCE.scale), rtol=1e-3)


def test_it_is_trained_and_judged_with_its_weights_quantised(tmp_path: Path) -> None:
    front_end = FrontEndConfig(hop_ms=50, bands=40)
    rng, clips = np.random.default_rng(5), 60
    splits = np.array([("training", "training", "validation", "testing")[i % 4] for i in range(clips)])
    labels = rng.integers(2, size=clips)
    features = Features(
        classes=("yes", "no"),
        clips=tuple(Clip(f"{i}.wav", int(labels[i]), str(splits[i])) for i in range(clips)),
        energies=rng.uniform(2**13, 2**20, (clips, FrontEnd(front_end).frames, 40)).astype(np.float32),
        labels=labels,
        splits=splits,
        noise=np.zeros((0, 40), np.float32),
        noise_starts=(0,),
        front_end=front_end,
        fingerprint="made-up",
        skipped=(),
        notes=(),
    )
    project = Project(
        tmp_path,
        "words",
        ("yes", "no"),
        front_end=front_end,
        network=NetworkConfig("bc-resnet-1"),
        compression=CompressionConfig(sparsity=0.5, lane_budget=0),
        training=TrainingConfig(phase1_epochs=1, phase2_epochs=1, batch_size=8),
    )
    check(project, for_device=False)
    train_float(project, features, tmp_path / "float", report=lambda _: None)
    train_compressed(project, features, tmp_path / "float", tmp_path / "trained", report=lambda _: None)
    record = json.loads((tmp_path / "trained" / "training.json").read_text())
    assert set(record["accuracy"]) == {"float", "fake_quant"}
    assert len(record["labels_fake_quant_testing"]) == 15
    with np.load(tmp_path / "trained" / "weights.npz") as weights:
        masks = [weights[name] for name in weights.files if ".mask_" in name]
        assert sum(int((mask == 0).sum()) for mask in masks) >= 0.5 * make("bc-resnet-1", 2).weight_count()
    assert not (tmp_path / "trained" / "network").exists()


def test_a_project_that_is_for_a_device_is_refused_before_anything_is_trained() -> None:
    project = Project(Path(), "words", ("yes", "no"), network=NetworkConfig("bc-resnet", 16))
    with pytest.raises(ProjectError, match=r"network\.arch = 'bc-resnet' cannot run on a device yet") as error:
        check(project)
    assert "res8-narrow" in error.value.hint


def test_a_lane_budget_is_refused_before_anything_is_trained() -> None:
    project = Project(Path(), "words", ("yes", "no"), network=NetworkConfig("bc-resnet"))
    assert project.compression.lane_budget
    with pytest.raises(ProjectError, match="normalisation that does not become integers") as error:
        check(project, for_device=False)
    assert "lane_budget = 0" in error.value.hint


def test_bands_that_cannot_be_divided_are_refused() -> None:
    with pytest.raises(ProjectError, match="5 equal parts of the bands, and has 16") as error:
        make("bc-resnet-1", 3).interpret(FLOAT, torch.rand(2, 1, 101, 32))
    assert "bands = 40" in error.value.hint


def test_a_block_names_its_convolutions_in_order() -> None:
    blocks = [module for module in make("bc-resnet-1", 3).modules() if isinstance(module, Block)]
    assert [layer.name for layer in blocks[0].convolutions()] == ["transition1", "bands1", "time1", "mix1"]
