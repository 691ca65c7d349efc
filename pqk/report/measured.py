"""In words, how each figure of the report was obtained."""

from typing import Any


def measured(report: dict[str, Any]) -> list[dict[str, str]]:
    """One entry {figure, key, how} per kind of figure in `report` (all of report.json but this list).

    `key` is where the figure stands in report.json.
    """
    entries = [*_accuracies(report), *_costs(report), *_memory(), _training()]
    return [{"figure": figure, "key": key, "how": how} for figure, key, how in entries]


def _accuracies(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    split, in_split = report["data"]["split"], report["data"]["clips"]
    clips = report["parity"]["clips"]
    sent = f"all {clips:,} usable clips" if clips == in_split else f"{clips:,} of the {in_split:,} usable clips"
    place = "emulated by QEMU" if report["board"]["emulated"] else "a physical board"
    return [
        (
            "Accuracy, float",
            "accuracy.float",
            "The same network trained for as many epochs without compression, run by PyTorch on the computer, over "
            f"all {in_split:,} usable clips of the {split} split.",
        ),
        (
            "Accuracy, fake-quantised",
            "accuracy.fake_quant",
            "The compressed network as the trainer sees it: PyTorch on the computer, weights and activations rounded "
            "to the values the device will use, over the same clips as float.",
        ),
        (
            "Accuracy, integer reference",
            "accuracy.integer",
            "The exported integers run by the numpy interpreter that defines the arithmetic, on the clips that "
            "went to the device.",
        ),
        (
            "Accuracy, device",
            "accuracy.device",
            f"The compiled firmware on {report['board']['title']} ({place}): {sent} of the {split} split went over the "
            "serial link one by one, as features that the computer had worked out, and the answers came back.",
        ),
        (
            "95 % interval",
            "confidence",
            "Wilson score interval: what chance in the choice of clips alone can do. The four columns saw the same "
            "recordings, so a difference smaller than the intervals can still be real.",
        ),
        (
            "Parity",
            "parity",
            "Every output value of the device compared with the integer reference, clip by clip; equal means equal "
            "in every bit.",
        ),
    ]


def _costs(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    kind = report["cost"]["kind"]
    if report["board"]["emulated"]:
        total = (
            "Instructions executed, counted by a timer of the emulated board while one clip runs through all layers. "
            "The emulator knows no pipeline, no wait states and no caches, so the figure is neither time nor clock "
            "cycles, and no speed on silicon follows from it without a measurement there."
        )
    else:
        total = f"The board's own timer ({kind}) read before and after one clip runs through all layers."
    return [
        (f"{kind.capitalize()} per inference", "cost.per_inference", total),
        (
            f"{kind.capitalize()} per layer",
            "layers[].instructions",
            "The same timer read before and after each layer; median over the clips.",
        ),
        (
            "MACs, nonzeros, sparsity",
            "model, layers[]",
            "Counted from the shapes and the exported weights; not timed. Nonzero MACs leave out every product "
            "with a weight that is zero.",
        ),
    ]


def _memory() -> list[tuple[str, str, str]]:
    return [
        (
            "Flash",
            "memory.flash, layers[].flash",
            "Sizes in the linked firmware, in bytes. Per layer: its constants there, which are weights, what locates "
            "them, biases and multipliers.",
        ),
        (
            "RAM",
            "memory.ram",
            "Static data and reserved stack from the linked firmware; the arena is the memory planner's exact "
            "peak over all activations.",
        ),
        (
            "Stack high water",
            "memory.ram.stack_high_water",
            "The firmware paints its stack at start; after the evaluation the device reports how many bytes have "
            "been overwritten.",
        ),
    ]


def _training() -> tuple[str, str, str]:
    return (
        "Training time",
        "training.seconds",
        "Wall-clock seconds on the computer that trained, summed over the epochs. It says nothing about the device.",
    )
