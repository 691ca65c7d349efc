"""The state of a training between two epochs: one npz file, arrays and a JSON text, written atomically."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pqk.files import atomic_write_bytes

Array = npt.NDArray[Any]

FACTS = "facts.json"


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write an npz file atomically."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy's stub takes allow_pickle for a value
    atomic_write_bytes(path, buffer.getvalue())


def save(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, facts: Mapping[str, Any]) -> None:
    """Write the module, the optimiser and plain `facts`. A reader sees the old checkpoint or the whole new one."""
    arrays = {f"model.{key}": value.cpu().numpy() for key, value in module.state_dict().items()}
    for name, parameter in module.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                arrays[f"optimizer.{key}.{name}"] = value.cpu().numpy()
    arrays[FACTS] = np.array(json.dumps(facts))
    write_arrays(path, arrays)


def restore(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, key: str, *, common: bool = False
) -> dict[str, Any] | None:
    """Load the checkpoint into `module` and `optimizer` and return its facts.

    `common`: only what both have is loaded. None, and nothing is touched, when there is no checkpoint, it is
    unreadable, or its fact "key" is not `key`.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        facts = json.loads(str(arrays[FACTS]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if not isinstance(facts, dict) or facts.get("key") != key:
        return None
    wanted = [name for name in module.state_dict() if not common or f"model.{name}" in arrays]
    module.load_state_dict({name: torch.from_numpy(arrays[f"model.{name}"]) for name in wanted}, strict=not common)
    parameters = dict(module.named_parameters())
    for name, value in arrays.items():
        if name.startswith("optimizer."):
            _, state, owner = name.split(".", 2)
            if common and owner not in parameters:
                continue
            optimizer.state[parameters[owner]][state] = torch.from_numpy(value).to(parameters[owner].device)
    return facts
