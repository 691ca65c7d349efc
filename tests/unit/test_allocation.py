"""Weights by what they cost: global magnitude at equal costs, the most for the budget at others, never beyond it."""

from itertools import product

import numpy as np
import pytest
from support.seeds import fresh

from pqk.budget import Curve, Prices
from pqk.errors import ProjectError
from pqk.train.allocation import allocate

Weights = dict[str, np.ndarray]


def random_weights(rng: np.random.Generator) -> Weights:
    """Layers of random shapes and scales."""
    shapes = [tuple(rng.integers(1, 8, 4)) for _ in range(int(rng.integers(2, 6)))]
    return {
        f"conv{number}": (rng.normal(size=shape) * rng.uniform(0.1, 3)).astype(np.float32)
        for number, shape in enumerate(shapes)
    }


def random_prices(rng: np.random.Generator, weights: Weights) -> Prices:
    """Every layer's costs grow with the number of nonzeros, faster or slower from somewhere on."""
    curves = {}
    for name, values in weights.items():
        kinks = sorted({0, values.size, *rng.integers(0, values.size + 1, 2).tolist()})
        steps = np.diff(kinks) * rng.uniform(0.5, 300, len(kinks) - 1)
        curves[name] = Curve(tuple(kinks), tuple(rng.uniform(0, 1000) + np.append(0, np.cumsum(steps))))
    return Prices("budget_instructions", float(rng.integers(0, 5000)), curves)


def counts(masks: dict[str, np.ndarray]) -> dict[str, int]:
    return {name: int(mask.sum()) for name, mask in masks.items()}


def kept_squares(weights: Weights, masks: dict[str, np.ndarray]) -> list[float]:
    """Of each layer."""
    return [float((weights[name][mask].astype(float) ** 2).sum()) for name, mask in masks.items()]


def worth(squares: list[float]) -> tuple[int, float]:
    """Layers that have anything, and the sum of logarithms, which says something where all of them have."""
    layers = sum(value > 0 for value in squares)
    return layers, float(np.log(squares).sum()) if layers == len(squares) else 0.0


def test_equal_costs_are_global_magnitude_pruning() -> None:
    rng = fresh("equal costs")
    for _ in range(20):
        weights = random_weights(rng)
        prices = Prices.of_nonzeros({name: values.size for name, values in weights.items()}, fixed=17)
        total = sum(values.size for values in weights.values())
        nonzeros = int(rng.integers(0, total + 1))
        masks = allocate(weights, prices, 17 + nonzeros)
        magnitudes = np.concatenate([np.abs(values).ravel() for values in weights.values()])
        expected = np.zeros(total, bool)
        expected[np.argsort(-magnitudes, kind="stable")[:nonzeros]] = True
        assert (np.concatenate([mask.ravel() for mask in masks.values()]) == expected).all()
        assert all(mask.shape == weights[name].shape for name, mask in masks.items())


def test_of_equal_weights_the_first_stay() -> None:
    weights = {"a": np.array([-1, 1, 1, 1], np.float32), "b": np.array([1, -1], np.float32)}
    masks = allocate(weights, Prices.of_nonzeros({"a": 4, "b": 2}, fixed=0), 5)
    assert masks["a"].all()
    assert masks["b"].tolist() == [True, False]


def test_a_budget_is_kept_and_used_up() -> None:
    """Not even the cheapest of the next weights fits any more: the next in the order is among them."""
    rng = fresh("tight")
    for _ in range(50):
        weights = random_weights(rng)
        prices = random_prices(rng, weights)
        budget = float(rng.uniform(prices.least, prices.dense))
        kept = counts(allocate(weights, prices, budget))
        assert prices.total(kept) <= budget
        further = [name for name, count in kept.items() if count < weights[name].size]
        assert max(prices.total({**kept, name: kept[name] + 1}) for name in further) > budget


def test_within_a_layer_larger_weights_stay() -> None:
    rng = fresh("order")
    for _ in range(20):
        weights = random_weights(rng)
        prices = random_prices(rng, weights)
        masks = allocate(weights, prices, float(rng.uniform(prices.least, prices.dense)))
        for name, mask in masks.items():
            magnitude = np.abs(weights[name])
            assert magnitude[mask].min(initial=np.inf) >= magnitude[~mask].max(initial=0)


def test_nothing_else_of_that_cost_keeps_more() -> None:
    """Against all masks of a few weights in layers with a price each."""
    rng = fresh("optimum")
    for _ in range(20):
        weights = {name: rng.normal(size=size).astype(np.float32) for name, size in (("a", 4), ("b", 5), ("c", 2))}
        costs = rng.choice(np.arange(1.0, 20), len(weights), replace=False)  # at equal ones w^2 counts, not shares
        curves = {name: Curve.line(weights[name].size, float(cost)) for name, cost in zip(weights, costs, strict=True)}
        prices = Prices("budget_bytes", 3, curves)
        masks = allocate(weights, prices, float(rng.uniform(prices.least, prices.dense)))
        spent = prices.total(counts(masks))
        layers, logarithms = worth(kept_squares(weights, masks))
        reached = layers, logarithms + 1e-9
        for bits in product([False, True], repeat=11):
            parts = np.split(np.array(bits), (4, 9))
            other = dict(zip(weights, parts, strict=True))
            assert prices.total(counts(other)) > spent or worth(kept_squares(weights, other)) <= reached


def test_a_costlier_layer_is_pruned_more() -> None:
    """At the threshold, what a weight adds to the logarithm of its layer is worth its price."""
    rng = fresh("prices")
    weights = {name: rng.normal(size=3000).astype(np.float32) for name in ("cheap", "dear")}
    price = float(rng.integers(4, 30))
    prices = Prices("budget_instructions", 0, {"cheap": Curve.line(3000, 1), "dear": Curve.line(3000, price)})
    masks = allocate(weights, prices, prices.dense / 20)
    kept = {name: weights[name][mask].astype(float) ** 2 for name, mask in masks.items()}
    cheap, dear = (kept[name].min() / kept[name].sum() for name in ("cheap", "dear"))
    assert masks["dear"].sum() < masks["cheap"].sum()
    assert dear / cheap == pytest.approx(price, rel=0.1)


def test_where_costs_differ_the_scale_of_a_layer_means_nothing() -> None:
    rng = fresh("scales")
    weights = random_weights(rng)
    prices = random_prices(rng, weights)
    budget = float(rng.uniform(prices.least, prices.dense))
    scaled = {name: values * np.float32(2.0 ** rng.integers(-20, 20)) for name, values in weights.items()}
    assert counts(allocate(scaled, prices, budget)) == counts(allocate(weights, prices, budget))


def test_no_layer_is_emptied_while_others_have_much() -> None:
    weights = {"dear": np.full(9, 0.001, np.float32), "cheap": np.ones(1000, np.float32)}
    prices = Prices("budget_instructions", 0, {"dear": Curve.line(9, 20), "cheap": Curve.line(1000, 1)})
    assert counts(allocate(weights, prices, 600)) == {"dear": 9, "cheap": 420}


def test_denser_for_less_is_taken() -> None:
    """Where a kernel for denser layers makes more weights cost less, they are in."""
    weights = {"a": np.arange(10, 0, -1, dtype=np.float32)}
    prices = Prices("budget_bytes", 0, {"a": Curve((0, 4, 5, 10), (0, 40, 20, 45))})
    assert counts(allocate(weights, prices, 35)) == {"a": 8}
    assert counts(allocate(weights, prices, 19)) == {"a": 1}


def test_a_budget_beyond_the_dense_network_keeps_all() -> None:
    rng = fresh("dense")
    weights = random_weights(rng)
    prices = random_prices(rng, weights)
    for budget in (prices.dense, 2 * prices.dense):
        assert all(mask.all() for mask in allocate(weights, prices, budget).values())


def test_a_budget_that_nothing_meets_is_refused() -> None:
    curves = {"conv0": Curve((0, 9), (1234.25, 5000.0))}
    weights = {"conv0": np.ones(9, np.float32)}
    prices = Prices("budget_instructions", 100, curves)
    assert counts(allocate(weights, prices, 1335)) == {"conv0": 0}
    message = r"compression\.budget_instructions = 1,334: what cannot be pruned costs 1,335 already"
    with pytest.raises(ProjectError, match=message) as caught:
        allocate(weights, prices, 1334)
    assert "more than 1,335" in caught.value.hint


def test_a_curve_is_linear_between_its_counts() -> None:
    curve = Curve((0, 2, 6), (1.0, 2.0, 10.0))
    assert curve.table.tolist() == [1, 1.5, 2, 4, 6, 8, 10]
    assert curve.slopes.tolist() == [0.5, 0.5, 2, 2, 2, 2]
