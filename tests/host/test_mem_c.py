"""The firmware's own memcpy, memmove and memset against Python's slices."""

import ctypes
import subprocess

import numpy as np
import pytest
from support import seeds
from support.host import STRICT

from pqk import assets

NAMES = ("memcpy", "memmove", "memset")


@pytest.fixture(scope="module", params=[[], ["-D__ARM_FEATURE_UNALIGNED=1"]], ids=["aligned", "unaligned"])
def library(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> ctypes.CDLL:
    target = tmp_path_factory.mktemp("mem") / "mem.so"
    renamed = [*request.param, *(f"-D{name}=pqk_{name}" for name in NAMES)]  # else the C library's would be called
    source = assets.directory("firmware") / "mem.c"
    subprocess.run(["gcc", *STRICT, "-O2", "-shared", "-fPIC", *renamed, str(source), "-o", str(target)], check=True)
    loaded = ctypes.CDLL(str(target))
    for name in NAMES:
        function = getattr(loaded, f"pqk_{name}")  # indexing would make a new object each time
        function.restype = ctypes.c_void_p
        value = ctypes.c_int if name == "memset" else ctypes.c_void_p
        function.argtypes = [ctypes.c_void_p, value, ctypes.c_size_t]
    return loaded


def test_against_slices(library: ctypes.CDLL) -> None:
    rng = seeds.fresh("mem")
    for _ in range(3000):
        memory = rng.integers(0, 256, 96, dtype=np.uint8)
        expected = bytearray(memory.tobytes())
        base, count = memory.ctypes.data, int(rng.integers(0, 48))
        source, target = (int(rng.integers(0, 96 - count + 1)) for _ in range(2))
        name = str(rng.choice(NAMES))
        if name == "memcpy" and abs(source - target) < count:
            continue  # memcpy's pieces may not overlap
        if name == "memset":
            value = int(rng.integers(-300, 300))
            result = library.pqk_memset(base + target, value, count)
            expected[target : target + count] = bytes([value & 0xFF]) * count
        else:
            result = getattr(library, f"pqk_{name}")(base + target, base + source, count)
            expected[target : target + count] = expected[source : source + count]
        assert result == base + target
        assert memory.tobytes() == bytes(expected)
