"""Placement in memory: nothing that lives at the same time overlaps, and the arena is as small as it can be."""

import numpy as np
from pqk_codegen.choice import Objective
from pqk_codegen.layout import Buffer, Planes, arena_size
from pqk_codegen.plan import plan
from support.networks import Builder, random_network, res8
from support.seeds import fresh

SMALL = Objective(goal="size")  # plain C, on bytes


def overlapping(buffers: dict[str, Buffer]) -> list[tuple[str, str]]:
    """Pairs of tensors that share bytes while both are needed."""
    pairs = [(a, b) for a in buffers.values() for b in buffers.values() if a.name < b.name]
    together = [(a, b) for a, b in pairs if a.first <= b.last and b.first <= a.last]
    return [(a.name, b.name) for a, b in together if a.offset < b.end and b.offset < a.end]


def test_no_overlap_in_random_networks() -> None:
    rng = fresh("arena")
    for _ in range(20):
        network = random_network(rng)
        chosen = plan(network, "cortex-m4")
        assert overlapping(chosen.buffers) == []
        assert all(buffer.offset % 4 == 0 for buffer in chosen.buffers.values())
        assert chosen.arena == arena_size(chosen.buffers.values())


def test_res8_needs_three_activations() -> None:
    """A block's second convolution needs its input, its output and the residual at once: no plan is smaller."""
    network = res8(np.random.default_rng(0))
    chosen = plan(network, "cortex-m4")
    peak = max(
        sum(buffer.layout.size for buffer in chosen.buffers.values() if buffer.first <= step <= buffer.last)
        for step in range(len(chosen.layers))
    )
    assert chosen.arena <= peak + 3 * 4  # alignment


def test_planes_share_their_halo() -> None:
    planes = Planes(2, 3, 4, top=1, left=1, bottom=1, right=1)
    assert (planes.row, planes.plane, planes.origin) == (5, 20, 6)
    halo = np.ones(planes.size, bool)
    for c, y, x in np.ndindex(2, 3, 4):
        halo[planes.origin + c * planes.plane + y * planes.row + x] = False
    for c in range(2):
        around = [(y, x) for y in range(-1, 4) for x in range(-1, 5) if not (0 <= y < 3 and 0 <= x < 4)]
        assert all(halo[planes.origin + c * planes.plane + y * planes.row + x] for y, x in around)


def test_the_halo_is_as_wide_as_any_reader_wants() -> None:
    """Both kinds of convolution read the same tensor, and each wants more padding than the other on some side."""
    builder = Builder(np.random.default_rng(2), (3, 8, 8))
    shared = builder.conv(3, sparsity=0.0)
    first = builder.depthwise(padding=(2, 0, 0, 2))
    builder.current = shared
    builder.conv(3, padding=(0, 1, 2, 1))
    builder.add(first)
    halo = plan(builder.finish(("a", "b")), "cortex-m4", SMALL).buffers[shared.name].layout
    assert isinstance(halo, Planes)
    assert (halo.top, halo.left, halo.bottom, halo.right) == (2, 1, 2, 2)


def test_dense_stays_dense_where_that_is_smaller() -> None:
    rng = np.random.default_rng(1)
    kernels = {
        sparsity: {layer.kernel for layer in plan(res8(rng, sparsity=sparsity, bits=8), "cortex-m4", SMALL).layers}
        for sparsity in (0.0, 0.9)
    }
    assert "conv2d_dense" in kernels[0.0]
    assert "conv2d_sparse8" in kernels[0.9]
