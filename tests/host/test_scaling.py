"""Requantisation without long multiplications against its definition, for every value that can occur."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pqk_codegen.kernels.scaling import short_scaling
from pqk_codegen.kernels.straight_v6m import scaled
from support import seeds
from support.host import STRICT

FIELDS = ("r2", "r3", "r4", "r5", "r6", "r7")


def draw(rng: np.random.Generator, bits: int) -> tuple[int, int, int]:
    """Largest value, multiplier below 2^31, largest result; of all magnitudes."""
    high = int(rng.integers(2 ** (bits - 1), 2**bits))
    maximum = 2 ** int(rng.integers(4, 9)) - 1
    multiplier = int(min(maximum * 2.0 ** rng.uniform(28, 36) / high, 2**31 - 1))
    return high, multiplier, maximum


def definition(values: np.ndarray, multiplier: int, maximum: int) -> np.ndarray:
    return np.minimum((values.astype(np.uint64) * np.uint64(multiplier) + np.uint64(2**31)) >> np.uint64(32), maximum)


def test_short_scaling_equals_the_definition() -> None:
    rng, found = seeds.fresh("short scaling"), 0
    for _ in range(400):
        high, multiplier, maximum = draw(rng, int(rng.integers(1, 16)))
        scaling = short_scaling(high, multiplier, maximum)
        if scaling:
            found += 1
            values = np.arange(high + 1, dtype=np.uint64)
            sums = values * np.uint64(scaling.multiplier) + np.uint64(scaling.rounding)
            assert sums.max() < 2**32
            assert (sums >> np.uint64(scaling.shift)).max() < 2**15
            result = np.minimum(sums >> np.uint64(scaling.shift), maximum)
            np.testing.assert_array_equal(result, definition(values, multiplier, maximum), f"{high} {multiplier}")
    assert found > 200


def test_zero_alone_is_scaled_to_zero() -> None:
    scaling = short_scaling(0, 2**30, 127)
    assert scaling is not None
    assert scaling.rounding >> scaling.shift == 0


def test_there_may_be_no_short_scaling() -> None:
    """127 steps over 15 bits want more bits of the multiplier than 32 less 15."""
    assert any(short_scaling(2**15 - 1, multiplier, 127) is None for multiplier in range(2**24, 2**24 + 2000, 97))


@pytest.mark.parametrize("bits", [1, 12, 15, 16, 17, 20])
def test_scaling_in_straight_line_code(bits: int, tmp_path: Path) -> None:
    rng = seeds.fresh("straight-line scaling")
    high, multiplier, maximum = draw(rng, bits)
    values = np.unique(np.concatenate([rng.integers(0, high + 1, 50000), [0, high]])).astype(np.uint32)
    statements = " ".join(instruction.c() for instruction in scaled(("r0", "r1"), high, multiplier, maximum))
    registers = ", ".join(f"{name} = 0" for name in FIELDS)
    uses = " ".join(f"(void){name};" for name in FIELDS)
    source = tmp_path / "scaled.c"
    parameters = "const uint32_t *values, uint32_t n, uint32_t *first, uint32_t *second"
    source.write_text(
        f"""#include <stdint.h>
        void scale({parameters});
        void scale({parameters}) {{
            for (uint32_t i = 0; i < n; i++) {{
                uint32_t r0 = values[i], r1 = values[n - 1 - i], {registers};
                {statements} {uses}
                first[i] = r0;
                second[n - 1 - i] = r1;
            }}
        }}"""
    )
    library = tmp_path / "scaled.so"
    subprocess.run(["gcc", *STRICT, "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    results = np.zeros((2, len(values)), np.uint32)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (values, *results)]
    ctypes.CDLL(str(library)).scale(pointers[0], ctypes.c_uint32(len(values)), *pointers[1:])
    for result in results:
        np.testing.assert_array_equal(result, definition(values, multiplier, maximum), f"{high} {multiplier} {maximum}")
