"""A chunk network planned for a core: what a firmware has beside the network of the whole window."""

from dataclasses import dataclass

from pqk_codegen.choice import Objective
from pqk_codegen.errors import IrError
from pqk_codegen.plan import Plan, plan
from pqk_codegen.streaming import Chunked, chunked, with_interior_mean


@dataclass(frozen=True, eq=False)
class Chunk:
    """A chunk network and its plan. It shares the arena of the whole window's network."""

    chunked: Chunked
    plan: Plan

    @property
    def state(self) -> int:
        """Bytes of RAM that it needs beside the arena."""
        return self.chunked.phases * self.plan.state


def reuse(whole: Plan, hop: int, objective: Objective | None = None) -> Chunk:
    """The chunk network for windows `hop` frames apart, on the core for which the whole window's network is planned.

    Its mean is over interior rows (`pqk_codegen.streaming.with_interior_mean`), whatever the whole window's is over.

    Raises:
        IrError: windows share no rows (see `pqk_codegen.streaming.chunked`), or computing what is new costs no less
            than the whole window.
        FlashLimitError: the objective's flash limit, which is for this network alone, cannot be met.
    """
    made = chunked(with_interior_mean(whole.network), hop)
    planned = plan(made.network, whole.core, objective)
    new, old = planned.cost.instructions, whole.cost.instructions
    if new >= old:
        raise IrError(
            f"windows {hop} frames apart share too little: what is new in one costs {new:,.0f} instructions, "
            f"all of it {old:,.0f}"
        )
    return Chunk(made, planned)
