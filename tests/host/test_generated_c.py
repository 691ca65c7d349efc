"""Generated C on the host equals the interpreter, word for word, under sanitizers."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import assets
from pqk_codegen.generate import generate
from pqk_codegen.interpreter import logits, run
from pqk_codegen.plan import plan
from support import host
from support.networks import Builder, random_input, random_network, res8
from support.seeds import fresh
from support.trained import ir_of, random_pqk, thinned

from pqk.project import CompressionConfig
from pqk.train.integer import InputFormat
from pqk.train.networks import NETWORKS


@pytest.mark.parametrize("index", range(16))
def test_random_networks(index: int, tmp_path: Path) -> None:
    rng = fresh(f"random network {index}")
    network = random_network(rng)
    x = random_input(rng, network, 6)
    np.testing.assert_array_equal(host.run(host.build(network, tmp_path), network, x), logits(network, x))


@pytest.mark.parametrize("sparsity", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("bits", [4, 8])
def test_res8_narrow(sparsity: float, bits: int, tmp_path: Path) -> None:
    rng = fresh("res8-narrow")
    network = res8(rng, sparsity=sparsity, bits=bits)
    x = random_input(rng, network, 4)
    np.testing.assert_array_equal(host.run(host.build(network, tmp_path), network, x), logits(network, x))


@pytest.mark.parametrize("arch", [arch for arch, entry in NETWORKS.items() if entry.integral and not entry.wider])
def test_the_trainer_s_networks(arch: str, tmp_path: Path) -> None:
    rng = fresh(arch)
    dtype, scale = [("uint8", 0.125), ("int8", 1.0)][rng.integers(2)]
    source = InputFormat((1, int(rng.integers(12, 40)), int(rng.integers(8, 20))), dtype, scale)
    compression = CompressionConfig(sparsity=float(rng.choice([0.3, 0.7])))
    network = ir_of(random_pqk(arch, source, compression, rng, width=int(rng.integers(16, 24))), arch)
    x = random_input(rng, network, 4)
    expected = logits(network, x)
    assert len(np.unique(expected)) > 4  # the network does compute something
    np.testing.assert_array_equal(host.run(host.build(network, tmp_path), network, x), expected)


@pytest.mark.parametrize("arch", ["res8-narrow", "ds-cnn"])
def test_networks_without_their_pruned_filters(arch: str, tmp_path: Path) -> None:
    """C of the smaller network computes what the trainer's whole one does."""
    rng = fresh(arch)
    source = InputFormat((1, 49, 10), "int8", 0.125)
    whole, network = thinned(arch, source, CompressionConfig(sparsity=0.7), rng)
    assert network.weights <= 0.3 * whole.weights
    x = random_input(rng, network, 4)
    np.testing.assert_array_equal(host.run(host.build(network, tmp_path), network, x), logits(whole, x))


@pytest.mark.parametrize("weight", [-7, 7])
def test_saturation_and_extreme_weights(weight: int, tmp_path: Path) -> None:
    rng = fresh("extreme weights")
    builder = Builder(rng, (2, 7, 5))
    builder.conv(3, sparsity=0.0)
    network = builder.finish(("a", "b"))
    conv = network.ops[0]
    conv.weights[:] = weight  # type: ignore[attr-defined]
    conv.multiplier[:] = 2**31 - 1  # type: ignore[attr-defined]
    x = random_input(rng, network, 4)
    np.testing.assert_array_equal(host.run(host.build(network, tmp_path), network, x), logits(network, x))


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "dilation", "pads"),
    [
        ((1, 7, 5), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),  # one channel, odd sizes
        ((5, 9, 11), (3, 3), (2, 2), (1, 1), (0, 0, 1, 1)),
        ((3, 8, 3), (3, 1), (2, 1), (2, 1), (2, 0, 2, 0)),  # narrower than a tile
        ((2, 6, 17), (2, 5), (1, 2), (1, 3), (1, 2, 0, 3)),
    ],
)
def test_depthwise_shapes(
    shape: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    pads: tuple[int, int, int, int],
    dtype: str,
    tmp_path: Path,
) -> None:
    rng = fresh("depthwise")
    builder = Builder(rng, shape, dtype=dtype, bits=8)
    builder.depthwise(kernel, stride, dilation, pads)
    network = builder.finish(("a", "b"))
    x = random_input(rng, network, 5)
    np.testing.assert_array_equal(host.run(host.build(network, tmp_path), network, x), logits(network, x))


@pytest.mark.parametrize("weight", [-7, 7])
def test_depthwise_saturation(weight: int, tmp_path: Path) -> None:
    rng = fresh("depthwise saturation")
    builder = Builder(rng, (4, 7, 5))
    builder.depthwise(pool=(2, 1))
    network = builder.finish(("a", "b"))
    op = network.ops[0]
    op.weights[:], op.multiplier[:] = weight, 2**31 - 1  # type: ignore[attr-defined]
    x = random_input(rng, network, 4)
    values = run(network, x)
    assert weight < 0 or values[op.output].max() == network.tensors[op.output].maximum
    np.testing.assert_array_equal(host.run(host.build(network, tmp_path), network, x), values[network.output])


def test_output_is_deterministic(tmp_path: Path) -> None:
    network = res8(np.random.default_rng(5))
    ids = [generate(plan(network, "cortex-m4"), tmp_path / name) for name in ("a", "b")]
    assert ids[0] == ids[1]
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_build_id_follows_model_and_salt(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    network, other = res8(rng), res8(rng)
    ids = {
        generate(plan(network, "cortex-m4"), tmp_path / "a"),
        generate(plan(other, "cortex-m4"), tmp_path / "b"),
        generate(plan(network, "cortex-m4"), tmp_path / "c", salt="another board"),
    }
    assert len(ids) == 3


def test_hostile_labels_stay_valid_c(tmp_path: Path) -> None:
    labels = ('say "hi"', "two\nlines", "größe\\", "??/ trigraph", "*/ /* comment", "\u4f60\u597d7")
    builder = Builder(np.random.default_rng(7), (1, 9, 9))
    builder.conv(2)
    generate(plan(builder.finish(labels), "host"), tmp_path)
    printer = '#include <stdio.h>\n#include "network.h"\nint main(void) {'
    printer += (
        "for (unsigned i = 0; i < PQK_OUTPUTS; i++) fputs(pqk_network_labels[i], stdout), putchar(0); return 0; }"
    )
    (tmp_path / "main.c").write_text(printer)
    program = tmp_path / "program"
    subprocess.run(["gcc", *host.STRICT, *map(str, tmp_path.glob("*.c")), "-o", str(program)], check=True)
    printed = subprocess.run([str(program)], capture_output=True, check=True).stdout.decode()
    assert tuple(printed.split("\0")[:-1]) == labels


def test_kernels_are_formatted() -> None:
    sources = sorted(str(path) for path in assets.directory("kernels").glob("*.[ch]"))
    subprocess.run(["clang-format", "--dry-run", "--Werror", *sources], check=True)
