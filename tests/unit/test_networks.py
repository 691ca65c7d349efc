"""The networks: published sizes, registry, and that layers are named and wired as the generator needs."""

from pathlib import Path

import pytest
import torch

from pqk.errors import ProjectError
from pqk.frontend import FrontEnd
from pqk.project import FrontEndConfig
from pqk.train import networks
from pqk.train.arithmetic import FLOAT
from pqk.train.lanes import input_streams
from pqk.train.networks import NETWORKS, make
from pqk.train.networks.cost import macs


@pytest.mark.parametrize(
    ("arch", "parameters"),
    [
        ("res8-narrow", 19_905),
        ("res8", 110_307),
        ("res8-coarse", 9 * 24 + 6 * 9 * 24**2 + 24 * 12 + 12),
        ("res8-tiny", 72 + 6 * 576 + 8 * 12 + 12),
        ("res15-narrow", 42_648),
        ("res15", 237_882),
    ],
)
def test_parameter_counts(arch: str, parameters: int) -> None:
    """As published, but for res8-coarse and res8-tiny, which are ours: weights, and the classifier's biases."""
    assert make(arch, 12).parameter_count() == parameters


@pytest.mark.parametrize(("width", "published"), [(8, 9.2e3), (24, 54.2e3), (64, 321e3)])
def test_parameters_of_bc_resnet_1_3_and_8(width: int, published: float) -> None:
    """As published: with those of batch normalisation, which does not fold here."""
    total = sum(parameter.numel() for parameter in make("bc-resnet", 12, width).parameters())
    assert total == pytest.approx(published, rel=0.004)


def test_multiply_accumulates_of_bc_resnet_1() -> None:
    """By hand: weights at positions."""
    stem, neck = 25 * 16 * 101 * 20, 101 * (25 * 20 + 20 * 32) + 32 * 12
    stages = [(2, 16, 8, 20, 20), (2, 8, 12, 20, 10), (4, 12, 16, 10, 5), (4, 16, 20, 5, 5)]
    blocks = sum(
        101 * (inputs * width * before + count * width * (3 * after + 3 + width))
        for count, inputs, width, before, after in stages
    )
    assert macs(make("bc-resnet-1", 12), 101, 40) == stem + blocks + neck == 2_482_156


@pytest.mark.parametrize(("width", "published"), [(8, 3.1e6), (24, 16.2e6), (64, 89.1e6)])
def test_multiply_accumulates_of_bc_resnet_1_3_and_8_are_published_with_normalisation(
    width: int, published: float
) -> None:
    """On a second of 98 frames (none reaches over its ends), a value normalised counts 2 and one behind a ReLU 1."""
    frames = 98
    values = {"norm": (20 * 2 + 4) * width, "relu": (20 * 2 + 4) * width}  # of a frame: stem and head
    for count, channels, before, after in (
        (2, width, 20, 20),
        (2, 3 * width // 2, 20, 10),
        (4, 2 * width, 10, 5),
        (4, 5 * width // 2, 5, 5),
    ):
        values["norm"] += channels * (before + count * (after + 1))  # the transition; each block's bands and line
        values["relu"] += channels * (before + count * after)
    others = frames * (2 * values["norm"] + values["relu"])
    assert macs(make("bc-resnet", 12, width), frames, 40) + others == pytest.approx(published, rel=0.006)


def test_parameters_of_ds_cnn_are_published_with_a_bias_for_each_folded_channel() -> None:
    network = make("ds-cnn", 12)
    folded = sum(len(layer.weight) for layer in network.convolutions())
    assert (network.parameter_count(), folded) == (22_028, 576)
    assert network.parameter_count() + folded == pytest.approx(22.6e3, rel=0.001)


@pytest.mark.parametrize(
    ("arch", "size", "published"),
    [
        ("res8-narrow", (101, 40), 7.03e6),
        ("res8", (101, 40), 37.2e6),
        ("res15-narrow", (101, 40), 171e6),
        ("res15", (101, 40), 959e6),
        ("ds-cnn", (49, 10), 2.66e6),
    ],
)
def test_multiply_accumulates_are_the_published_ones(arch: str, size: tuple[int, int], published: float) -> None:
    """With the whole first convolution, of which the pool of res8 leaves a row and a column unread."""
    assert macs(make(arch, 12), *size) == pytest.approx(published, rel=0.003)


def test_multiply_accumulates_by_hand() -> None:
    stem, body = 101 * 40 * 9 * 7, 25 * 13 * 6 * 9 * 7 * 7
    assert macs(make("res8", 3, 7), 101, 40) == stem + body + 3 * 7


def test_res15_dilates_as_published() -> None:
    layers = make("res15-narrow", 12).convolutions()
    assert [layer.dilation[0] for layer in layers] == [1, 1, 1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8, 16]
    assert all(layer.output_size((101, 40)) == (101, 40) for layer in layers)


def test_ds_cnn_on_mlperf_tiny_s_front_end() -> None:
    config = FrontEndConfig(kind="mfcc", coefficients=10, hop_ms=20, high_hz=4000.0, center=False)
    front_end = FrontEnd(config)
    size = (front_end.frames, front_end.features_per_frame)
    assert size == (49, 10)
    stem, *rest = make("ds-cnn", 12).convolutions()
    assert stem.output_size(size) == (25, 5)
    assert [layer.depthwise for layer in rest] == [True, False] * 4
    assert all(layer.output_size((25, 5)) == (25, 5) for layer in rest)


@pytest.mark.parametrize("arch", NETWORKS)
def test_output_is_one_logit_per_class(arch: str) -> None:
    logits = make(arch, 5).eval().interpret(FLOAT, torch.rand(2, 1, 101, 40))
    assert logits.shape == (2, 5)


@pytest.mark.parametrize("arch", NETWORKS)
def test_layers_have_different_names_in_the_order_of_the_network(arch: str) -> None:
    network = make(arch, 3)
    names = [layer.name for layer in network.layers()]
    assert len(set(names)) == len(names)
    assert names == list(input_streams(network))


def test_batch_normalisation_comes_before_relu_and_the_residual_after_it() -> None:
    network = make("res8-narrow", 3).eval()
    for layer in network.convolutions():
        layer.norm.bias.data.fill_(-1e6)  # behind BN the ReLU lets nothing through
    x = torch.rand(1, 1, 101, 40)
    logits = network.interpret(FLOAT, x)
    assert torch.equal(logits[0], network.classifiers()[0].bias)


def test_a_network_takes_a_width() -> None:
    network = make("res8", 12, 32)
    assert network.parameter_count() == 9 * 32 + 6 * 9 * 32 * 32 + 32 * 12 + 12
    assert make("res8", 12, 19).parameter_count() == make("res8-narrow", 12).parameter_count()
    assert make("res8", 12, 0).parameter_count() == make("res8", 12).parameter_count()


def test_a_network_whose_name_stands_for_a_width_takes_no_other() -> None:
    with pytest.raises(ProjectError, match=r"network\.width = 32: res8-narrow has 19 channels") as error:
        make("res8-narrow", 3, 32)
    assert 'arch = "res8"' in error.value.hint


def test_unknown_network_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ProjectError, match=r"network\.arch = 'res8-narow'") as error:
        make("res8-narow", 3)
    assert "res8-narrow" in error.value.hint


def test_every_file_of_the_folder_is_in_the_registry() -> None:
    files = {path.stem for path in Path(networks.__file__).parent.glob("*.py")} - {
        "__init__",
        "layers",
        "cost",
        "residual",
    }
    assert files == {entry.build.__module__.rsplit(".", 1)[1] for entry in NETWORKS.values()}
