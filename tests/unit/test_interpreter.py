"""The reference arithmetic against loops a person can follow."""

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen.errors import IrError
from pqk_codegen.ops import Conv2d, Convolution, DepthwiseConv2d
from support.networks import Builder, random_input, random_network
from support.seeds import fresh


def taps_of(op: Convolution, channel: int) -> list[tuple[int, int, int, int]]:
    """Input channel, kernel row, kernel column, weight of every tap of an output channel."""
    if isinstance(op, DepthwiseConv2d):
        return [(channel, ky, kx, int(weight)) for (ky, kx), weight in np.ndenumerate(op.weights[channel])]
    return [(i, ky, kx, int(weight)) for (i, ky, kx), weight in np.ndenumerate(op.weights[channel])]


def conv_by_loops(op: Convolution, x: np.ndarray, maximum: int) -> np.ndarray:
    """One clip [in, height, width] through a convolution in Python's unbounded integers."""
    out, kernel_height, kernel_width = op.weights.shape[0], op.weights.shape[-2], op.weights.shape[-1]
    top, left, bottom, right = op.padding
    height = (x.shape[1] + top + bottom - op.dilation[0] * (kernel_height - 1) - 1) // op.stride[0] + 1
    width = (x.shape[2] + left + right - op.dilation[1] * (kernel_width - 1) - 1) // op.stride[1] + 1
    result = np.zeros((out, height // op.pool[0], width // op.pool[1]), np.int64)

    def accumulate(channel: int, row: int, column: int) -> int:
        total = int(op.bias[channel])
        for i, ky, kx, weight in taps_of(op, channel):
            y = row * op.stride[0] + ky * op.dilation[0] - top
            z = column * op.stride[1] + kx * op.dilation[1] - left
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                total += weight * int(x[i, y, z])
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
    convolutions = [op for op in network.ops if isinstance(op, Convolution)]
    assert any(isinstance(op, Conv2d) for op in convolutions)
    for op in convolutions:
        source, maximum = values[op.inputs[0]], network.tensors[op.output].maximum
        expected = [conv_by_loops(op, clip, maximum) for clip in source]
        np.testing.assert_array_equal(values[op.output], expected)


@pytest.mark.parametrize("index", range(6))
def test_depthwise_convolution_equals_loops(index: int) -> None:
    rng = fresh(f"depthwise {index}")
    pick = lambda low, high: int(rng.integers(low, high + 1))  # noqa: E731
    builder = Builder(rng, (pick(1, 4), pick(7, 13), pick(7, 13)), dtype=str(rng.choice(["uint8", "int8"])))
    dilation, pads = (pick(1, 2), pick(1, 2)), (pick(0, 3), pick(0, 3), pick(0, 3), pick(0, 3))
    stride, pool = (pick(1, 2), pick(1, 2)), (pick(1, 2), pick(1, 2))
    builder.depthwise((pick(1, 3), pick(1, 3)), stride, dilation, pads, pool)
    network = builder.finish(("a", "b"))
    op = network.ops[0]
    assert isinstance(op, DepthwiseConv2d)
    assert not isinstance(op, Conv2d)
    x = random_input(rng, network, 3)
    expected = [conv_by_loops(op, clip, 127) for clip in x]
    np.testing.assert_array_equal(interpreter.run(network, x)[op.output], expected)


def test_depthwise_convolution_by_hand() -> None:
    builder = Builder(np.random.default_rng(0), (2, 2, 2))
    builder.depthwise((1, 2), padding=(0, 0, 0, 1))
    network = builder.finish(("a", "b"))
    op = network.ops[0]
    op.weights[:] = [[[1, 2]], [[-1, 3]]]  # type: ignore[attr-defined]
    op.bias[:], op.multiplier[:] = [0, 1], 2 ** (op.shift - 1) - 1  # type: ignore[attr-defined]
    x = np.array([[[[1, 2], [3, 100]], [[4, 5], [6, 0]]]])
    # (1 + 4, 2), (3 + 200, 100); (-4 + 15 + 1, -5 + 1), (-6 + 1, 1): ReLU, then halved and rounded
    assert interpreter.run(network, x)[op.output].tolist() == [[[[2, 1], [101, 50]], [[6, 0], [0, 0]]]]


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
