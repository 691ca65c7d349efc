"""The residual pairs that res8 and res15 are made of."""

from collections.abc import Sequence

from pqk.train.networks.layers import Arithmetic, Convolution, T

RESIDUAL = "residual"
"""The stream that all pairs add to."""


def add_pairs(arithmetic: Arithmetic[T], pairs: Sequence[tuple[Convolution, Convolution]], x: T) -> T:
    """To `x` is added what two convolutions, one after the other, make of it; pair after pair."""
    for first, second in pairs:
        y = arithmetic.convolution(second, arithmetic.convolution(first, x))
        x = arithmetic.add(RESIDUAL, y, x)
    return x
