"""A network on disk: `network.json` (structure) and `weights.npz` (arrays). Plain, versioned, verified on load."""

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from pqk_codegen.errors import IrError
from pqk_codegen.ir import NEWER, Array, Network, Op, Tensor, verify
from pqk_codegen.ops import OPS

VERSION = 1
STRUCTURE = "network.json"
WEIGHTS = "weights.npz"


def save(network: Network, directory: Path) -> None:
    """Write `network`, verified first, into `directory` (made if missing). Equal networks give equal bytes."""
    verify(network)
    directory.mkdir(parents=True, exist_ok=True)
    structure = {
        "format": "pqk-mcu network",
        "version": VERSION,
        **{key: getattr(network, key) for key in ("arch", "classes", "weight_bits", "input", "output")},
        "front_end": dict(network.front_end),
        "tensors": [dataclasses.asdict(tensor) for tensor in network.tensors.values()],
        "ops": [_op_to_plain(op) for op in network.ops],
    }
    arrays = {f"{op.name}.{key}": value for op in network.ops for key, value in _fields(op, arrays=True).items()}
    text = json.dumps(structure, indent=1, ensure_ascii=False) + "\n"
    (directory / STRUCTURE).write_text(text, encoding="utf-8")
    np.savez(directory / WEIGHTS, **arrays)


def load(directory: Path) -> Network:
    """Read and verify a network.

    Raises:
        IrError: a file is missing or damaged, the version is another, or a rule of the representation is broken.
    """
    structure = _read_structure(directory / STRUCTURE)
    arrays = _read_arrays(directory / WEIGHTS)
    try:
        tensors = [_tensor(item) for item in structure["tensors"]]
        ops = tuple(_op(item, arrays) for item in structure["ops"])
        network = Network(
            arch=str(structure["arch"]),
            classes=tuple(map(str, structure["classes"])),
            weight_bits=int(structure["weight_bits"]),
            input=str(structure["input"]),
            output=str(structure["output"]),
            tensors={tensor.name: tensor for tensor in tensors},
            ops=ops,
            front_end=dict(structure["front_end"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, IrError):
            raise
        raise IrError(f"{directory / STRUCTURE}: {type(error).__name__}: {error}") from error
    return verify(network)


def _fields(op: Op, *, arrays: bool) -> dict[str, Any]:
    values = {field.name: getattr(op, field.name) for field in dataclasses.fields(op)}
    return {key: value for key, value in values.items() if isinstance(value, np.ndarray) == arrays}


def _op_to_plain(op: Op) -> dict[str, Any]:
    return {"op": op.kind, **_fields(op, arrays=False)}


def _tensor(item: dict[str, Any]) -> Tensor:
    return Tensor(
        name=str(item["name"]),
        shape=tuple(int(size) for size in item["shape"]),
        dtype=str(item["dtype"]),
        scale=float(item["scale"]),
        maximum=int(item["maximum"]),
    )


def _op(item: dict[str, Any], arrays: dict[str, Array]) -> Op:
    kind = OPS.get(item["op"])
    if kind is None:
        raise IrError(f"unknown operation {item['op']!r} (known: {', '.join(OPS)})")
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.name in item:
            value = item[field.name]
            values[field.name] = tuple(value) if isinstance(value, list) else value
        elif f"{item['name']}.{field.name}" in arrays:
            values[field.name] = arrays[f"{item['name']}.{field.name}"]
        elif not field.metadata.get(NEWER):
            raise IrError(f"{item['op']} {item['name']!r} has no {field.name}")
    return kind(**values)


def _read_structure(path: Path) -> dict[str, Any]:
    try:
        structure = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise IrError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise IrError(f"{path} is not JSON: {error}") from error
    if not isinstance(structure, dict) or structure.get("format") != "pqk-mcu network":
        raise IrError(f"{path} is not a pqk-mcu network")
    if structure.get("version") != VERSION:
        raise IrError(f"{path} has version {structure.get('version')!r}; this program reads version {VERSION}")
    return structure


def _read_arrays(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except OSError as error:
        raise IrError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise IrError(f"{path} is damaged: {error}") from error
