"""Rules of the representation, and the form on disk."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pqk_codegen import store
from pqk_codegen.errors import IrError
from pqk_codegen.interpreter import logits
from pqk_codegen.ir import Network, verify
from pqk_codegen.ops import DepthwiseConv2d
from support.networks import random_input, random_network, res8


def network() -> Network:
    return res8(np.random.default_rng(3))


def with_tensor(key: str, /, **changes: Any) -> Network:
    base = network()
    tensors = {**base.tensors, key: dataclasses.replace(base.tensors[key], **changes)}
    return dataclasses.replace(base, tensors=tensors)


def with_op(index: int, **changes: Any) -> Network:
    base = network()
    ops = list(base.ops)
    ops[index] = dataclasses.replace(ops[index], **changes)
    return dataclasses.replace(base, ops=tuple(ops))


def with_depthwise(*channels: int) -> Network:
    """conv1 as a depthwise convolution with weights [*channels, 3, 3]."""
    base = network()
    old = {field.name: getattr(base.ops[1], field.name) for field in dataclasses.fields(base.ops[1])}
    op = DepthwiseConv2d(**{**old, "weights": np.ones((*channels, 3, 3), np.int8)})
    return dataclasses.replace(base, ops=(base.ops[0], op, *base.ops[2:]))


BROKEN: dict[str, tuple[Callable[[], Network], str]] = {
    "scale": (lambda: with_tensor("conv1_out", scale=0.0), "'conv1_out': scale 0.0"),
    "type": (lambda: with_tensor("conv1_out", dtype="float32"), "unknown type 'float32'"),
    "shape": (lambda: with_tensor("conv1_out", shape=(19, 25)), "neither"),
    "maximum": (lambda: with_tensor("conv1_out", maximum=300), "maximum 300"),
    "filed": (lambda: with_tensor("conv1_out", name="other"), "filed under 'conv1_out'"),
    "name": (lambda: with_op(1, name="Conv 1"), "'Conv 1'"),
    "same name": (lambda: with_op(1, name="conv0"), "used twice"),
    "input": (lambda: with_op(1, inputs=("nothing",)), "names tensor 'nothing'"),
    "order": (lambda: with_op(1, inputs=("logits",)), "before anything has written"),
    "arity": (lambda: with_op(3, inputs=("conv0_out",)), "has 1 inputs, not 2"),
    "written twice": (lambda: with_op(1, output="conv0_out"), "written already"),
    "bias type": (lambda: with_op(1, bias=np.zeros(19, np.int64)), "conv2d 'conv1': bias must be int32"),
    "bias shape": (lambda: with_op(1, bias=np.zeros(18, np.int32)), r"bias must have shape \(19,\)"),
    "multiplier": (lambda: with_op(1, multiplier=np.full(19, -1, np.int32)), "multiplier is negative"),
    "shift": (lambda: with_op(1, shift=33), r"shift 33 is not in 24..32"),
    "accumulator": (lambda: with_op(1, bias=np.full(19, 2**31 - 1, np.int32)), "beyond a 32-bit accumulator"),
    "weight bits": (lambda: with_op(1, weights=np.full((19, 19, 3, 3), 8, np.int8)), "outside -7..7"),
    "padding": (lambda: with_op(1, padding=(0, 0, 0, 0)), "the output has shape"),
    "depthwise channels": (lambda: with_depthwise(18), r"weights must have shape \(19, 3, 3\)"),
    "depthwise weights": (lambda: with_depthwise(19, 1), "weights must have 3 dimensions, not 4"),
    "add scale": (lambda: with_tensor("conv2_out", scale=2.0), "add 'add3': 'conv2_out' has scale 2.0"),
    "sum scale": (lambda: with_tensor("sums", scale=1.0), "divided by 325"),
    "no output": (lambda: dataclasses.replace(network(), output="nothing"), "output 'nothing' does not exist"),
    "classes": (lambda: dataclasses.replace(network(), classes=("a", "b")), "one logit per class"),
    "unwritten": (lambda: dataclasses.replace(network(), ops=network().ops[:-1]), "nothing writes tensor 'logits'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_rule_is_named(case: str) -> None:
    make, message = BROKEN[case]
    with pytest.raises(IrError, match=message):
        verify(make())


def test_a_depthwise_convolution_may_stand_for_a_convolution() -> None:
    """So that the broken ones above are refused for what they name."""
    built = verify(with_depthwise(19))
    assert built.nonzeros == network().nonzeros - np.count_nonzero(network().ops[1].weight_values) + 19 * 9  # type: ignore[arg-type]


def test_counts_are_the_published_ones() -> None:
    """res8-narrow and res8 of Tang & Lin 2018 with 12 classes: 19,905 and 110,307 parameters, 7.03 and 37.2 M MACs."""
    for channels, parameters, macs in ((19, 19_905, 7.03e6), (45, 110_307, 37.2e6)):
        built = res8(np.random.default_rng(0), channels=channels, classes=12)
        total = sum(op.macs(*built.op_tensors(op)) for op in built.ops)
        assert built.parameters == parameters
        assert abs(total - macs) < 0.005 * macs


def test_round_trip(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for index in range(5):
        built = random_network(rng)
        store.save(built, tmp_path / str(index))
        loaded = store.load(tmp_path / str(index))
        x = random_input(rng, built, 2)
        np.testing.assert_array_equal(logits(loaded, x), logits(built, x))
        assert (loaded.tensors, loaded.classes, loaded.front_end) == (built.tensors, built.classes, built.front_end)


def test_saving_is_deterministic(tmp_path: Path) -> None:
    for name in ("a", "b"):
        store.save(network(), tmp_path / name)
    for name in (store.STRUCTURE, store.WEIGHTS):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def edit(directory: Path, change: Callable[[dict[str, Any]], None]) -> None:
    structure = json.loads((directory / store.STRUCTURE).read_text())
    change(structure)
    (directory / store.STRUCTURE).write_text(json.dumps(structure))


def cut(directory: Path) -> None:
    path = directory / store.WEIGHTS
    path.write_bytes(path.read_bytes()[:1000])


def spoil(directory: Path) -> None:
    (directory / store.STRUCTURE).write_text("{")


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no file": (lambda path: (path / store.STRUCTURE).unlink(), "network.json cannot be read"),
    "no weights": (lambda path: (path / store.WEIGHTS).unlink(), "weights.npz cannot be read"),
    "not JSON": (spoil, "is not JSON"),
    "cut": (cut, "weights.npz is damaged"),
    "version": (lambda path: edit(path, lambda s: s.update(version=99)), "has version 99"),
    "format": (lambda path: edit(path, lambda s: s.update(format="onnx")), "is not a pqk-mcu network"),
    "missing key": (lambda path: edit(path, lambda s: s.pop("classes")), "KeyError: 'classes'"),
    "unknown op": (lambda path: edit(path, lambda s: s["ops"][0].update(op="softmax")), "unknown operation 'softmax'"),
    "missing attribute": (lambda path: edit(path, lambda s: s["ops"][0].pop("stride")), "'conv0' has no stride"),
    "wrong type": (lambda path: edit(path, lambda s: s.update(ops=[3])), "TypeError"),
    "broken rule": (lambda path: edit(path, lambda s: s["tensors"][0].update(scale=-1)), "scale -1"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_named(case: str, tmp_path: Path) -> None:
    store.save(network(), tmp_path)
    damage, message = DAMAGE[case]
    damage(tmp_path)
    with pytest.raises(IrError, match=message):
        store.load(tmp_path)
