"""The templates of generated C, and how tables are printed in them."""

from collections.abc import Iterator

import jinja2

from pqk_codegen import assets
from pqk_codegen.ir import Array


def template(name: str) -> jinja2.Template:
    """The template of that name; `rows` prints an array in it."""
    loader = jinja2.FileSystemLoader(assets.directory("templates"))
    environment = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["rows"] = _rows
    return environment.get_template(name)


def _rows(values: Array, width: int = 16) -> Iterator[str]:
    """The elements of a table in lines; a C array cannot be empty, so an empty table has one zero."""
    flat = [int(value) for value in values.ravel()] or [0]
    for start in range(0, len(flat), width):
        yield ", ".join(map(str, flat[start : start + width]))
