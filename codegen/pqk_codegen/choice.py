"""Which kernel runs each operation: the assignment that is best by the objective, conversions between layouts included.

Every candidate's instructions, modelled cycles and flash are known beforehand (`pqk_codegen.kernels`), or measured
(`pqk-mcu tune`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pqk_codegen.errors import FlashLimitError, IrError
from pqk_codegen.ir import Network
from pqk_codegen.kernels import KERNELS
from pqk_codegen.kernels.base import Kernel
from pqk_codegen.storage import Program, Resolver, Step

STRUCTURE = 56  # bytes of a layer's constant structure and its wrapper function, about
TRADES = tuple(10.0**exponent for exponent in (-2, -1, 0, 1, 2, 3, 4))  # instructions or cycles given for a byte


@dataclass(frozen=True)
class Objective:
    """What to minimise."""

    goal: str = "speed"
    """`speed` or `size`."""
    measure: str = "instructions"
    """What speed is counted in: `instructions` or `cycles` (modelled)."""
    flash_limit: int | None = None
    """Bytes for tables and kernels, at most."""
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
    resolver = Resolver(network, core)
    if objective.goal == "size":
        return _within(objective, [_descend(resolver, choices, lambda program: flash(program.steps))])
    price = lambda program: speed(program.steps, objective)  # noqa: E731
    if objective.flash_limit is None:
        return _descend(resolver, choices, price)
    return _within(objective, _trades(resolver, choices, price))


def speed(steps: Iterable[Step], objective: Objective) -> float:
    """Instructions or cycles of all steps, measured where that was done."""
    return sum(_speed(step, objective) for step in steps)


def _speed(step: Step, objective: Objective) -> float:
    cost = step.invocation.cost
    estimate = cost.cycles if objective.measure == "cycles" else cost.instructions
    return objective.measured.get((step.name, step.kernel), estimate)


def flash(steps: Iterable[Step]) -> int:
    """Bytes of tables, structures and kernels; what several steps share counts once."""
    tables: dict[object, int] = {}
    code: dict[str, int] = {}
    straight = count = 0
    for step in steps:
        call = step.invocation
        tables |= {table.key: table.size for table in call.tables}
        code[call.function] = call.code
        straight += call.assembly_bytes
        count += 1
    return sum(tables.values()) + sum(code.values()) + straight + count * STRUCTURE


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


def _descend(resolver: Resolver, choices: dict[str, list[Kernel]], price: Callable[[Program], float]) -> Program:
    """Change one operation's kernel at a time as long as that helps, from two starts: plain C, and none of it."""
    starts = [
        {name: min(kernels, key=lambda kernel: kernel.plain is not plain) for name, kernels in choices.items()}
        for plain in (True, False)
    ]
    ends = [_improve(resolver, choices, price, start) for start in starts]
    return min((program for program in ends if program), key=lambda program: (price(program), flash(program.steps)))


def _improve(
    resolver: Resolver, choices: dict[str, list[Kernel]], price: Callable[[Program], float], kernels: dict[str, Kernel]
) -> Program | None:
    best = resolver.program(kernels)
    better = True
    while better:
        better = False
        for name in choices:
            for kernel in choices[name]:
                program = resolver.program({**kernels, name: kernel})
                if program and (best is None or _value(program, price) < _value(best, price)):
                    best, kernels, better = program, {**kernels, name: kernel}, True
    return best


def _value(program: Program, price: Callable[[Program], float]) -> tuple[float, int]:
    return price(program), flash(program.steps)


def _trades(resolver: Resolver, choices: dict[str, list[Kernel]], price: Callable[[Program], float]) -> list[Program]:
    """Programs from fastest to smallest, found at different prices of a byte."""
    programs = [_descend(resolver, choices, price)]
    for trade in TRADES:
        programs.append(
            _descend(resolver, choices, lambda program, trade=trade: price(program) + trade * flash(program.steps))  # type: ignore[misc]
        )
    programs.append(_descend(resolver, choices, lambda program: flash(program.steps)))
    return sorted(programs, key=price)


def _within(objective: Objective, programs: list[Program]) -> Program:
    limit = objective.flash_limit
    for program in programs:
        if limit is None or flash(program.steps) <= limit:
            return program
    smallest = min(flash(program.steps) for program in programs)
    raise FlashLimitError(limit or 0, smallest)
