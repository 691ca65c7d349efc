"""Which weights stay, so that the network keeps to a budget: magnitude pruning by what a weight costs in its layer.

A weight stays where what it is worth exceeds one threshold (the multiplier of Lagrange) times its cost. Where all
weights cost the same it is worth w^2, and that is global magnitude pruning. Where costs differ by layers it is worth
what it adds to the logarithm of the layer's sum of squares: kept is what maximises the sum of these logarithms under
the budget. Normalisation behind a layer makes its scale mean nothing, so only shares of a layer count, as in LAMP (Lee
et al., "Layer-adaptive sparsity for the magnitude-based pruning", ICLR 2021), and no layer is emptied because its
weights are dear: with w^2 the first convolution, whose weights cost twelve others, was left with two of them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pqk.budget import Curve, Prices
from pqk.errors import ProjectError

Array = npt.NDArray[Any]

HUGE = 1e300  # worth of a layer's first weight: finite, so that where not all layers can have one, the cheapest do


def check_budget(prices: Prices, budget: float) -> None:
    """Raise ProjectError where a network without any prunable weight costs more than `budget`."""
    if prices.least > budget:
        least = int(-(-prices.least // 1))
        raise ProjectError(
            f"compression.{prices.budget} = {budget:,.0f}: what cannot be pruned costs {least:,} already",
            f"ask for clearly more than {least:,}, or for a smaller network",
        )


def allocate(weights: Mapping[str, Array], prices: Prices, budget: float) -> dict[str, npt.NDArray[np.bool_]]:
    """True for every weight that stays, by layer and in the layer's shape.

    Their cost is `budget` at most, and with the next weight in the order of worth / cost it is more; a budget beyond
    the dense network's cost keeps all. Of equal weights the first stay.

    Args:
        weights: real weights, or their magnitudes, float32 by layer: those of `prices.layers`.
        prices: what they cost. Within a layer larger weights always go before smaller ones, also where the next one
            costs less (a kernel that suits denser layers).
        budget: in the units of `prices`.

    Raises ProjectError as `check_budget`.
    """
    check_budget(prices, budget)
    orders = {name: _by_magnitude(weights[name]) for name in prices.layers}
    worth = _squares if prices.uniform else _shares
    scores = [_scores(worth(weights[name].ravel()[orders[name]]), curve) for name, curve in prices.layers.items()]
    ranked = np.argsort(-np.concatenate(scores), kind="stable")
    steps = np.concatenate([np.diff(curve.table) for curve in prices.layers.values()])
    affordable = np.flatnonzero(prices.least + np.cumsum(steps[ranked]) <= budget)
    kept = ranked[: affordable[-1] + 1] if affordable.size else ranked[:0]
    edges = np.cumsum([len(score) for score in scores])
    counts = np.bincount(np.searchsorted(edges, kept, side="right"), minlength=len(edges))
    return {
        name: _mask(weights[name].shape, order[:count])
        for (name, order), count in zip(orders.items(), counts, strict=True)
    }


def _by_magnitude(weights: Array) -> Array:
    """Indices, largest weight first. The bits of floats that are not negative are in the order of the floats; with the
    index behind them a plain sort is stable, and ten times as fast as a stable one."""
    bits = np.abs(weights.ravel().astype(np.float32)).view(np.uint32)
    keys = (~bits).astype(np.uint64) << np.uint64(32) | np.arange(bits.size, dtype=np.uint64)
    return (np.sort(keys) & np.uint64(2**32 - 1)).astype(np.int64)


def _squares(ordered: Array) -> Array:
    """w^2."""
    return np.asarray(ordered.astype(np.float64) ** 2)


def _shares(ordered: Array) -> Array:
    """What each weight adds to the logarithm of the sum of squares of those before it; the first a huge number."""
    squares = _squares(ordered)
    share = squares / np.maximum(np.cumsum(squares), np.finfo(np.float64).tiny)
    with np.errstate(divide="ignore"):
        return np.asarray(np.minimum(-np.log1p(-share), HUGE))


def _scores(worth: Array, curve: Curve) -> Array:
    """Worth / cost of a layer's weights, largest weight first; none may exceed that of a larger weight."""
    free = curve.slopes <= 0
    scores = np.where(free, np.inf, worth / np.where(free, 1, curve.slopes))
    return np.asarray(np.minimum.accumulate(scores))


def _mask(shape: tuple[int, ...], kept: Array) -> npt.NDArray[np.bool_]:
    mask = np.zeros(shape, np.bool_)
    mask.ravel()[kept] = True
    return mask
