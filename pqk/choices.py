"""What a build says about its kernels: which were chosen, what plain C would cost instead, and how full lanes are."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pqk_codegen import choice
from pqk_codegen.choice import Objective
from pqk_codegen.kernels.lanes import budget
from pqk_codegen.ops import Convolution
from pqk_codegen.plan import Layer, Plan


def fallbacks(plan: Plan) -> list[str]:
    """A line for every layer that runs in plain C although layers of its kind have faster kernels on this core."""
    found = choice.candidates(plan.network, plan.core)
    fast = {op.kind for op in plan.network.ops for kernel in found[op.name] if not kernel.plain}
    lines = []
    for layer in plan.layers:
        if layer.plain and layer.op in fast:
            able = any(not kernel.plain for kernel in found[layer.name])
            reason = (
                "chosen for its size, or to save a conversion"
                if able
                else f"no faster kernel for {plan.core} supports it"
            )
            lines.append(f"{layer.name} runs in plain C ({layer.kernel}): {reason}")
    return lines


def facts(plan: Plan, measured: Mapping[tuple[str, str], float]) -> list[dict[str, Any]]:
    """For every layer of `plan`: estimates, and whether it is plain C, the cost of that at best, and the lane budget.

    `measured` has costs by (layer, kernel) from `pqk-mcu tune`; a cost of plain C is marked as measured or estimated.
    """
    plain = {step.name: step for step in choice.plain(plan.network, plan.core, Objective(measured=measured)).steps}
    records = []
    for layer in plan.layers:
        record: dict[str, Any] = {
            "estimate": {"instructions": round(layer.cost.instructions), "cycles": round(layer.cost.cycles)}
        }
        step = plain.get(layer.name)
        if step:
            cost = measured.get((step.name, step.kernel))
            estimate = step.invocation.cost.instructions
            record["in_plain_c"] = layer.plain
            record["plain"] = {
                "kernel": step.kernel,
                "cost": round(estimate if cost is None else cost),
                "measured": cost is not None,
            }
        records.append(record | _lane_budget(plan, layer))
    return records


def _lane_budget(plan: Plan, layer: Layer) -> dict[str, Any]:
    op = next((op for op in plan.network.ops if op.name == layer.name), None)
    if not isinstance(op, Convolution):
        return {}
    inputs, output = plan.network.op_tensors(op)
    return {"lanes": dataclasses.asdict(budget(op, inputs[0], output))}
