"""What one trained network is worth: accuracy of its integers, size, and cost on the board.

Kept in a file of its own, so that a comparison that goes on, or is made again, plans and measures nothing twice.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pqk_codegen import interpreter
from pqk_codegen.ir import Network
from pqk_codegen.ops import Convolution

from pqk import build, pipeline
from pqk.bench.measure import network_flash, run_clips
from pqk.boards import Board
from pqk.build import compile_network
from pqk.errors import BoardError, DataError, FitError, ModelError
from pqk.evaluate import Clips, spread
from pqk.features import Features
from pqk.files import atomic_write_text, digest, digest_tree
from pqk.project import UNKNOWN, BuildConfig

PACKAGE = Path(__file__).parent
Score = dict[str, Any]


@dataclass(frozen=True)
class Scorer:
    """How networks are scored, and where scores are kept."""

    folder: Path
    board: Board
    config: BuildConfig
    clips: int
    """Testing clips that go through the emulated board; 0: nothing is compiled and run."""

    def __post_init__(self) -> None:
        if self.clips and not self.board.emulated:
            message = f"{self.board.name} is a real board: --measure counts emulated instructions"
            raise BoardError(message, "choose an emulated one with --board; pqk-mcu boards lists them")

    def kept(self, trained: Path) -> Score | None:
        """The score of the network in `trained`, if that was found before with the same generator."""
        path = self._path(trained)
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    def score(self, trained: Path, features: Features) -> Score:
        """Score the network that lies in `trained`; see `pqk.compare.record` for what the keys mean.

        Raises:
            DataError: its record is of other clips.
            LinkError, ToolError: it is to run on the board, and that fails.
        """
        record = json.loads((trained / "training.json").read_text(encoding="utf-8"))
        network = pipeline.read_network(trained / "network")
        score = _accuracies(record, features) | _sizes(network) | self._planned(network)
        score["measured"] = self._measured(trained, network, features) if self.clips and score["bytes"] else None
        atomic_write_text(self._path(trained), json.dumps(score) + "\n")
        return score

    def _planned(self, network: Network) -> Score:
        """Bytes and instructions as the generator plans them."""
        try:
            plan = build.plan_network(network, self.board, build.objective(self.config, self.board, {}))
        except ModelError as error:
            return {"bytes": None, "instructions": None, "obstacle": error.message}
        return {"bytes": plan.flash + plan.code, "instructions": round(plan.cost.instructions), "obstacle": None}

    def _measured(self, trained: Path, network: Network, features: Features) -> Score | None:
        """Bytes as linked, and instructions as the emulator counts them; None where the board has no room."""
        inputs, labels, names = features.subset("testing")
        chosen = spread(len(names), self.clips)
        folder = self.folder / "firmware" / trained.name
        try:
            compiled = compile_network(network, self.board, folder / "firmware", self.config, lambda _: None)
        except FitError:
            return None
        clips = Clips(
            split="testing",
            names=[names[index] for index in chosen],
            inputs=inputs[chosen],
            labels=labels[chosen],
            logits=interpreter.logits(network, inputs[chosen]).astype(np.int32),
        )
        evaluation = run_clips(self.board, compiled, folder, clips)
        return {
            "bytes": network_flash(compiled),
            "instructions": round(float(np.median(evaluation.record()["per_inference"]))),
            "clips": len(chosen),
            "exact": evaluation.different_logits == 0,
        }

    def _path(self, trained: Path) -> Path:
        generator = pipeline.tuning_key if self.clips else _plan_key
        parts = [trained.name, generator(trained / "network", self.board), repr(self.config), str(self.clips)]
        return self.folder / "scores" / f"{digest([*parts, digest_tree(PACKAGE, ['score.py'])])}.json"


def _plan_key(network: Path, board: Board) -> str:
    """What a plan depends on; `pipeline.tuning_key` asks for a compiler, which a plan does without."""
    return digest([digest_tree(network), pipeline.generator_key(), repr(board)])


def _accuracies(record: dict[str, Any], features: Features) -> Score:
    labels = features.labels[features.indices("testing")]
    predictions = np.array(record["labels_fake_quant_testing"])
    if predictions.shape != labels.shape:
        raise DataError("a trained network was tested on other clips", "delete build/cache, then the same command")
    unknown = labels == (features.classes.index(UNKNOWN) if UNKNOWN in features.classes else -1)
    accuracy = record["accuracy"]
    return {
        "predictions": predictions.tolist(),
        "accuracy": float((predictions == labels).mean()),
        "validation": accuracy["fake_quant"]["validation"],
        "float_accuracy": accuracy["float"]["testing"],
        "unknown_recall": float((predictions == labels)[unknown].mean()) if unknown.any() else None,
        "unseen_unknown_recall": record.get("unseen_unknown_recall", {}).get("fake_quant"),
    }


def _sizes(network: Network) -> Score:
    return {
        "width": max(len(op.weights) for op in network.ops if isinstance(op, Convolution)),
        "parameters": network.parameters,
        "weights": network.weights,
        "nonzeros": network.nonzeros,
        "weight_bits": network.weight_bits,
    }
