"""The ways to train a network, one file each. A new one is a file here and its line in METHODS."""

from pqk.project import CompressionConfig
from pqk.train.methods.differentiable_quantization import DifferentiableQuantization
from pqk.train.methods.diffq import DiffQ
from pqk.train.methods.ensemble import Ensemble
from pqk.train.methods.float_ import Float, Reference
from pqk.train.methods.method import Method
from pqk.train.methods.pqk import Pqk
from pqk.train.methods.pqk_phase1 import PqkPhase1
from pqk.train.methods.prune import Prune
from pqk.train.methods.prune_quantize_distil import PruneQuantizeDistil
from pqk.train.methods.quantize import Quantize
from pqk.train.methods.quantized_distillation import QuantizedDistillation
from pqk.train.methods.speq import Speq
from pqk.train.registry import find

__all__ = ["METHODS", "Method", "Reference", "find_method"]

_ALL: tuple[type[Method], ...] = (
    Float,
    Prune,
    Quantize,
    PqkPhase1,
    Pqk,
    DifferentiableQuantization,
    PruneQuantizeDistil,
    Speq,
    QuantizedDistillation,
    DiffQ,
    Ensemble,
)

METHODS: dict[str, type[Method]] = {method.name: method for method in _ALL}


def find_method(compression: CompressionConfig) -> type[Method]:
    """The method that the settings name. Raises ProjectError unless it is known and the settings are for it."""
    method = find(METHODS, "compression.method", compression.method)
    method.check(compression)
    return method
