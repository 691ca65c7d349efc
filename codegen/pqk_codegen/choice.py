"""Which kernel runs each operation: the assignment that is best by the objective, conversions between layouts included.

Every candidate's instructions, modelled cycles and flash are known beforehand (`pqk_codegen.kernels`), or measured
(`pqk-mcu tune`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from pqk_codegen.errors import FlashLimitError, IrError
from pqk_codegen.ir import Network
from pqk_codegen.kernels import KERNELS
from pqk_codegen.kernels.base import Kernel
from pqk_codegen.layout import arena_size, plan_arena
from pqk_codegen.storage import Program, Resolver, Step

WRAPPER = 30  # bytes of the function that calls a step's kernel, and of the pointer to it, about
NUMBER = 2.6  # bytes of a number in a step's constant structure, on average
TRADES = tuple(10.0**exponent for exponent in (-2, -1, 0, 1, 2, 3))  # instructions or cycles given for a byte
STRAIGHT_LIMIT = 64 * 1024
WORTH = 2.0  # instructions or cycles that a byte must save where flash has no limit: not all of it for the last percent

Choices = Mapping[str, list[Kernel]]


@dataclass(frozen=True)
class Objective:
    """What to minimise, and within which limits (bytes)."""

    goal: str = "speed"
    """`speed` or `size`."""
    measure: str = "instructions"
    """What speed is counted in: `instructions` or `cycles` (modelled)."""
    wait_states: int = 0
    """Of the flash; part of the cycle model."""
    flash_limit: int | None = None
    """For tables and kernels. Without one a byte must be worth `WORTH`; with one the fastest program below it wins."""
    straight_limit: int = STRAIGHT_LIMIT
    """For code specialised to the weights."""
    ram_limit: int | None = None
    """For the arena; kept where any choice does."""
    measured: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Measured cost of (step, kernel), which replaces the estimate."""


def candidates(network: Network, core: str) -> dict[str, list[Kernel]]:
    """For every operation the kernels that support it.

    Raises:
        IrError: there is none for one of them.
    """
    nodes = Resolver(network, core).nodes
    found = {name: [kernel for kernel in KERNELS if kernel.supports(node)] for name, node in nodes.items()}
    for name, kernels in found.items():
        if not kernels:
            raise IrError(f"{nodes[name].op.kind} {name!r}: no kernel for {core} supports it")
    return found


def choose(network: Network, core: str, objective: Objective, forced: Mapping[str, str] | None = None) -> Program:
    """The best program. `forced` names the kernel of some operations.

    Raises:
        IrError: an operation has no kernel, or a forced kernel does not support it.
        FlashLimitError: no assignment keeps to the flash limit.
    """
    choices = _forced(candidates(network, core), forced or {})
    limit = objective.flash_limit
    bound = _Search(Resolver(network, core, objective.wait_states), choices, objective)
    search = replace(bound, objective=replace(objective, flash_limit=None))
    if objective.goal == "size":
        return _within(limit, [search.best(per_step=0, per_byte=1)])[0]
    fastest = search.best(per_step=1, per_byte=WORTH if limit is None else 0)
    if limit is None or flash(fastest.steps) <= limit:
        return fastest
    smaller = [search.best(per_step=1, per_byte=trade) for trade in TRADES]
    smaller += [search.best(per_step=0, per_byte=1), *search.shrunk(fastest, limit)]
    starts = {tuple(step.kernel for step in program.steps): program for program in _within(limit, smaller)}
    return min(map(bound.faster, starts.values()), key=search.speed)


def plain(network: Network, core: str, objective: Objective) -> Program:
    """The best program of plain C kernels only, whatever the limits: what the others are compared with."""
    choices = {
        name: [kernel for kernel in kernels if kernel.plain] for name, kernels in candidates(network, core).items()
    }
    return _Search(Resolver(network, core), choices, Objective(measured=objective.measured)).best(
        per_step=1, per_byte=0
    )


def variants(network: Network, core: str) -> Iterator[Program]:
    """Programs in which together every kernel that can run an operation does so at least once, for measuring."""
    choices = candidates(network, core)
    resolver = Resolver(network, core)
    plain = {name: _first(kernels, plain=True) for name, kernels in choices.items()}
    for index in range(max(map(len, choices.values()))):
        kernels = dict(plain)
        for name, found in choices.items():
            attempt = {**kernels, name: found[min(index, len(found) - 1)]}
            if resolver.program(attempt):
                kernels = attempt
        program = resolver.program(kernels)
        if program:
            yield program


def speed(steps: Iterable[Step], objective: Objective) -> float:
    """Instructions or cycles of all steps, measured where that was done."""
    return sum(_speed(step, objective) for step in steps)


def _speed(step: Step, objective: Objective) -> float:
    cost = step.invocation.cost
    estimate = cost.cycles if objective.measure == "cycles" else cost.instructions
    return objective.measured.get((step.name, step.kernel), estimate)


def flash(steps: Iterable[Step]) -> int:
    """Bytes of tables, structures and kernels; what several steps share counts once."""
    steps = list(steps)
    tables = {table.key: table.size for step in steps for table in step.invocation.tables}
    return sum(tables.values()) + code(steps)


def code(steps: Iterable[Step]) -> int:
    """Bytes of kernels, code specialised to weights, and structures."""
    calls = [step.invocation for step in steps]
    functions = {call.function: call.code for call in calls}
    numbers = sum(1 + value.count(",") for call in calls for _, value in call.fields)
    return sum(functions.values()) + straight(steps) + len(calls) * WRAPPER + round(NUMBER * numbers)


def straight(steps: Iterable[Step]) -> int:
    """Bytes of code specialised to weights."""
    return sum(step.invocation.assembly_bytes for step in steps)


def _forced(choices: dict[str, list[Kernel]], forced: Mapping[str, str]) -> dict[str, list[Kernel]]:
    for name, kernel in forced.items():
        if name not in choices:
            raise IrError(f"there is no operation {name!r} (there are: {', '.join(choices)})")
        kept = [choice for choice in choices[name] if choice.name == kernel]
        if not kept:
            names = ", ".join(choice.name for choice in choices[name])
            raise IrError(f"{name!r}: kernel {kernel!r} cannot run it (these can: {names})")
        choices[name] = kept
    return choices


def _first(kernels: list[Kernel], *, plain: bool) -> Kernel:
    """The first kernel that is plain C (or is not), or else the first."""
    return next((kernel for kernel in kernels if kernel.plain is plain), kernels[0])


@dataclass(frozen=True)
class _Search:
    """Changes the kernel of one operation, or of several that have the same, as long as that helps."""

    resolver: Resolver
    choices: Choices
    objective: Objective

    def best(self, *, per_step: float, per_byte: float) -> Program:
        """The best program found from two starts, all plain C and none of it, at these prices of speed and flash."""
        ends = []
        for plain in (True, False):
            start = {name: _first(kernels, plain=plain) for name, kernels in self.choices.items()}
            end = self._improve(start, per_step, per_byte)
            if end:
                ends.append(end)
        if not ends:
            names = ", ".join(f"{name}: {kernels[0].name}" for name, kernels in self.choices.items())
            raise IrError(f"these kernels cannot run together: {names}")
        return min(ends, key=lambda program: self._value(program, per_step, per_byte))

    def shrunk(self, program: Program, limit: int) -> Iterator[Program]:
        """Ever smaller programs down to `limit`: each step gives up the least speed for a byte."""
        while flash(program.steps) > limit:
            smaller = [other for other in self._neighbours(program) if flash(other.steps) < flash(program.steps)]
            if not smaller:
                return
            program = min(smaller, key=lambda other, now=program: self._loss(now, other))  # type: ignore[misc]
            yield program

    def faster(self, program: Program) -> Program:
        """The fastest program found from one that keeps to the limits."""
        return self._improve(self._kernels(program), per_step=1, per_byte=0) or program

    def _neighbours(self, program: Program) -> Iterator[Program]:
        kernels = self._kernels(program)
        for move in self._single_moves(kernels):
            other = self.resolver.program({**kernels, **move})
            if other and self._excess(other) <= self._excess(program):
                yield other

    def _single_moves(self, kernels: Mapping[str, Kernel]) -> Iterator[dict[str, Kernel]]:
        for name, found in self.choices.items():
            yield from ({name: kernel} for kernel in found if kernel is not kernels[name])

    def _joint_moves(self, kernels: Mapping[str, Kernel]) -> Iterator[dict[str, Kernel]]:
        """All of a kernel's operations get another: what kernels share in flash counts once."""
        for old in dict.fromkeys(kernels.values()):
            alike = [name for name, kernel in kernels.items() if kernel is old]
            for new in dict.fromkeys(kernel for name in alike for kernel in self.choices[name] if kernel is not old):
                move = {name: new for name in alike if new in self.choices[name]}
                if len(move) > 1:
                    yield move

    def _kernels(self, program: Program) -> dict[str, Kernel]:
        names = {step.name: step.kernel for step in program.steps}
        return {name: next(k for k in found if k.name == names[name]) for name, found in self.choices.items()}

    def _loss(self, program: Program, smaller: Program) -> float:
        return (self.speed(smaller) - self.speed(program)) / (flash(program.steps) - flash(smaller.steps))

    def speed(self, program: Program) -> float:
        """What the objective counts."""
        return speed(program.steps, self.objective)

    def _improve(self, kernels: dict[str, Kernel], per_step: float, per_byte: float) -> Program | None:
        best = self.resolver.program(kernels)
        better = True
        while better:
            better = False
            for move in (*self._single_moves(kernels), *self._joint_moves(kernels)):
                program = self.resolver.program({**kernels, **move})
                if program and (best is None or self._better(program, best, per_step, per_byte)):
                    best, kernels, better = program, {**kernels, **move}, True
        return best

    def _better(self, program: Program, best: Program, per_step: float, per_byte: float) -> bool:
        return self._value(program, per_step, per_byte) < self._value(best, per_step, per_byte)

    def _value(self, program: Program, per_step: float, per_byte: float) -> tuple[int, float, float]:
        price = per_step * self.speed(program) + per_byte * flash(program.steps)
        return self._excess(program), price, self.speed(program)

    def _excess(self, program: Program) -> int:
        """Bytes beyond the limits that every program should keep."""
        excess = max(0, straight(program.steps) - self.objective.straight_limit)
        if self.objective.ram_limit is not None:
            buffers = plan_arena(program.layouts, program.lifetimes())
            excess += max(0, arena_size(buffers.values()) - self.objective.ram_limit)
        if self.objective.flash_limit is not None:
            excess += max(0, flash(program.steps) - self.objective.flash_limit)
        return excess


def _within(limit: int | None, programs: list[Program]) -> list[Program]:
    kept = [program for program in programs if limit is None or flash(program.steps) <= limit]
    if not kept:
        raise FlashLimitError(limit or 0, min(flash(program.steps) for program in programs))
    return kept
