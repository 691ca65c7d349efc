"""Rendering the C templates."""

from collections.abc import Iterator, Mapping
from typing import Any

import jinja2

from pqk_codegen import assets
from pqk_codegen.ir import Array


def render(name: str, context: Mapping[str, Any]) -> str:
    """The text of `name`, e.g. "network.h", made from templates/`name`.j2."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(assets.directory("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["rows"] = _rows
    return environment.get_template(f"{name}.j2").render(context)


def _rows(values: Array, width: int = 16) -> Iterator[str]:
    """The elements of a table in lines; a C array cannot be empty, so an empty table has one zero."""
    flat = [int(value) for value in values.ravel()] or [0]
    for start in range(0, len(flat), width):
        yield ", ".join(map(str, flat[start : start + width]))
