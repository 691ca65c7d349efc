"""The reference arithmetic against loops a person can follow."""

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen.errors import IrError
from pqk_codegen.ops import Conv2d
from support.networks import Builder, random_input, random_network
from support.seeds import fresh


def conv_by_loops(op: Conv2d, x: np.ndarray, maximum: int) -> np.ndarray:
    """One clip [in, height, width] through a convolution in Python's unbounded integers."""
    out, _, kernel_height, kernel_width = op.weights.shape
    top, left, bottom, right = op.padding
    height = (x.shape[1] + top + bottom - op.dilation[0] * (kernel_height - 1) - 1) // op.stride[0] + 1
    width = (x.shape[2] + left + right - op.dilation[1] * (kernel_width - 1) - 1) // op.stride[1] + 1
    result = np.zeros((out, height // op.pool[0], width // op.pool[1]), np.int64)

    def accumulate(channel: int, row: int, column: int) -> int:
        total = int(op.bias[channel])
        for (i, ky, kx), weight in np.ndenumerate(op.weights[channel]):
            y = row * op.stride[0] + ky * op.dilation[0] - top
            z = column * op.stride[1] + kx * op.dilation[1] - left
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                total += int(weight) * int(x[i, y, z])
        return total

    for channel, row, column in np.ndindex(*result.shape):
        window = [
            max(accumulate(channel, row * op.pool[0] + dy, column * op.pool[1] + dx), 0)
            for dy in range(op.pool[0])
            for dx in range(op.pool[1])
        ]
        product = sum(window) * int(op.multiplier[channel])
        result[channel, row, column] = min((product + 2 ** (op.shift - 1)) >> op.shift, maximum)
    return result


@pytest.mark.parametrize("index", range(6))
def test_convolution_equals_loops(index: int) -> None:
    rng = fresh(f"convolution {index}")
    network = random_network(rng)
    x = random_input(rng, network, 3)
    values = interpreter.run(network, x)
    op = network.ops[0]
    assert isinstance(op, Conv2d)
    expected = [conv_by_loops(op, clip, network.tensors[op.output].maximum) for clip in x]
    np.testing.assert_array_equal(values[op.output], expected)


def test_tail_by_hand() -> None:
    builder = Builder(np.random.default_rng(0), (1, 2, 2))
    builder.conv(1, kernel=(1, 1), padding=(0, 0, 0, 0), sparsity=0.0)
    network = builder.finish(("a", "b"))
    conv, _, fully = network.ops
    conv.weights[:], conv.bias[:], conv.multiplier[:] = 1, 1, 2 ** (conv.shift - 1) - 1  # type: ignore[attr-defined]
    fully.weights[:], fully.bias[:] = [[2], [-3]], [10, 20]  # type: ignore[attr-defined]
    x = np.array([[[[0, 1], [2, 252]]]])
    # (x + 1) * 0.49999...: 0.5 rounds down (the factor is just below a half), 1, 1.5 down, 126.5 down
    values = interpreter.run(network, x)
    assert values[conv.output].ravel().tolist() == [0, 1, 1, 126]
    assert values["sums"].tolist() == [[128]]
    assert values["logits"].tolist() == [[266, -364]]


def test_batches_change_nothing() -> None:
    rng = fresh("batches")
    network = random_network(rng)
    x = random_input(rng, network, interpreter.BATCH + 3)
    np.testing.assert_array_equal(interpreter.logits(network, x), interpreter.run(network, x)[network.output])
    assert interpreter.logits(network, x[:0]).shape == (0, 3)


@pytest.mark.parametrize("change", ["shape", "range"])
def test_wrong_input_is_refused(change: str) -> None:
    network = random_network(np.random.default_rng(2))
    source = network.tensors[network.input]
    x = np.zeros((1, *source.shape), np.int64) if change == "range" else np.zeros((1, 1, 1, 1), np.int64)
    x.flat[0] = source.maximum + 1
    with pytest.raises(IrError, match="'input' got"):
        interpreter.run(network, x)
