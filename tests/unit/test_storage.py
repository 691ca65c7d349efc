"""Copies of tensors: made where forms differ, shared by readers that agree, kept as long as somebody needs them."""

from dataclasses import replace

import numpy as np
import pytest
from pqk_codegen.choice import candidates
from pqk_codegen.errors import IrError
from pqk_codegen.ir import Network
from pqk_codegen.kernels.base import Kernel
from pqk_codegen.kernels.lanes import WIDE
from pqk_codegen.lane_limits import LANE
from pqk_codegen.layout import Lanes, Planes
from pqk_codegen.plan import plan
from pqk_codegen.storage import Program, Resolver
from support.networks import Builder, random_network
from support.seeds import fresh

CORE = "cortex-m4"


def residual() -> Network:
    """One tensor with three readers: two convolutions and an addition."""
    builder = Builder(np.random.default_rng(3), (1, 12, 11))
    shared = builder.conv(3, sparsity=0.8)
    builder.conv(3, sparsity=0.8)
    builder.conv(3, sparsity=0.8)
    builder.add(shared)
    return builder.finish(("a", "b"))


def program(network: Network, **kernels: str) -> Program:
    """The kernels named for some operations, the smallest plain ones for the others."""
    found = candidates(network, CORE)
    chosen: dict[str, Kernel] = {
        name: next(k for k in options if (k.name == kernels[name] if name in kernels else k.plain))
        for name, options in found.items()
    }
    made = Resolver(network, CORE).program(chosen)
    assert made is not None
    return made


def conversions(made: Program) -> list[tuple[str, tuple[str, ...], str]]:
    """Kernel, source and target of every step that is no operation."""
    return [(step.kernel, step.reads, step.writes) for step in made.steps if step.op is None]


def test_nothing_is_converted_where_forms_agree() -> None:
    assert conversions(program(residual())) == []


def test_a_copy_is_made_just_before_its_first_reader() -> None:
    made = program(residual(), conv1="conv2d_lanes")
    names = [step.name for step in made.steps]
    assert conversions(made) == [
        ("pack_lanes", ("conv0_out",), "conv0_out_lanes16"),
        ("unpack_lanes", ("conv1_out",), "conv1_out_planes"),
    ]
    assert names.index("make_conv0_out_lanes16") == names.index("conv1") - 1
    assert names.index("make_conv1_out_planes") == names.index("conv2") - 1
    readers = {step.name: step.reads for step in made.steps if step.op}
    assert readers["conv1"] == ("conv0_out_lanes16",)
    assert readers["add3"] == ("conv0_out", "conv2_out")  # the tensor itself is still there


def test_readers_of_one_form_share_a_copy() -> None:
    made = program(residual(), conv1="conv2d_lanes", conv2="conv2d_lanes", add3="add_lanes", mean="sum_lanes")
    assert conversions(made) == [("pack_lanes", ("conv0_out",), "conv0_out_lanes16")]
    assert [step.reads for step in made.steps if step.name in ("conv1", "add3")] == [
        ("conv0_out_lanes16",),
        ("conv0_out_lanes16", "conv2_out"),
    ]


def test_other_lanes_are_made_from_bytes() -> None:
    made = program(residual(), conv0="conv2d_lanes", conv1="conv2d_wide_lanes")
    assert [kernel for kernel, _, target in conversions(made) if target.startswith("conv0_out")] == [
        "unpack_lanes",
        "pack_lanes",
    ]
    # conv0 writes lanes for sums of 16 bits; the bytes serve conv1's copy and the addition.
    assert isinstance(made.layouts["conv0_out_planes"], Planes)
    both = (made.layouts["conv0_out"], made.layouts["conv0_out_lanes23"])
    assert [layout.shift for layout in both if isinstance(layout, Lanes)] == [LANE, WIDE]


def test_tensors_that_are_added_lie_alike() -> None:
    made = program(residual(), conv1="conv2d_lanes", conv2="conv2d_lanes", add3="add_lanes")
    first, second, total = (made.layouts[name] for name in ("conv0_out_lanes16", "conv2_out", "add3_out"))
    alike = {replace(layout, surrounded=True) for layout in (first, second, total) if isinstance(layout, Lanes)}
    assert alike == {first}  # which is read outside of the tensor, too


def test_lifetimes_in_random_networks() -> None:
    """A copy lives from the step that writes it to the last one that reads it, and all reads come after the write."""
    rng = fresh("lifetimes")
    for _ in range(20):
        network = random_network(rng)
        found = candidates(network, CORE)
        made = None
        while made is None:
            chosen = {name: options[int(rng.integers(len(options)))] for name, options in found.items()}
            made = Resolver(network, CORE).program(chosen)
        lives = made.lifetimes()
        assert lives.keys() == made.layouts.keys()
        assert lives[made.input][0] == -1
        assert lives[made.output][1] == len(made.steps)
        for name, (first, last) in lives.items():
            reads = [index for index, step in enumerate(made.steps) if name in step.reads]
            assert first == next((i for i, step in enumerate(made.steps) if step.writes == name), -1)
            assert all(index > first for index in reads)
            assert last == (len(made.steps) if name == made.output else max(reads))


def test_forced_kernels_run() -> None:
    network = residual()
    layers = {
        layer.name: layer.kernel
        for layer in plan(network, CORE, forced={"conv1": "conv2d_dense", "add3": "add_lanes"}).layers
    }
    assert (layers["conv1"], layers["add3"]) == ("conv2d_dense", "add_lanes")


def test_a_forced_kernel_that_cannot_run_is_an_error_with_those_that_can() -> None:
    with pytest.raises(IrError, match=r"'mean': kernel 'add_planes' cannot run it .*sum_lanes.*sum_planes"):
        plan(residual(), CORE, forced={"mean": "add_planes"})


def test_a_forced_operation_that_does_not_exist_is_an_error_with_those_that_do() -> None:
    with pytest.raises(IrError, match=r"no operation 'conv9' \(there are: conv0, conv1, conv2, add3, mean, fc\)"):
        plan(residual(), CORE, forced={"conv9": "conv2d_dense"})


def test_kernels_whose_layouts_do_not_fit_are_an_error() -> None:
    """An output of four words is less than a tile."""
    builder = Builder(np.random.default_rng(4), (1, 4, 2))
    builder.conv(2, sparsity=0.5)
    network = builder.finish(("a", "b"))
    assert "conv2d_lanes" in {kernel.name for kernel in candidates(network, CORE)["conv0"]}
    with pytest.raises(IrError, match="these kernels cannot run together: conv0: conv2d_lanes"):
        plan(network, CORE, forced={"conv0": "conv2d_lanes"})
    assert plan(network, CORE).layers[0].kernel != "conv2d_lanes"


def test_a_layer_that_no_fast_kernel_supports_is_plain_c() -> None:
    """100 is no saturating instruction's limit, and a stride and a pool are too much for every other kernel."""
    builder = Builder(np.random.default_rng(5), (2, 20, 20))
    builder.conv(3, sparsity=0.9)
    builder.conv(3, stride=(2, 2), pool=(2, 2), sparsity=0.9, maximum=100)
    network = builder.finish(("a", "b"))
    kernels = candidates(network, CORE)
    assert not all(kernel.plain for kernel in kernels["conv0"])
    assert all(kernel.plain for kernel in kernels["conv1"])
    layer = next(layer for layer in plan(network, CORE).layers if layer.name == "conv1")
    assert layer.plain
