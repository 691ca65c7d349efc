"""The file bench.json: every row that was ever finished in its folder, so that an interrupted run goes on.

{"schema": 1, "rows": [...]}, a row having
    network, core, board, sparsity, weight_bits
    instructions: median over `inputs` random inputs; from packing the input to the logits
    modelled_cycles: or null
    flash: bytes of the network's code and tables, without the firmware round it
    ram: bytes of the arena
    exact: whether every logit of every input was the integer reference's
    inputs, build_id: what the measured numbers belong to
    layers: [{name, kernel, instructions, flash (tables alone), weights, nonzeros}]
"""

import json
from collections.abc import Iterable
from pathlib import Path

from pqk.bench.measure import Row
from pqk.errors import DataError
from pqk.files import atomic_write_text

SCHEMA = 1
FILE = "bench.json"
Identity = tuple[str, float, int, str]


def identity(row: Row) -> Identity:
    """What a row is of; a newer row of the same replaces it."""
    return row["network"], row["sparsity"], row["weight_bits"], row["board"]


def load(folder: Path) -> dict[Identity, Row]:
    """The rows in `folder`; none where there is no file or it has another schema.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {identity(row): row for row in record["rows"]} if record["schema"] == SCHEMA else {}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged: {error}", f"delete {path}") from error


def save(folder: Path, rows: Iterable[Row]) -> Path:
    """Write the rows, sorted by core, network, bits and sparsity, and return the file's path."""
    path = folder / FILE
    record = {"schema": SCHEMA, "rows": sorted(rows, key=order)}
    atomic_write_text(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return path


def order(row: Row) -> tuple[str, str, str, int, float]:
    """Key that rows are sorted by."""
    return row["core"], row["board"], row["network"], row["weight_bits"], row["sparsity"]
