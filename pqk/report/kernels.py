"""What the kernels bring: every layer beside the best that plain C could do, from what the build recorded."""

from typing import Any

from pqk.report.records import Record

CONVERSION = "convert"  # the operation of a layer that only rewrites a tensor in another memory layout


def facts(layer: Record, cost: float, *, emulated: bool, modelled: bool) -> dict[str, Any]:
    """The keys of a layer in report.json that are about its kernel.

    Args:
        layer: of the build record.
        cost: what the layer took, in the unit of the board's timer.
        emulated: whether that unit is instructions, which is what the generator estimates.
        modelled: whether modelled cycles say something about the board's core.

    `plain` is None for a conversion, which plain C does not need; `gain` is None where there is nothing to compare.

    Raises PqkError when the build recorded no such facts.
    """
    plain = None if layer.text("op") == CONVERSION else layer.table("plain")
    measured = plain is not None and plain.flag("measured")
    comparable = plain is not None and (measured or emulated) and cost > 0
    cycles = layer.table("estimate").whole("cycles")
    return {
        "in_plain_c": plain is not None and layer.flag("in_plain_c"),
        "plain": plain and {"kernel": plain.text("kernel"), "cost": plain.whole("cost"), "measured": measured},
        "gain": plain.whole("cost") / cost if plain and comparable else None,
        "lanes": _lanes(layer.optional_table("lanes")),
        "modelled_cycles": cycles if modelled else None,
    }


def summary(layers: list[dict[str, Any]]) -> dict[str, Any]:
    """All layers together. Conversions count for the chosen kernels only, because plain C does without them.

    `plain_total` and `gain` are None on a board whose timer counts something else than the estimates of plain C.
    """
    total = sum(layer["instructions"] for layer in layers)
    operations = [layer for layer in layers if layer["plain"]]
    comparable = all(layer["gain"] is not None for layer in operations)
    plain_total = sum(layer["plain"]["cost"] for layer in operations) if comparable else None
    cycles = [layer["modelled_cycles"] for layer in layers]
    return {
        "total": total,
        "plain_total": plain_total,
        "plain_measured": all(layer["plain"]["measured"] for layer in operations),
        "gain": plain_total / total if plain_total and total else None,
        "modelled_cycles": None if None in cycles else sum(cycles),
    }


def _lanes(lanes: Record | None) -> dict[str, Any] | None:
    if lanes is None:
        return None
    return {"used": lanes.number("used"), "beyond": lanes.whole("beyond"), "spare_bits": lanes.whole("spare_bits")}
