"""Windows that are computed together have the logits that the interpreter gives each of them."""

import numpy as np
import pytest
from pqk_codegen import interpreter, windows
from pqk_codegen.ir import Network
from support import networks, streams
from support.seeds import fresh


def check(network: Network, stride: int, rng: np.random.Generator) -> None:
    frames = streams.frames_of(rng, network, network.tensors[network.input].shape[1] + int(rng.integers(0, 150)))
    expected = interpreter.logits(network, streams.windows(network, stride, frames))
    np.testing.assert_array_equal(windows.logits(network, frames, stride), expected)


@pytest.mark.parametrize("stride", [1, 2, 5, 10, 25])
def test_windows_of_res8(stride: int) -> None:
    rng = fresh("windows")
    check(streams.residual(rng, channels=5), stride, rng)


@pytest.mark.parametrize("index", range(16))
def test_windows_of_random_networks(index: int) -> None:
    rng = fresh(f"windows {index}")
    check(streams.random_network(rng), int(rng.integers(1, 13)), rng)


def test_windows_that_share_no_rows() -> None:
    rng = fresh("all rows")
    check(networks.res8(rng, 3), 7, rng)


def test_too_few_frames() -> None:
    network = streams.residual(fresh("few"), channels=2)
    assert windows.logits(network, np.zeros((100, 40), np.int64), 10).shape == (0, 3)
