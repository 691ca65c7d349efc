"""In words, how each figure of the report was obtained."""

from typing import Any

from pqk.report import streaming


def measured(report: dict[str, Any]) -> list[dict[str, str]]:
    """One entry {figure, key, how} per kind of figure in `report` (all of report.json but this list).

    `key` is where the figure stands in report.json.
    """
    entries = [*_accuracies(report), *_costs(report), *_kernels(report), *_memory(), _link(report), _training()]
    entries += streaming.measured(report.get("stream"))
    entries += [_unseen()] if "unseen_unknown_recall" in report else []
    return [{"figure": figure, "key": key, "how": how} for figure, key, how in entries]


def _accuracies(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    split, in_split = report["data"]["split"], report["data"]["clips"]
    clips = report["parity"]["clips"]
    sent = f"all {clips:,} usable clips" if clips == in_split else f"{clips:,} of the {in_split:,} usable clips"
    uncompressed = "The same network trained for as many epochs without compression"
    if report["training"]["method"] == "float":
        uncompressed = "The network before it was quantised"
    form = "audio" if "front_end" in report["cost"] else "features that the computer had worked out"
    place = "emulated by QEMU" if report["board"]["emulated"] else "a physical board"
    return [
        (
            "Accuracy, float",
            "accuracy.float",
            f"{uncompressed}, run by PyTorch on the computer, over all {in_split:,} usable clips of the {split} split.",
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
            f"serial link one by one, as {form}, and the answers came back.",
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


TIME = (
    "The same, divided by how fast that timer counts, as the board's file says. If the board ran at another clock than "
    "its file says, the counts hold and the milliseconds do not."
)


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
    times = [("Milliseconds", "cost.milliseconds", TIME)] if "milliseconds" in report["cost"] else []
    return [
        *times,
        (f"{kind.capitalize()} per inference", "cost.per_inference", total),
        (
            f"{kind.capitalize()} per layer",
            "layers[].instructions",
            "The same timer read before and after each layer; median over the clips.",
        ),
        (
            "Front end, network, a second of audio",
            "cost.front_end, cost.network, cost.per_second_of_audio",
            "The same timer, while the samples of a clip of one second become features, and while the network runs on "
            "them; the last is their sum. Receiving the samples is not part of it. Absent where features were sent.",
        ),
        (
            "MACs, nonzeros, sparsity",
            "model, layers[]",
            "Counted from the shapes and the exported weights; not timed. Nonzero MACs leave out every product "
            "with a weight that is zero.",
        ),
    ]


def _kernels(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    entries = [
        ("Plain C", "layers[].plain, kernels.plain_total", _plain(report)),
        (
            "Gain over plain C",
            "layers[].gain, kernels.gain",
            "Cost in plain C divided by what was measured here. In the total, plain C counts every operation, and the "
            "measurement also the conversions between memory layouts, which plain C does without.",
        ),
        (
            "Lane use",
            "layers[].lanes",
            "Computed exactly from weights, biases and the largest activation, not measured: the share of the 16 bits "
            "of half a register that the sums of a convolution's widest channel can take. Channels beyond that need "
            "wider, slower lanes.",
        ),
    ]
    if report["kernels"]["modelled_cycles"] is not None:
        entries.append(
            (
                "Modelled cycles",
                "layers[].modelled_cycles, kernels.modelled_cycles",
                "A model, not a measurement: the instructions of the chosen kernels with the timings of Arm's "
                "reference manual for the Cortex-M4 and the flash's wait states. No chip has confirmed it.",
            )
        )
    return entries


def _plain(report: dict[str, Any]) -> str:
    flags = [layer["plain"]["measured"] for layer in report["layers"] if layer["plain"]]
    measured = (
        "Every operation's cheapest plain-C kernel, built into firmware of the same network and run by "
        "pqk-mcu tune on this device: the same timer, the median over a few random inputs."
    )
    estimated = (
        "The generator's estimate, in instructions, of every operation's cheapest plain-C kernel; nothing was run for "
        "it. pqk-mcu tune measures it."
    )
    if all(flags):
        return measured
    return f"{sum(flags)} of {len(flags)} operations: {measured} The others: {estimated}" if any(flags) else estimated


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


def _link(report: dict[str, Any]) -> tuple[str, str, str]:
    link = report["link"]
    return (
        "Link",
        "link",
        f"Damaged frames that the device dropped: {link['dropped_frames']}; its resets: {link['resets']}; times it was "
        f"lost and found again: {link['reconnections']}. What a line loses is sent again; every clip counts once.",
    )


def _unseen() -> tuple[str, str, str]:
    return (
        "Recall of unknown words never seen",
        "unseen_unknown_recall",
        "Clips of the words that data.unseen leaves out of all splits, run on the computer by PyTorch: how many it "
        "takes for the unknown class.",
    )


def _training() -> tuple[str, str, str]:
    return (
        "Training time",
        "training.seconds",
        "Wall-clock seconds on the computer that trained, summed over the epochs. It says nothing about the device.",
    )
