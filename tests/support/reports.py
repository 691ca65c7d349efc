"""Records as training, build and evaluation leave them, made up but of the right sizes, for tests of the report."""

import json
import random
from pathlib import Path
from typing import Any

from pqk import pipeline
from pqk.files import atomic_write_text
from pqk.project import Project, create
from pqk.report import BoardFacts

BOARD = BoardFacts(
    name="mps2-an386",
    title="Arm MPS2+ AN386",
    cpu="cortex-m4",
    status="runs in CI (QEMU)",
    flash=4 << 20,
    ram=4 << 20,
    modelled=True,
    per_second=None,
)
WORDS = ("down", "go", "left", "no", "right", "stop", "up", "yes")
FACTS: dict[str, tuple[str, ...]] = {
    "pqk": ("phase", "sparsity"),
    "prune-quantize-distil": ("sparsity",),
    "diffq": ("mean_bits",),
    "differentiable-quantization": (),
    "float": (),
}
"""What epochs say beside loss and accuracies: every shape that a history has. "float" has no epochs of its own."""
CONV = 3249
LANES_PER_MAC = 1
PLAIN_PER_MAC = 9


PLAIN = {
    "conv2d": "conv2d_sparse4",
    "add": "add_planes",
    "sum_pool": "sum_planes",
    "fully_connected": "fully_connected_dense",
}
"""The plain-C kernel of each kind of operation."""


def project(words: tuple[str, ...] = WORDS, root: Path = Path("/nowhere/demo")) -> Project:
    """A project with the default settings."""
    return Project(root=root, name="demo", words=words)


def records(seed: int, words: tuple[str, ...] = WORDS, clips: int = 913, method: str = "pqk") -> dict[str, Any]:
    """Keyword arguments of `assemble`: project, board and the four records; `method` is one of FACTS."""
    chance = random.Random(seed)
    made = project(words)
    evaluation = _evaluation(chance, len(made.classes), clips)
    return {
        "project": made,
        "board": BOARD,
        "training": _training(chance, evaluation, method),
        "build": _build(chance),
        "evaluation": evaluation,
        "data": _data(clips),
    }


def write_project(root: Path, made: dict[str, Any]) -> None:
    """A project in `root` as it is before `pqk-mcu report`, if `made` (see `records`) was measured."""
    create(root, "demo", list(WORDS), BOARD.name)
    write_build(root, made)


def write_build(root: Path, made: dict[str, Any]) -> None:
    """Put what was measured into the project in `root`, in place of what is there."""
    built = {key: made[key] for key in ("training", "build", "evaluation")}
    built["data"] = made["data"] | {"clips": {"testing": made["data"]["clips"]}}
    for name, record in built.items():
        atomic_write_text(root / "build" / BOARD.name / f"{name}.json", json.dumps(record))


def _evaluation(chance: random.Random, classes: int, clips: int) -> dict[str, Any]:
    labels = [index % classes for index in range(clips)]
    answers = [_answer(chance, label, classes) for label in labels]
    costs = [layer["estimate"]["instructions"] + 50 for layer in _layers()]
    return {
        "schema": 1,
        "build_id": "5f0c2a9be81d4437",
        "split": "testing",
        "sent": "audio",
        "clips": clips,
        "names": [f"clip{index}.wav" for index in range(clips)],
        "labels": labels,
        "predictions": answers,
        "reference_predictions": list(answers),
        "different_features": 0,
        "different_logits": 0,
        "unit": "emulated instructions",
        "per_inference": [sum(costs) + 320 + chance.randrange(6000) for _ in labels],
        "front_end": [1_100_000 + chance.randrange(9000) for _ in labels],
        "layers": costs,
        **{key: chance.randrange(9) for key in ("dropped_frames", "resets", "reconnections")},
        "stack_high_water": 412,
        "device": {"board": BOARD.name},
    }


def _answer(chance: random.Random, label: int, classes: int) -> int:
    if chance.random() < 0.915:
        return label
    if chance.random() < 0.45:
        return (label + 2) % classes
    return chance.randrange(classes)


def _training(chance: random.Random, evaluation: dict[str, Any], method: str) -> dict[str, Any]:
    labels, answers = evaluation["labels"], evaluation["reference_predictions"]
    right = sum(a == b for a, b in zip(labels, answers, strict=True)) / len(labels)
    return {
        "schema": 1,
        "arch": "res8-narrow",
        "method": method,
        "seed": 0,
        "parameters": 19865,
        "accuracy": {
            "float": {"validation": 0.951, "testing": 0.947},
            "fake_quant": {"validation": right + 0.004, "testing": right},
        },
        "history": {"float": [_epoch(chance, epoch, 0.955) for epoch in range(30)]}
        | ({} if method == "float" else {method: _compressed(chance, method)}),
        "labels_fake_quant_testing": list(answers),
    }


def _compressed(chance: random.Random, method: str) -> list[dict[str, Any]]:
    return [
        _epoch(chance, epoch, 0.92 if epoch < 20 else 0.93)
        | {key: value for key, value in _all_facts(epoch).items() if key in FACTS[method]}
        for epoch in range(30)
    ]


def _all_facts(epoch: int) -> dict[str, float]:
    return {
        "phase": 1 if epoch < 20 else 2,
        "sparsity": 0.9 * (1 - max(0, 1 - (epoch + 1) / 12) ** 3),
        "mean_bits": 3.5 + 2 * 0.9**epoch,
    }


def _epoch(chance: random.Random, epoch: int, final: float) -> dict[str, Any]:
    level = final * (1 - 0.62 * 0.62**epoch) + chance.uniform(-0.012, 0.012) * (1 - epoch / 30)
    return {
        "epoch": epoch,
        "loss": 2.1 * 0.86**epoch + 0.2,
        "train_accuracy": level - 0.035,
        "validation_accuracy": level,
        "seconds": chance.uniform(14, 17),
    }


def _layers() -> list[dict[str, Any]]:
    """Of a build that chose lanes wherever there are kernels for them, except in conv6."""
    layers = [_layer("input_lanes", "convert", "pack_lanes", 0, 0, 0)]
    layers.append(_layer("conv0", "conv2d", "conv2d_pool_straight", 171, 74, 101 * 40))
    for index in range(1, 7):
        kernel = "conv2d_sparse4" if index == 6 else "conv2d_lanes"
        layers.append(_layer(f"conv{index}", "conv2d", kernel, CONV, 400 - 41 * index, 25 * 13))
        if index % 2 == 0:
            layers.append(_layer(f"add{index}", "add", "add_lanes", 0, 0, 0))
    layers.append(_layer("mean", "sum_pool", "sum_lanes", 0, 0, 0))
    layers.append(_layer("classifier", "fully_connected", "fully_connected_dense", 190, 180, 1))
    return layers


def _layer(name: str, op: str, kernel: str, weights: int, nonzeros: int, positions: int) -> dict[str, Any]:
    return {
        "name": name,
        "op": op,
        "kernel": kernel,
        "macs": weights * positions,
        "nonzero_macs": nonzeros * positions,
        "nonzeros": nonzeros,
        "weights": weights,
        "flash": nonzeros * 2 + (152 if weights else 0),
        **_kernel_facts(op, kernel, nonzeros * positions),
    }


def _kernel_facts(op: str, kernel: str, nonzero_macs: int) -> dict[str, Any]:
    """As `pqk.choices.facts` makes them, plain C estimated."""
    plain, cost = PLAIN.get(op), nonzero_macs * PLAIN_PER_MAC + 2900
    instructions = cost if kernel == plain else nonzero_macs * LANES_PER_MAC + 850
    facts: dict[str, Any] = {"estimate": {"instructions": instructions, "cycles": instructions * 5 // 4}}
    if plain:
        facts |= {"in_plain_c": kernel == plain, "plain": {"kernel": plain, "cost": cost, "measured": False}}
    if op == "conv2d":
        beyond = 2 if kernel == plain else 0
        facts["lanes"] = {"used": 1.31 if beyond else 0.7421, "beyond": beyond, "spare_bits": 0}
    return facts


def _build(chance: random.Random) -> dict[str, Any]:
    layers = _layers()
    weights = sum(layer["flash"] for layer in layers)
    code = 9000 + chance.randrange(500)
    total = {key: sum(layer[key] for layer in layers) for key in ("weights", "nonzeros", "macs", "nonzero_macs")}
    return {
        "schema": pipeline.SCHEMA,
        "id": "5f0c2a9be81d4437",
        "compiler": "arm-none-eabi-gcc 12.2.1",
        "tool": "pqk-mcu 0.1.0",
        "model": {
            "arch": "res8-narrow",
            "parameters": total["weights"] + 10,
            "weights": total["weights"],
            "nonzero": total["nonzeros"],
            "sparsity": 1 - total["nonzeros"] / total["weights"],
            "weight_bits": 4,
            "macs": total["macs"],
            "nonzero_macs": total["nonzero_macs"],
        },
        "stream": {"reuse": True, "hop_ms": 100, "phases": 2, "frames": 22, "state": 9392, "estimate": 322_000},
        "layers": layers,
        "memory": {
            "flash": {"total": weights + code + 1124, "weights": weights, "code": code},
            "ram": {"total": 22500 + 2048 + 1840, "arena": 22500, "stack": 2048, "static": 1840},
        },
    }


def _data(clips: int) -> dict[str, Any]:
    return {
        "source": "/data/speech-commands",
        "split": "testing",
        "clips": clips,
        "skipped": [{"path": "go/0a2b400e_nohash_3.wav", "reason": "not audio: file is empty"}],
        "notes": ["36 clips shorter than one second were padded with silence at the end."],
    }


def stream_record(seed: int, build_id: str = "5f0c2a9be81d4437", device: bool = True) -> dict[str, Any]:
    """As `pqk-mcu eval --stream` leaves it."""
    chance = random.Random(seed)
    return {
        "schema": 1,
        "build_id": build_id,
        "settings": {"hop_ms": 100, "smoothing_ms": 300, "temperature": 2.0, "threshold": 0.8, "refractory_ms": 1000},
        "keywords": list(WORDS),
        "tolerance_s": 0.75,
        "seed": 0,
        "conditions": [_condition(chance, "clean", None, 0.05), _condition(chance, "10 dB", 10.0, 0.3)],
        "device": _stream_device() if device else None,
    }


def _condition(chance: random.Random, name: str, snr: float | None, rejects: float) -> dict[str, Any]:
    noise = 0.0 if snr is None else 40.0
    curve = [
        {"threshold": 2000 * step, "false_rejects": rejects + (1 - rejects) * (step / 17) ** 4, "per_hour": accepts}
        for step, accepts in zip(range(1, 18), [200.0 * 0.6**step for step in range(16)] + [0.0], strict=True)
    ]
    return {
        "name": name,
        "snr_db": snr,
        "validation": {"seconds": 1800.0, "words": 260, "others": 250, "noise_seconds": noise},
        "testing": {"seconds": 3600.0, "words": 520, "others": 508, "noise_seconds": noise},
        "operating": [
            {
                "limit": limit,
                "per_word": limit == 1.0,
                "thresholds": [30_000 + 300 * index * (limit == 1.0) for index in range(len(WORDS))],
                **{key: _scored(chance, rejects) for key in ("validation", "testing", "on_curve")},
            }
            for limit in (1.0, 0.5)
        ],
        "configured": _scored(chance, rejects),
        "curve": curve,
    }


def _scored(chance: random.Random, rejects: float) -> dict[str, Any]:
    missed, accepts = round(520 * rejects) + chance.randrange(20), chance.randrange(4)
    return {
        "false_rejects": missed / 520,
        "words": 520,
        "hits": 520 - missed,
        "false_accepts": accepts,
        "per_hour": float(accepts),
        "repeated": chance.randrange(9),
        "latency": {share: 0.1 + float(share) / 3 for share in ("0.05", "0.25", "0.5", "0.75", "0.9", "0.95")},
    }


def _stream_device() -> dict[str, Any]:
    hops = ((10, 100), (20, 50), (50, 20), (100, 10), (250, 4))
    return {
        "unit": "emulated instructions",
        "parity": {
            "seconds": 120.0,
            "detections": 17,
            "different": 0,
            "inferences": 291,
            "different_inferences": 0,
        },
        "costs": [
            {"hop_ms": hop, "inferences": float(count), "front_end": 1_400_000, "network": 1_234_567 * count}
            for hop, count in hops
        ],
    }
