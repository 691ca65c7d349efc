"""The networks: published sizes, registry, and that layers are named and wired as the generator needs."""

from pathlib import Path

import pytest
import torch

from pqk.errors import ProjectError
from pqk.train import networks
from pqk.train.arithmetic import FLOAT
from pqk.train.networks import NETWORKS, make


@pytest.mark.parametrize(
    ("arch", "parameters"), [("res8-narrow", 19_905), ("res8", 110_307), ("res8-tiny", 72 + 6 * 576 + 8 * 12 + 12)]
)
def test_parameter_counts(arch: str, parameters: int) -> None:
    assert make(arch, 12).parameter_count() == parameters


@pytest.mark.parametrize("arch", NETWORKS)
def test_output_is_one_logit_per_class(arch: str) -> None:
    logits = make(arch, 5).eval().interpret(FLOAT, torch.rand(2, 1, 101, 40))
    assert logits.shape == (2, 5)


@pytest.mark.parametrize("arch", NETWORKS)
def test_layers_have_different_names_in_the_order_of_the_network(arch: str) -> None:
    names = [layer.name for layer in make(arch, 3).layers()]
    assert len(set(names)) == len(names)
    assert names == [*(f"conv{i}" for i in range(len(names) - 1)), "fc"]


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
    files = {path.stem for path in Path(networks.__file__).parent.glob("*.py")} - {"__init__", "layers"}
    assert files == {entry.build.__module__.rsplit(".", 1)[1] for entry in NETWORKS.values()}
