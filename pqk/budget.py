"""What nonzero weights cost on a device, as plain data: the generator's side measures it, the trainer spends by it.

`pqk.costs` measures, `pqk.train.allocation` spends; neither needs the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FRACTION = 1024.0  # costs are multiples of 1 / 1024, so that sums of them are exact in whatever order


@dataclass(frozen=True)
class Curve:
    """The cost of a layer's nonzero weights: linear between a few counts of them."""

    nonzeros: tuple[int, ...]
    """Ascending, from 0 to the number of the layer's weights."""
    costs: tuple[float, ...]

    @classmethod
    def line(cls, weights: int, per_nonzero: float) -> "Curve":
        """Every one of a layer's weights costs the same."""
        return cls((0, weights), (0.0, per_nonzero * weights))

    @property
    def weights(self) -> int:
        """Number of the layer's weights, zero or not."""
        return self.nonzeros[-1]

    @cached_property
    def table(self) -> Array:
        """float64 [weights + 1]: cost of 0, 1, ... nonzeros."""
        exact = np.interp(np.arange(self.weights + 1), self.nonzeros, self.costs)
        return np.asarray(np.rint(exact * FRACTION) / FRACTION)

    @cached_property
    def slopes(self) -> Array:
        """float64 [weights]: what the first, second, ... nonzero costs, equal between two of the counts."""
        widths = np.diff(self.nonzeros)
        return np.asarray(np.repeat(np.diff(self.costs) / widths, widths))


@dataclass(frozen=True)
class Prices:
    """What a budget is of, and what it buys."""

    budget: str
    """Its key in `[compression]`."""
    fixed: float
    """What all but the prunable layers cost; a classifier is dense."""
    layers: Mapping[str, Curve]
    """The prunable layers by name, in the network's order."""

    @classmethod
    def of_nonzeros(cls, weights: Mapping[str, int], fixed: int) -> "Prices":
        """Every weight costs 1. `weights`: of the prunable layers by name; `fixed`: weights of all others."""
        return cls("budget_nonzeros", fixed, {name: Curve.line(count, 1) for name, count in weights.items()})

    @cached_property
    def uniform(self) -> bool:
        """Whether every weight costs the same, in whatever layer."""
        return len({slope for curve in self.layers.values() for slope in curve.slopes}) == 1

    def total(self, nonzeros: Mapping[str, int]) -> float:
        """Cost of a network whose prunable layers have so many nonzeros."""
        return self.fixed + sum(float(curve.table[nonzeros[name]]) for name, curve in self.layers.items())

    @property
    def least(self) -> float:
        """Cost of a network whose prunable layers are empty."""
        return self.total(dict.fromkeys(self.layers, 0))

    @property
    def dense(self) -> float:
        """Cost of a network of which nothing is pruned."""
        return self.total({name: curve.weights for name, curve in self.layers.items()})


@dataclass(frozen=True)
class LayerCost:
    """A prunable layer's cost, with that of what precedes it since the prunable layer before."""

    name: str
    instructions: Curve
    bytes: Curve
    """Tables, and code specialised to the weights."""


@dataclass(frozen=True)
class NetworkCosts:
    """Estimates of a network on a device, by the numbers of its nonzeros."""

    layers: tuple[LayerCost, ...]
    instructions_fixed: float
    """Of what follows the last prunable layer, such as the classifier."""
    bytes_fixed: float

    def instructions(self, nonzeros: Mapping[str, int]) -> float:
        """Instructions of an inference where the prunable layers have so many nonzeros."""
        return self.prices("budget_instructions").total(nonzeros)

    def bytes(self, nonzeros: Mapping[str, int]) -> float:
        """Bytes of flash for tables and code specialised to weights where the layers have so many nonzeros."""
        return self.prices("budget_bytes").total(nonzeros)

    def prices(self, budget: str) -> Prices:
        """For a budget of instructions or bytes, by its key."""
        if budget == "budget_instructions":
            return Prices(budget, self.instructions_fixed, {layer.name: layer.instructions for layer in self.layers})
        if budget == "budget_bytes":
            return Prices(budget, self.bytes_fixed, {layer.name: layer.bytes for layer in self.layers})
        raise ValueError(f"{budget!r} is not measured")

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "NetworkCosts":
        """The costs of which `pqk.project.as_plain` made `plain`, perhaps by way of JSON."""
        layers = tuple(
            LayerCost(layer["name"], _curve(layer["instructions"]), _curve(layer["bytes"])) for layer in plain["layers"]
        )
        return cls(layers, plain["instructions_fixed"], plain["bytes_fixed"])


def _curve(plain: Mapping[str, Any]) -> Curve:
    return Curve(tuple(plain["nonzeros"]), tuple(plain["costs"]))
