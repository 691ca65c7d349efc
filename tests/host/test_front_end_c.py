"""The front end's C on the host, under sanitizers, equals the definition bit for bit."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pqk_codegen.frontend import FrontEndSpec
from pqk_codegen.generate_front_end import generate_front_end
from support import front_end, seeds
from support.host import SANITIZED, STRICT

MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include "front_end.h"
int main(void) {
    /* On the heap and exactly as large as the contract says, so that the sanitizer sees what is beyond. */
    int16_t *samples = malloc(PQK_WINDOW * sizeof *samples);
    uint8_t *features = malloc(PQK_FRAME_FEATURES);
    uint32_t *scratch = malloc(PQK_FRONT_END_SCRATCH * sizeof *scratch);
    while (fread(samples, sizeof *samples, PQK_WINDOW, stdin) == PQK_WINDOW) {
        pqk_front_end_frame(&pqk_front_end_tables, samples, features, scratch);
        fwrite(features, 1, PQK_FRAME_FEATURES, stdout);
    }
    free(samples);
    free(features);
    free(scratch);
    return 0;
}
"""
SPECS = {"log-mel": front_end.LOG_MEL, "mlperf": front_end.MLPERF_TINY, "long": front_end.LONG}


def build(spec: FrontEndSpec, folder: Path) -> Path:
    front_end.write(spec, folder)
    (folder / "main.c").write_text(MAIN)
    program = folder / "program"
    sources = [str(path) for path in sorted(folder.glob("*.c"))]
    subprocess.run(["gcc", *STRICT, *SANITIZED, *sources, "-o", str(program)], check=True)
    return program


def run(program: Path, spec: FrontEndSpec, frames: np.ndarray) -> np.ndarray:
    result = subprocess.run([str(program)], input=frames.astype("<i2").tobytes(), capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()[-3000:]
    return np.frombuffer(result.stdout, front_end.FrontEnd(spec).dtype).reshape(len(frames), spec.features)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: build(spec, tmp_path_factory.mktemp(name)) for name, spec in SPECS.items()}


@pytest.mark.parametrize("name", SPECS)
def test_frames_of_all_sorts(name: str, programs: dict[str, Path]) -> None:
    frames = front_end.frames_of_all_sorts(seeds.fresh(name), SPECS[name].window, 2000)
    expected = front_end.features(SPECS[name], frames)
    assert len(np.unique(expected)) > 100
    np.testing.assert_array_equal(run(programs[name], SPECS[name], frames), expected)


@pytest.mark.parametrize("turn", range(6))
def test_any_front_end(turn: int, tmp_path: Path) -> None:
    rng = seeds.fresh(f"front end {turn}")
    spec = front_end.draw(rng)
    frames = front_end.frames_of_all_sorts(rng, spec.window, 300)
    np.testing.assert_array_equal(run(build(spec, tmp_path), spec, frames), front_end.features(spec, frames), str(spec))


@pytest.mark.parametrize("window", [128, 130, 254, 256, 258, 382, 384, 386, 510, 512, 514, 766, 768, 770, 1022, 1024])
def test_windows_that_end_at_a_leg_s_edge(window: int, tmp_path: Path) -> None:
    spec = FrontEndSpec(window=window, bands=12)
    frames = front_end.frames_of_all_sorts(seeds.fresh(f"window {window}"), window, 60)
    np.testing.assert_array_equal(run(build(spec, tmp_path), spec, frames), front_end.features(spec, frames))


SAMPLES = st.one_of(
    st.integers(-32768, 32767), st.sampled_from([-32768, 32767, 0, -1, 1, 16383, 16384, -16384, -16385])
)


@given(
    frame=arrays.arrays(np.int16, 480, elements=SAMPLES, fill=st.sampled_from([0, -32768, 32767, 1])),
    shift=st.integers(0, 15),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@pytest.mark.parametrize("name", ["log-mel", "mlperf"])
def test_extremes(name: str, programs: dict[str, Path], frame: np.ndarray, shift: int) -> None:
    frames = np.stack([frame, frame >> shift])
    np.testing.assert_array_equal(run(programs[name], SPECS[name], frames), front_end.features(SPECS[name], frames))


def test_equal_specs_give_equal_bytes() -> None:
    assert generate_front_end(FrontEndSpec()) == generate_front_end(FrontEndSpec())
    assert generate_front_end(FrontEndSpec()) != generate_front_end(FrontEndSpec(bands=39))
