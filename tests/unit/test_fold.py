"""Folding: the integers stand for the real network they were made from."""

import numpy as np
from pqk_codegen.fold import FoldedConv, fold_conv
from support.seeds import fresh


def real_factor(folded: FoldedConv, output_scale: float, window: int) -> np.ndarray:
    """Real output per accumulator unit."""
    return folded.multiplier / 2.0**folded.shift * output_scale * window


def test_a_channel_computes_the_real_function() -> None:
    rng = fresh("fold")
    out = 50
    weights = rng.integers(-7, 8, (out, 3, 3, 3))
    weight_scale, bn_scale = rng.uniform(0.01, 0.1, out), rng.uniform(0.2, 2, out) * rng.choice([-1, 1], out)
    bn_shift = rng.normal(size=out)
    input_scale, output_scale, pool = 0.04, 0.05, (2, 3)
    folded = fold_conv(
        weights, weight_scale, bn_scale, bn_shift, input_scale=input_scale, output_scale=output_scale, pool=pool
    )
    x = rng.integers(0, 128, (3, 3, 3))
    real = bn_scale * ((weights * x).sum(axis=(1, 2, 3)) * weight_scale * input_scale) + bn_shift
    accumulated = (folded.weights.astype(int) * x).sum(axis=(1, 2, 3)) + folded.bias
    integer = accumulated * real_factor(folded, output_scale, 6)
    unit = np.abs(bn_scale) * weight_scale * input_scale
    np.testing.assert_allclose(integer, real, atol=0.51 * unit.max(), rtol=1e-4)


def fold_one(weight_scale: float, bn_scale: float, bn_shift: float) -> FoldedConv:
    ones = np.ones((1, 1, 1, 1), np.int64)
    arrays = (np.array([value]) for value in (weight_scale, bn_scale, bn_shift))
    return fold_conv(ones, *arrays, input_scale=0.1, output_scale=0.01)


def output_of(folded: FoldedConv, product: int) -> int:
    """Output of a channel whose weighted sum is `product`."""
    total = max(int(folded.bias[0]) + product, 0)
    return (total * int(folded.multiplier[0]) + 2 ** (folded.shift - 1)) >> folded.shift


def test_a_channel_without_weights_is_its_shift() -> None:
    for weight_scale, bn_scale in ((0.0, 1.0), (0.1, 0.0)):
        folded = fold_one(weight_scale, bn_scale, 0.37)
        assert folded.weights.item() == 0
        assert output_of(folded, 0) == 37


def test_a_channel_with_negative_shift_only_is_zero() -> None:
    assert output_of(fold_one(0.1, 0.0, -0.4), 0) == 0


def test_all_zero_is_harmless() -> None:
    assert output_of(fold_one(0.0, 0.0, 0.0), 0) == 0


def test_the_shift_makes_room_for_large_factors() -> None:
    """A real factor of 0.1 * weight_scale / 0.01: below a half the shift stays 32."""
    for weight_scale, shift in ((0.0499, 32), (0.05, 31), (0.0999, 31), (0.2, 29), (12.79, 24)):
        folded = fold_one(weight_scale, 1.0, 0.0)
        assert folded.shift == shift
        assert output_of(folded, 100) == round(100 * 10 * weight_scale)


def test_too_large_a_factor_saturates() -> None:
    folded = fold_one(100.0, 100.0, 0.0)
    assert (folded.shift, folded.multiplier[0]) == (24, 2**31 - 2)


def test_multipliers_are_even_and_the_nearest_such() -> None:
    rng = fresh("even")
    for _ in range(100):
        factor = float(np.exp(rng.uniform(-20, 4)))
        folded = fold_one(0.1 * factor, 1.0, 0.0)
        multiplier = int(folded.multiplier[0])
        assert multiplier % 2 == 0
        assert abs(multiplier - factor * 2.0**folded.shift) <= 1.001
    assert fold_one(0.1 * (0.5 - 2.0**-33), 1.0, 0.0).shift == 31  # 2^31 - 0.5 would be rounded beyond 31 bits
