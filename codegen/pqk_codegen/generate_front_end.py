"""Prints a front end as C: front_end.h, front_end.c and what it calls. Equal specs give equal bytes."""

from dataclasses import dataclass

import numpy as np

from pqk_codegen import assets
from pqk_codegen.frontend import tables
from pqk_codegen.frontend.spec import FrontEndSpec
from pqk_codegen.ir import Array
from pqk_codegen.templates import template

POWERS = {512: "front_end_power_256.c", 1024: "front_end_power_512.c"}
"""By points of the real transform."""
SOURCES = ("front_end_frame.c", *POWERS.values())
HEADERS = ("pqk_arithmetic.h", "pqk_front_end.h", "pqk_front_end_power.h", "pqk_pairs.h")


@dataclass(frozen=True)
class Table:
    """A constant array; `name` is its field of the structure in pqk_front_end.h."""

    name: str
    values: Array
    comment: str

    @property
    def ctype(self) -> str:
        """The element's C type."""
        return f"{self.values.dtype}_t"


def generate_front_end(spec: FrontEndSpec) -> dict[str, str]:
    """File names and texts, the sources it needs included.

    Raises EmptyBandError when a mel band is so narrow that no FFT bin falls into it.
    """
    first_bin, counts, _ = tables.mel_slices(spec)
    context = {"spec": spec, "first_bin": first_bin, "ahead": _ahead(first_bin, counts), "tables": constants(spec)}
    files = {name: template(f"{name}.j2").render(context) for name in ("front_end.h", "front_end.c")}
    kernels = assets.directory("kernels")
    needed = (*HEADERS, "front_end_frame.c", POWERS[spec.fft])
    return files | {name: (kernels / name).read_text(encoding="utf-8") for name in needed}


def constants(spec: FrontEndSpec) -> list[Table]:
    """What lies in flash."""
    points = spec.fft // 2
    _, counts, weights = tables.mel_slices(spec)
    found = [
        Table("hann", _pairs(tables.hann(spec.window)), "Hann window, periodic, 2^-15, in pairs"),
        Table("order", tables.order(points), "Where the first stage's results go, in fours"),
        Table("factors", _pairs(tables.twiddles(points)), "-cos, -sin of 2 pi i j / size, i = 1..3; size 16, 64, 256"),
        Table("split", _pairs(tables.split_factors(points)), f"-cos, -sin of pi k / {points}"),
        Table("counts", counts, "Bins between neighbouring corners of the mel bank"),
        Table("weights", weights, "The part of each bin that the upper of two neighbouring bands gets, 2^-15"),
    ]
    if spec.kind == "mfcc":
        found.append(Table("dct", _pairs(_even(tables.dct_rows(spec))), "DCT-II with lifter, 2^-11, rows in pairs"))
    return found


def _ahead(first_bin: int, counts: Array) -> int:
    """Words before the spectrum: when two are written for slice b, slices 0 .. b are used up."""
    used = first_bin + np.cumsum(counts, dtype=np.int64)
    return max(2, int(np.max(2 * np.arange(1, len(counts) + 1) - used)))


def _pairs(values: Array) -> Array:
    """int16[.., 2 k] to words uint32[.. * k] of two, the first in the lower half."""
    return np.ascontiguousarray(values).astype("<i2").reshape(-1, 2).view("<u4").ravel().astype(np.uint32)


def _even(rows: Array) -> Array:
    """A zero after every row of odd length."""
    return np.pad(rows, ((0, 0), (0, rows.shape[1] % 2)))
