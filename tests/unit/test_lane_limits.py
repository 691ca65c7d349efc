"""Weight bits as a budget: every channel that is given more bits fits its lane, and no more would have fitted."""

from dataclasses import dataclass

import numpy as np
import pytest
from pqk_codegen.fold import FoldedConv, fold_conv
from pqk_codegen.ir import Array, Tensor
from pqk_codegen.kernels.lanes import Channel, channels
from pqk_codegen.lane_limits import LARGEST_WEIGHT, lane_limits, weight_bits
from pqk_codegen.ops import Conv2d
from support.seeds import fresh

OUT = 40


@dataclass(frozen=True)
class Layer:
    """A convolution in real numbers, random."""

    weights: Array
    bn_scale: Array
    bn_shift: Array
    source: Tensor
    output_scale: float
    pool: tuple[int, int]

    def limits(self, usual: int, bits: int = 16) -> Array:
        return lane_limits(
            self.weights,
            self.bn_scale,
            self.bn_shift,
            input_scale=self.source.scale,
            input_range=(self.source.minimum, self.source.maximum),
            output_scale=self.output_scale,
            pool=self.pool,
            bits=bits,
            usual=usual,
        )

    def fold(self, limits: Array) -> FoldedConv:
        steps = np.maximum(np.abs(self.weights).max(axis=(1, 2, 3)) / limits, 1e-12)
        return fold_conv(
            np.rint(self.weights / steps[:, None, None, None]),
            steps,
            self.bn_scale,
            self.bn_shift,
            input_scale=self.source.scale,
            output_scale=self.output_scale,
            pool=self.pool,
        )

    def channels(self, limits: Array) -> list[Channel]:
        """As the kernels see them."""
        folded = self.fold(limits)
        shift = folded.shift
        op = Conv2d("conv", ("x",), "y", folded.weights, folded.bias, folded.multiplier, pool=self.pool, shift=shift)
        return channels(op, self.source, 127)

    def fit(self, limits: Array, bits: int = 16) -> Array:
        """Whether each channel's sums fit a signed halfword and `bits`, and those of a window an unsigned halfword."""
        window = self.pool[0] * self.pool[1]
        found = self.channels(limits)
        return np.array([c.fits_signed_lane and _span(c) < 2**bits and c.high * window < 2**16 for c in found])


def _span(channel: Channel) -> int:
    """Sums from 0, or the smallest one, to the largest."""
    return max(channel.high, 0) + channel.offset


def random_layer(rng: np.random.Generator, *, gain: float, pool: tuple[int, int] = (1, 1)) -> Layer:
    """Channels of all sparsities, one of them without weights; their real factors grow with `gain`."""
    inputs = int(rng.integers(1, 46))
    shape = (OUT, inputs, 3, 3)
    kept = rng.random(shape) < rng.uniform(0, 0.6, (OUT, 1, 1, 1))
    weights = rng.normal(size=shape) * kept
    weights[0] = 0
    maximum = int(rng.choice([15, 127, 255]))
    source = Tensor("x", (inputs, 8, 8), "uint8", rng.uniform(0.01, 0.2), maximum)
    if rng.random() < 0.3:
        source = Tensor("x", (inputs, 8, 8), "int8", source.scale, 127)
    bn_scale = rng.uniform(0.2, 2, OUT) * rng.choice([-1, 1], OUT)
    return Layer(weights, bn_scale, rng.normal(size=OUT), source, source.scale / gain, pool)


@pytest.mark.parametrize("gain", [0.05, 2.0, 20.0])
@pytest.mark.parametrize("pool", [(1, 1), (4, 3), (2, 2)])
@pytest.mark.parametrize(("usual", "bits"), [(1, 16), (7, 16), (1, 15), (7, 15)])
def test_what_is_given_more_bits_fits(gain: float, pool: tuple[int, int], usual: int, bits: int) -> None:
    rng = fresh("lane limits")
    given = 0
    for _ in range(15):
        layer = random_layer(rng, gain=gain, pool=pool)
        limits = layer.limits(usual, bits)
        more = limits > usual
        given += int(more.sum())
        assert limits.min() >= 1
        assert limits.max() <= LARGEST_WEIGHT
        assert layer.fit(limits, bits)[more].all()
    assert given > 20


@pytest.mark.parametrize("gain", [0.05, 2.0])
@pytest.mark.parametrize("pool", [(1, 1), (4, 3)])
def test_every_channel_keeps_to_its_lane(gain: float, pool: tuple[int, int]) -> None:
    """Where the usual weights do not fit, coarser ones do."""
    rng = fresh("coarser")
    coarser = 0
    for _ in range(40):
        layer = random_layer(rng, gain=gain, pool=pool)
        limits, usual = layer.limits(7), np.full(OUT, 7)
        found, before = layer.channels(limits), layer.channels(usual)
        kept = [channel.fits_lane and channel.fits_signed_lane for channel in found]
        assert all(fits or limit == 1 for fits, limit in zip(kept, limits, strict=True))
        less = (limits < 7) & (limits > 1)
        coarser += int(less.sum())
        assert all(fits for fits, fewer in zip(kept, less, strict=True) if fewer)
        used = np.array([max(c.high / 2**15, -c.low / 2**15, _span(c) / 2**16) for c in before])
        constant = np.array([not channel.weights.any() for channel in before])  # whatever its sums would be
        assert (used[less & ~constant] > 0.98).all()
    assert coarser > 10


@pytest.mark.parametrize("bits", [15, 16])
def test_no_channel_could_have_many_more(bits: int) -> None:
    """A quarter more does not fit: what is left of a lane is the margin for the rounding of a few weights."""
    rng = fresh("tight")
    checked = 0
    for _ in range(30):
        layer = random_layer(rng, gain=0.05)
        limits = layer.limits(3, bits)
        finer = np.ceil(limits * 1.25).astype(int) + 1
        inner = (limits > 3) & (finer <= LARGEST_WEIGHT) & ((layer.weights != 0).sum(axis=(1, 2, 3)) < 20)
        chosen = np.where(inner, finer, 3)
        constant = np.array([not channel.weights.any() for channel in layer.channels(chosen)])
        checked += int((inner & ~constant).sum())
        assert not layer.fit(chosen, bits)[inner & ~constant].any()
    assert checked > 50


def test_fewer_weights_get_more_bits() -> None:
    rng = fresh("sparsity")
    weights = np.zeros((3, 40, 3, 3))
    for row, count in zip(weights.reshape(3, -1), (300, 30, 2), strict=True):
        row[:count] = rng.choice([-1, 1], count) * rng.uniform(0.5, 1, count)
    source = Tensor("x", (40, 8, 8), "uint8", 0.05, 127)
    limits = Layer(weights, np.ones(3), np.zeros(3), source, 1.0, (1, 1)).limits(1)
    assert 1 <= limits[0] < 4 < limits[1] < limits[2] == LARGEST_WEIGHT  # 2 * 127 * 127 < 2**15


def test_the_bits_of_a_layer_are_those_of_its_channels_with_weights() -> None:
    weights = np.zeros((4, 2, 1, 1), np.int8)
    weights[:3, 1, 0, 0] = (-1, 7, 127)
    zeros = np.zeros(4, np.int32)
    bits = weight_bits(Conv2d("conv", ("x",), "y", weights, zeros, zeros))
    assert (bits.least, bits.most) == (np.log2(3), np.log2(255))
    assert bits.mean == pytest.approx(np.log2([3, 15, 255]).mean())
    assert weight_bits(Conv2d("conv", ("x",), "y", 0 * weights, zeros, zeros)).most == 0
