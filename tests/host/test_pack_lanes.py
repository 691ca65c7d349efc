"""Packing bytes into lanes, word for word against the layout's definition, with guard words round the buffer."""

import ctypes
import subprocess

import numpy as np
import pytest
from pqk_codegen import assets
from pqk_codegen.kernels.lanes import WIDE
from pqk_codegen.lane_limits import LANE
from pqk_codegen.layout import Lanes, Planes
from support.host import STRICT
from support.seeds import fresh

GUARD = 5  # words
NAMES = {LANE: "lanes", WIDE: "wide_lanes"}


class PlanesC(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint16) for name in ("channels", "height", "width", "row")] + [
        ("plane", ctypes.c_uint32)
    ]


class PackC(ctypes.Structure):
    _fields_ = [
        ("input", PlanesC),
        *((name, ctypes.c_uint8) for name in ("stride_y", "stride_x", "top", "left")),
        *((name, ctypes.c_uint16) for name in ("lines", "row", "rows")),
        ("plane", ctypes.c_uint32),
    ]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    path = tmp_path_factory.mktemp("pack") / "pack.so"
    source = assets.directory("kernels") / "pack_lanes.c"
    subprocess.run(["gcc", *STRICT, "-O2", "-shared", "-fPIC", str(source), "-o", str(path)], check=True)
    return ctypes.CDLL(str(path))


def random_lanes(rng: np.random.Generator) -> Lanes:
    channels, height, width = int(rng.integers(1, 4)), int(rng.integers(1, 15)), int(rng.integers(1, 15))
    stride = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    top, left = int(rng.integers(0, 4)), int(rng.integers(0, 4))
    rows = -(-height // (2 * stride[0])) + int(rng.integers(0, 2))
    row = -(-(width + left) // stride[1]) + int(rng.integers(0, 2))
    lines = rows + top + int(rng.integers(0, 3))
    return Lanes(channels, height, width, rows, int(rng.choice([LANE, WIDE])), top, left, lines, row, stride)


def defined(lanes: Lanes, x: np.ndarray) -> np.ndarray:
    """The buffer as `Lanes` describes it, uint32 [planes, plane]."""
    step_y, step_x = lanes.stride
    words = np.zeros((lanes.channels, step_y, step_x, lanes.plane), np.int64)
    for c, py, px, line, column in np.ndindex(lanes.channels, step_y, step_x, lanes.lines, lanes.row):
        at = column * step_x + px - lanes.left
        for lane in range(2):
            y = (line + lane * lanes.rows) * step_y + py - lanes.top
            if 0 <= y < lanes.height and 0 <= at < lanes.width:
                words[c, py, px, line * lanes.row + column] += int(x[c, y, at]) << (lanes.shift * lane)
    return (words % 2**32).astype(np.uint32).reshape(-1, lanes.plane)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_words_are_as_defined(dtype: type, library: ctypes.CDLL) -> None:
    rng = fresh("pack")
    limits = np.iinfo(dtype)
    for _ in range(60):
        lanes = random_lanes(rng)
        planes = Planes(lanes.channels, lanes.height, lanes.width, right=int(rng.integers(0, 3)))
        x = rng.integers(limits.min, limits.max + 1, (lanes.channels, lanes.height, lanes.width)).astype(dtype)
        stored = np.full((lanes.channels, lanes.height, planes.row), 77, dtype)
        stored[:, :, : lanes.width] = x
        # As many bytes as there are: what comes behind them may not be readable on a board.
        source = np.ascontiguousarray(stored).reshape(-1)[: planes.size]
        guarded = np.full(lanes.size // 4 + 2 * GUARD, 0xDEADBEEF, np.uint32)
        layer = PackC(
            PlanesC(lanes.channels, lanes.height, lanes.width, planes.row, planes.plane),
            *lanes.stride,
            lanes.top,
            lanes.left,
            lanes.lines,
            lanes.row,
            lanes.rows,
            lanes.plane,
        )
        function = getattr(library, f"pqk_pack_{NAMES[lanes.shift]}_{'u' if dtype == np.uint8 else 's'}8")
        target = guarded[GUARD:-GUARD]
        function(ctypes.byref(layer), source.ctypes.data_as(ctypes.c_void_p), target.ctypes.data_as(ctypes.c_void_p))
        np.testing.assert_array_equal(target.reshape(-1, lanes.plane), defined(lanes, x))
        assert (guarded[:GUARD] == 0xDEADBEEF).all()
        assert (guarded[-GUARD:] == 0xDEADBEEF).all()
