"""What every compression method must do: be found, refuse what is not for it, and deliver integers bit for bit."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from pqk_codegen import interpreter
from support.methods import SOURCE, accepted, batch, gradient, make_method
from support.seeds import fresh
from support.trained import ir_of, random_inputs, random_method
from torch import Tensor

from pqk.errors import ProjectError
from pqk.project import CompressionConfig
from pqk.train import methods
from pqk.train.arithmetic import RealArithmetic
from pqk.train.methods import METHODS, Reference, find_method
from pqk.train.methods.differentiable_quantization import DifferentiableQuantization
from pqk.train.methods.float_ import Float
from pqk.train.methods.pqk import Pqk
from pqk.train.methods.quantize import Quantize

SHARED = {"quantized", "compressed", "method", "two_phases"}  # what methods share


def test_every_file_of_the_folder_is_in_the_registry() -> None:
    files = {path.stem for path in Path(str(methods.__file__)).parent.glob("*.py")} - {"__init__"} - SHARED
    assert files == {method.__module__.rsplit(".", 1)[1] for method in METHODS.values()}


def test_methods_are_found_by_name() -> None:
    assert find_method(CompressionConfig(method="pqk")) is Pqk
    with pytest.raises(ProjectError, match="'pkq' is not known") as error:
        find_method(CompressionConfig(method="pkq"))
    assert "pqk" in error.value.hint


@pytest.mark.parametrize("name", METHODS)
def test_sparsity_is_refused_where_no_weight_is_pruned(name: str) -> None:
    compression = CompressionConfig(method=name, sparsity=0.5)
    if METHODS[name].prunes:
        assert find_method(compression) is METHODS[name]
    else:
        with pytest.raises(ProjectError, match=r"compression.sparsity = 0.5: method .* prunes no weights") as error:
            find_method(compression)
        assert "sparsity = 0.0" in error.value.hint
        with pytest.raises(ProjectError, match=r"compression.budget_nonzeros: method .* prunes no weights"):
            find_method(CompressionConfig(method=name, sparsity=0.0, budget_nonzeros=1000))


@pytest.mark.parametrize("arch", ["res8-narrow", "ds-cnn"])
@pytest.mark.parametrize("name", METHODS)
def test_what_is_delivered_predicts_as_the_interpreter(name: str, arch: str) -> None:
    rng = fresh(f"{name} {arch}")
    compression = CompressionConfig(method=name, **accepted(name))
    method = random_method(name, arch, SOURCE, compression, rng)
    x = random_inputs(SOURCE, 12, rng)
    network = ir_of(method, arch)
    expected = interpreter.logits(network, x)
    assert len(np.unique(expected)) > 12  # the network does compute something
    np.testing.assert_array_equal(method.predict(torch.from_numpy(x)).numpy(), expected)
    if METHODS[name].prunes:
        assert network.weights - network.nonzeros >= 0.8 * network.weights


@pytest.mark.parametrize("name", [name for name in METHODS if name != "float"])
def test_training_reaches_every_layer_that_is_delivered(name: str) -> None:
    method = make_method(METHODS[name], **accepted(name))
    method.take_reference(reference())
    for epoch in range(method.epochs):
        method.begin_epoch(epoch)
        method.begin_step(epoch * 100, 100)
        method.zero_grad()
        loss, logits = method.loss(*batch())
        loss.backward()  # type: ignore[no-untyped-call]
        assert logits.shape == (8, 4)
        for layer in method.network.layers():
            trained = method.points[layer.name] if isinstance(method, DifferentiableQuantization) else layer.weight
            assert gradient(trained).count_nonzero() > 0, layer.name


@pytest.mark.parametrize("name", METHODS)
def test_state_and_groups_are_complete(name: str) -> None:
    """A checkpoint is the `state_dict` as arrays; the optimiser gets each parameter once."""
    method = make_method(METHODS[name], **accepted(name))
    method.take_reference(reference())
    twin = make_method(METHODS[name], **accepted(name))
    twin.load_state_dict({key: torch.from_numpy(value.numpy().copy()) for key, value in method.state_dict().items()})
    grouped = [parameter for group in method.parameter_groups() for parameter in group["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in method.parameters() if p.requires_grad}
    assert len({id(p) for p in grouped}) == len(grouped)
    decayed = [p for group in method.parameter_groups() if group["weight_decay"] for p in group["params"]]
    trained = {id(layer.weight) for layer in method.network.layers() if layer.weight.requires_grad}
    assert trained <= {id(p) for p in decayed}
    assert not any(id(layer.norm.weight) in {id(p) for p in decayed} for layer in method.network.convolutions())


def reference() -> Mapping[str, Tensor]:
    """The `state_dict` of a float reference's network."""
    method = make_method(Reference, sparsity=0.0)
    for _ in range(50):  # until running statistics are those of a batch
        method.loss(*batch())
    return method.network.state_dict()


def test_float_is_the_reference_rounded() -> None:
    state = reference()
    method = make_method(Float, sparsity=0.0, weight_bits=8)
    assert method.epochs == 0
    method.take_reference(state)
    original = make_method(Reference, sparsity=0.0).eval()
    original.network.load_state_dict(state)
    x = torch.randint(0, 256, (64, *SOURCE.shape), dtype=torch.uint8)
    method.calibrate(x)
    method.eval()
    exact = method.predict(x) * method.integers().classifiers["fc"].scale
    rounded = RealArithmetic(
        lambda layer: method.quantizer.weight(layer, layer.weight).value, activation=method.quantizer.activation
    )
    floats = original.network.interpret(rounded, x * SOURCE.scale)
    assert (floats - exact).abs().max() < 0.1 * floats.std()
    for layer, source in zip(method.network.convolutions(), original.network.convolutions(), strict=True):
        quantized = method.quantizer.weight(layer, layer.weight)
        assert ((quantized.value - source.weight).abs() <= quantized.step / 2 * 1.001).all()


def test_quantize_trains_at_the_quantised_weights_and_prunes_none() -> None:
    method = make_method(Quantize, sparsity=0.0, weight_bits=2)
    method.begin_step(0, 1)
    for layer in method.network.convolutions():
        weight = method.student_weight(layer)
        assert all(len(torch.unique(channel)) <= 3 for channel in weight)
    assert method.facts()["sparsity"] == 0
