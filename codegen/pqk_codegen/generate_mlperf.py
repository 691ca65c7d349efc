"""Prints what firmware must know of a network to answer the runner of MLPerf Tiny: mlperf_model.h."""

from collections.abc import Sequence

from pqk_codegen.decision import scale_of
from pqk_codegen.generate import MLPERF_HEADER, c_string
from pqk_codegen.ir import Network
from pqk_codegen.templates import template

MODEL = "kws01"
"""The benchmark whose script the runner follows; it has one for each of its own models, and no other."""
KWS01 = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown")
"""Classes in the order in which the runner numbers them (mlcommons/tiny, benchmark/evaluation/datasets/kws01)."""


def order(classes: Sequence[str]) -> tuple[int, ...]:
    """Indices into `classes` in the order in which results are printed.

    The runner's where they are the benchmark's twelve, `_silence_` and `_unknown_` for two of them; else their own.
    """
    names = [name.strip("_") for name in classes]
    if sorted(names) == sorted(KWS01):
        return tuple(names.index(name) for name in KWS01)
    return tuple(range(len(names)))


def mlperf_files(network: Network) -> dict[str, str]:
    """The text of the file by its name, for `pqk_codegen.generate.generate`."""
    context = {
        "network": network,
        "model": MODEL,
        "order": order(network.classes),
        "scale": scale_of(network.tensors[network.output].scale),
        "names": [c_string(name) for name in network.classes],
    }
    return {MLPERF_HEADER: template(f"{MLPERF_HEADER}.j2").render(context)}
