"""What is computed of the rows that are new in a window equals what is computed of the whole window."""

from dataclasses import replace

import numpy as np
import pytest
from pqk_codegen import interpreter, store
from pqk_codegen.errors import IrError
from pqk_codegen.ir import Network, verify
from pqk_codegen.ops import Append, SumPool
from pqk_codegen.plan import plan
from pqk_codegen.reuse import reuse
from pqk_codegen.streaming import Chunked, chunked, interior_rows, with_interior_mean
from support import networks, streams
from support.seeds import fresh


@pytest.mark.parametrize("hop", [1, 2, 5, 10, 25])
@pytest.mark.parametrize(("frames", "pool"), [(101, 4), (101, 5), (51, 2)])
def test_every_window_of_a_stream(hop: int, frames: int, pool: int) -> None:
    rng = fresh("stream")
    network = streams.residual(rng, frames, channels=5, pool=pool)
    made = chunked(network, hop)
    stream = streams.frames_of(rng, network, 2 * frames)
    expected = interpreter.logits(network, streams.windows(network, hop, stream))
    assert len(np.unique(expected)) > len(expected)
    np.testing.assert_array_equal(streams.logits(network, made, stream), expected)


@pytest.mark.parametrize("index", range(24))
def test_random_networks(index: int) -> None:
    rng = fresh(f"random stream {index}")
    network = streams.random_network(rng)
    made = chunked(network, int(rng.integers(1, 13)))
    stream = streams.frames_of(rng, network, 150)
    expected = interpreter.logits(network, streams.windows(network, made.hop, stream))
    np.testing.assert_array_equal(streams.logits(network, made, stream), expected)


def test_no_row_is_computed_twice() -> None:
    network = streams.residual(fresh("rows"))
    made = chunked(network, 10)
    assert (made.phases, made.frames, made.first_frame) == (
        2,
        22,
        79,
    )  # 5 pooled rows, and what a convolution reads more
    assert {made.network.tensors[f"conv{i}_out"].shape[1] for i in (1, 2, 4, 5, 7, 8)} == {5}
    appended = [op for op in made.network.ops if isinstance(op, Append) and op.history]
    assert sorted(op.history for op in appended) == [2] * 6 + [7]


def test_windows_share_all_rows_where_the_pool_divides_the_hop() -> None:
    made = chunked(streams.residual(fresh("rows"), pool=5), 10)
    assert (made.phases, made.frames) == (1, 12)
    assert {made.network.tensors[f"conv{i}_out"].shape[1] for i in (1, 2, 4, 5, 7, 8)} == {2}


def warm(network: Network, made: Chunked, stream: np.ndarray, last: int, count: int) -> np.ndarray:
    """Logits int64 [classes] of the window that ends with frame `last`, after `count` runs with the frames before."""
    state, period = interpreter.fresh_state(made.network, 1), made.phases * made.hop
    values: dict[str, np.ndarray] = {}
    for back in range(count, -1, -1):
        start = last + 1 - network.tensors[network.input].shape[1] + made.first_frame - back * period
        values, state = interpreter.advance(made.network, stream[None, None, start : start + made.frames], state)
    return values[made.network.output][0]


@pytest.mark.parametrize("hop", [1, 10, 25])
def test_the_warm_up_is_long_enough(hop: int) -> None:
    rng = fresh("warm up")
    network = streams.residual(rng, channels=5)
    made = chunked(network, hop)
    stream = streams.frames_of(rng, network, 240)
    expected = interpreter.logits(network, streams.windows(network, 1, stream)[-1:])[0]
    np.testing.assert_array_equal(warm(network, made, stream, 239, made.warm_up), expected)
    if made.warm_up:
        assert (warm(network, made, stream, 239, 0) != expected).any()
    else:
        assert hop == 25


def test_sequences_have_states_of_their_own() -> None:
    rng = fresh("sequences")
    made = chunked(streams.residual(rng, channels=3), 10).network
    x = rng.integers(0, 256, (3, 4, *made.tensors[made.input].shape))
    together, state = [], interpreter.fresh_state(made, 4)
    for run in x:
        values, state = interpreter.advance(made, run, state)
        together.append(values[made.output])
    for index in range(4):
        state = interpreter.fresh_state(made, 1)
        for run, expected in zip(x, together, strict=True):
            values, state = interpreter.advance(made, run[index : index + 1], state)
            np.testing.assert_array_equal(values[made.output][0], expected[index])


def test_a_state_is_not_forgotten_by_mistake() -> None:
    made = chunked(streams.residual(fresh("state"), channels=3), 10).network
    with pytest.raises(IrError, match="has a state"):
        interpreter.run(made, np.zeros((1, *made.tensors[made.input].shape), np.int64))


def test_a_mean_over_all_rows_is_refused() -> None:
    network = networks.res8(fresh("all rows"))
    assert interior_rows(network) == (7, 18)
    with pytest.raises(IrError, match=r"averages rows 0..24, and zero padding leaves 7..18"):
        chunked(network, 10)


def test_a_mean_over_fewer_rows_keeps_what_logits_stand_for() -> None:
    """A map of equal rows has the same mean over some of them, so what a logit stands for must be the same."""
    builder = networks.Builder(fresh("scale"), (1, 30, 5))
    builder.conv(3, (3, 1), padding=(1, 0, 1, 0))
    network = builder.finish(("a", "b", "c"))
    found = with_interior_mean(network)
    rows = 30 * [network.tensors["conv0_out"].maximum]
    outcomes = []
    for made in (network, found):
        mean, classifier = made.ops[-2:]
        averaged = mean.reference([np.array(rows)[None, None, :, None].repeat(3, 1)], made.tensors[mean.output])
        logits = classifier.reference([averaged], made.tensors[classifier.output])
        outcomes.append(logits[0] * made.tensors[made.output].scale)
    step = found.tensors[found.output].scale
    assert step > network.tensors[network.output].scale
    assert np.abs(outcomes[0]).max() > 10 * step
    np.testing.assert_allclose(*outcomes, atol=0.51 * step)  # of rounding the bias


def test_a_window_without_interior_rows_is_refused() -> None:
    builder = networks.Builder(fresh("short"), (1, 5, 8))
    for _ in range(3):
        builder.conv(2)
    with pytest.raises(IrError, match="zero padding reaches every row"):
        with_interior_mean(builder.finish(("a", "b")))


def test_reuse_is_for_hops_at_which_it_saves_something() -> None:
    whole = plan(streams.residual(fresh("savings")), "cortex-m4")
    found = reuse(whole, 10)
    assert found.plan.cost.instructions < 0.4 * whole.cost.instructions
    assert found.state == found.chunked.phases * sum(layer.state for layer in found.plan.layers) > 0
    with pytest.raises(IrError, match="windows 50 frames apart share too little"):
        reuse(whole, 50)


@pytest.mark.parametrize("hop", [0, -1])
def test_a_hop_is_positive(hop: int) -> None:
    with pytest.raises(IrError, match="frames apart"):
        chunked(streams.residual(fresh("hop"), channels=2), hop)


def test_a_chunk_network_cannot_be_cut_again() -> None:
    made = chunked(streams.residual(fresh("again"), channels=2), 10).network
    with pytest.raises(IrError, match=r"append '\w+' cannot be computed in chunks"):
        chunked(made, 1)


def with_append(**changes: int) -> Network:
    made = chunked(streams.residual(fresh("append"), channels=2), 10).network
    ops = tuple(replace(op, **changes) if isinstance(op, Append) else op for op in made.ops)
    return replace(made, ops=ops)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"history": 1}, "only 6 are there"), ({"history": -1}, "not be negative"), ({"first": 2}, "only 5 are there")],
)
def test_a_broken_append_is_named(changes: dict[str, int], message: str) -> None:
    with pytest.raises(IrError, match=message):
        verify(with_append(**changes))


def test_rows_of_a_mean_are_stored_and_old_files_have_them_all(tmp_path) -> None:  # type: ignore[no-untyped-def]
    network = streams.residual(fresh("stored"), channels=2)
    store.save(network, tmp_path)
    pool = next(op for op in store.load(tmp_path).ops if isinstance(op, SumPool))
    assert (pool.first_row, pool.last_row) == (7, 18)
    old = networks.res8(fresh("old"), channels=2)
    store.save(old, tmp_path)
    text = (tmp_path / "network.json").read_text()
    for line in ('   "first_row": 0,\n', ',\n   "last_row": null'):
        assert line in text
        text = text.replace(line, "")
    (tmp_path / "network.json").write_text(text)
    assert next(op for op in store.load(tmp_path).ops if isinstance(op, SumPool)).last_row is None
