"""Looking a name of `pqk.toml` up in a registry."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

from pqk.errors import ProjectError

V = TypeVar("V")


def find(registry: Mapping[str, V], key: str, name: str) -> V:
    """The entry called `name`. Raises ProjectError that names the `key` of pqk.toml and the nearest entries."""
    if name in registry:
        return registry[name]
    near = difflib.get_close_matches(name, registry, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(registry))}"
    raise ProjectError(f"{key} = {name!r} is not known", hint)
