"""What a network costs as the generator plans it."""

from pqk_codegen import choice
from pqk_codegen.choice import Objective
from pqk_codegen.ir import Network


def planned(network: Network, core: str, objective: Objective) -> tuple[float, int]:
    """Instructions of an inference, and bytes of tables and code specialised to weights: what budgets are of."""
    steps = choice.choose(network, core, objective).steps
    tables = {table.key: table.size for step in steps for table in step.invocation.tables}
    instructions = sum(step.invocation.cost.instructions for step in steps)
    return instructions, sum(tables.values()) + choice.straight(steps)
