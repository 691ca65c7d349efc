"""What nonzero weights cost, by the generator's own estimates: kernels are chosen for networks of several densities.

Before training there are no weights, but costs depend on little besides their number. So the layers that will be
pruned get random ones: of each channel's share of a normal distribution the largest stay, as pruning leaves them, with
bits, biases and factors as training leaves them about. For each density kernels are chosen as a build chooses them.
"""

import contextlib
import dataclasses
import json
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from pqk_codegen import choice
from pqk_codegen.choice import Objective
from pqk_codegen.errors import IrError
from pqk_codegen.ir import Array, Network
from pqk_codegen.lane_limits import lane_limits
from pqk_codegen.ops import Convolution
from pqk_codegen.storage import Program, Step

from pqk import build
from pqk.bench.networks import prune, quantise
from pqk.boards import Board
from pqk.budget import Curve, LayerCost, NetworkCosts
from pqk.errors import ModelError
from pqk.files import atomic_write_text, digest, digest_tree
from pqk.project import Project, as_plain

PACKAGE = Path(__file__).parent
CODEGEN = Path(choice.__file__).parent
REST = ""  # no layer's name
DRAWS = 5
DENSITIES = (0.0, 0.01, 0.02, 0.035, 0.06, 0.1, 0.16, 0.25, 0.45, 1.0)
FINE = 1.07  # densities of such a ratio are near enough where a layer's kernel changes between them
SPARSE = 0.5  # beyond, where no budget leads, a change is not looked for
INPUT = 30  # mean and standard deviation of activations, about
OUTPUT = 30  # what an output of one standard deviation becomes
BIAS = 0.3  # standard deviation of biases, in those of the sums
LARGEST_FACTOR = 0.49  # real factor of a multiplier; below a half the shift is 32
SMALLEST = 1e-30  # a channel without weights has no largest one; anything but 0 divides


def measure(
    network: Network,
    core: str,
    objective: Objective,
    *,
    lane_budget: int = 0,
    densities: Sequence[float] = DENSITIES,
    seed: int = 0,
) -> NetworkCosts:
    """Costs of `network` by the nonzeros of its convolutions, which will be pruned.

    Args:
        network: the structure. The convolutions' own weights, biases and multipliers do not count.
        core, objective: what the kernels are chosen for, see `pqk_codegen.choice`. A limit on flash is ignored.
        lane_budget: as in `[compression]`.
        densities: from 0 to 1, at which costs are measured; more are added between them where kernels change.
        seed: of the random weights. Equal arguments give equal costs.

    Raises:
        IrError: no kernel supports an operation.
    """
    wanted = dataclasses.replace(objective, flash_limit=None)
    draws = [_Draw(network, lane_budget, [seed, number]) for number in range(DRAWS)]
    samples = {density: _sample(draws, density, core, wanted) for density in densities}
    while missing := list(_between(samples)):
        samples |= {density: _sample(draws, density, core, wanted) for density in missing}
    return _fitted([samples[density] for density in sorted(samples)])


def project_costs(project: Project, board: Board, blank: Callable[[], Network], cache: Path) -> NetworkCosts:
    """Costs of the project's network on `board` by its `build` settings; measured once and kept in the folder `cache`.

    `blank` makes the network, see `pqk.train.blank`; called only where nothing is kept.
    Raises ModelError when no kernel supports an operation.
    """
    path = cache / f"costs-{_key(project, board)}.json"
    if path.is_file():
        return NetworkCosts.from_plain(json.loads(path.read_text(encoding="utf-8")))
    objective = build.objective(project.build, board, {})
    try:
        measured = measure(blank(), board.cpu, objective, lane_budget=project.compression.lane_budget)
    except IrError as error:
        raise ModelError(str(error), "choose another network or board in pqk.toml") from error
    atomic_write_text(path, json.dumps(as_plain(measured)) + "\n")
    return measured


def _key(project: Project, board: Board) -> str:
    """What costs depend on."""
    compression = project.compression
    bits = [compression.weight_bits, compression.activation_bits, compression.lane_budget]
    settings = [as_plain(project.network), as_plain(project.front_end), as_plain(project.build), project.classes, bits]
    code = ["costs.py", "budget.py", "build.py", "bench/networks.py", "train/blank.py", "train/networks/*.py"]
    sources = [digest_tree(PACKAGE, code), digest_tree(CODEGEN, ["**/*.py"])]
    return digest([json.dumps(settings), repr(board), *sources])


@dataclass(frozen=True)
class _Share:
    """Of a program: the steps since the layer before, up to a layer."""

    kernel: str
    nonzeros: int
    instructions: float
    bytes: float


_Shares = dict[str, _Share]
"""By layer; the steps behind the last one under REST."""


def _sample(draws: list["_Draw"], density: float, core: str, objective: Objective) -> _Shares:
    """Mean over the draws. Kernels are chosen for the first, which takes long; where they cannot run another, it is
    left out."""
    program = choice.choose(draws[0].at(density), core, objective)
    kernels = {step.name: step.kernel for step in program.steps if step.op}
    found = [_shares(program)]
    for draw in draws[1:]:
        with contextlib.suppress(IrError):
            found.append(_shares(choice.choose(draw.at(density), core, objective, kernels)))
    return {name: _mean([shares[name] for shares in found]) for name in found[0]}


def _mean(shares: list[_Share]) -> _Share:
    return dataclasses.replace(
        shares[0],
        instructions=statistics.fmean(share.instructions for share in shares),
        bytes=statistics.fmean(share.bytes for share in shares),
    )


def _shares(program: Program) -> _Shares:
    found: _Shares = {}
    seen: set[object] = set()
    pending: list[Step] = []
    for step in program.steps:
        pending.append(step)
        if isinstance(step.op, Convolution):
            found[step.name] = _share(pending, seen)
            pending = []
    return found | {REST: _share(pending, seen)}


def _share(steps: list[Step], seen: set[object]) -> _Share:
    """Of these steps; tables that are `seen` in earlier ones count there."""
    fresh = {table.key: table.size for step in steps for table in step.invocation.tables if table.key not in seen}
    seen.update(fresh)
    last = steps[-1]
    values = last.op.weight_values if last.op else None
    return _Share(
        last.kernel,
        0 if values is None else int(np.count_nonzero(values)),
        sum(step.invocation.cost.instructions for step in steps),
        sum(fresh.values()) + choice.straight(steps),
    )


def _between(samples: dict[float, _Shares]) -> Iterator[float]:
    """Densities amid two neighbours that differ in a kernel and are not near each other."""
    for low, high in pairwise(sorted(samples)):
        if low and FINE * low < high <= SPARSE and _kernels(samples[low]) != _kernels(samples[high]):
            yield math.sqrt(low * high)


def _kernels(shares: _Shares) -> list[str]:
    return [share.kernel for share in shares.values()]


def _fitted(samples: list[_Shares]) -> NetworkCosts:
    layers = tuple(_layer_cost(name, [shares[name] for shares in samples]) for name in samples[0] if name != REST)
    rests = [shares[REST] for shares in samples]
    return NetworkCosts(
        layers, statistics.fmean(rest.instructions for rest in rests), statistics.fmean(rest.bytes for rest in rests)
    )


def _layer_cost(name: str, shares: list[_Share]) -> LayerCost:
    """Through the samples' costs; a small layer may have the same number of nonzeros at several densities."""
    distinct = {share.nonzeros: share for share in shares}
    nonzeros = tuple(distinct)
    return LayerCost(
        name,
        Curve(nonzeros, tuple(share.instructions for share in distinct.values())),
        Curve(nonzeros, tuple(float(share.bytes) for share in distinct.values())),
    )


class _Draw:
    """The network with random weights in its convolutions, those of one draw at every density."""

    def __init__(self, network: Network, lane_budget: int, seed: list[int]) -> None:
        self._network, self._lane_budget = network, lane_budget
        rng = np.random.default_rng(seed)
        convolutions = [op for op in network.ops if isinstance(op, Convolution)]
        self._drawn = {
            op.name: (rng.normal(size=op.weights.shape), rng.normal(size=len(op.weights))) for op in convolutions
        }

    def at(self, density: float) -> Network:
        """With this share of nonzeros in each of the convolutions."""
        ops = self._network.ops
        return dataclasses.replace(
            self._network, ops=tuple(self._sampled(op, density) if isinstance(op, Convolution) else op for op in ops)
        )

    def _sampled(self, op: Convolution, density: float) -> Convolution:
        drawn, shifts = self._drawn[op.name]
        weights = prune(drawn, 1 - density)
        rows = weights.reshape(len(weights), -1)
        spread = INPUT * np.sqrt((rows**2).sum(axis=1))  # of the sums, in units of a real weight of 1
        bias = BIAS * spread * shifts - INPUT * rows.sum(axis=1)  # centres the sums, about
        limits = self._limits(weights, bias, op)
        units = np.maximum(np.abs(rows).max(axis=1) / limits, SMALLEST)
        factor = np.minimum(OUTPUT / np.maximum(spread / units, 1), LARGEST_FACTOR)
        return dataclasses.replace(
            op,
            weights=quantise(weights, limits),
            bias=np.rint(bias / units).astype(np.int32),
            multiplier=(2 * np.rint(factor / (op.pool[0] * op.pool[1]) * 2.0**31)).astype(np.int32),
            shift=32,
        )

    def _limits(self, weights: Array, shifts: Array, op: Convolution) -> Array:
        """The largest integer of each channel's weights."""
        usual = 2 ** (self._network.weight_bits - 1) - 1
        if not self._lane_budget:
            return np.full(len(weights), usual)
        source = self._network.tensors[op.inputs[0]]
        return lane_limits(
            weights,
            np.ones(len(weights)),
            shifts,
            input_scale=1,
            input_range=(source.minimum, source.maximum),
            output_scale=np.inf,  # so that no factor reaches a half
            pool=op.pool,
            bits=self._lane_budget,
            usual=usual,
        )
