"""Every kernel's and every conversion's plain C against the interpreter, buffer by buffer, under sanitizers."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import assets, generate_front_end
from pqk_codegen.kernels.base import Conversion, Kernel
from support import battery, host, seeds
from support.battery import Case

CORES = ("host", "host-mve")
"""Hosts that play other processors."""


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """All kernels, compiled."""
    folder, kernels = tmp_path_factory.mktemp("kernels"), assets.directory("kernels")
    sources = [str(path) for path in sorted(kernels.glob("*.c"))]
    subprocess.run(["gcc", *host.STRICT, *host.SANITIZED, "-c", *sources], check=True, cwd=folder)
    return [str(path) for path in sorted(folder.glob("*.o"))]


@pytest.mark.parametrize("subject", battery.SUBJECTS, ids=lambda subject: subject.name)
def test_battery(subject: Kernel | Conversion, objects: list[str], tmp_path: Path) -> None:
    rng = seeds.fresh(subject.name)
    found = battery.cases(rng, subject, core_of(subject), align=0)
    program = build(found, objects, tmp_path)
    problems = [problem for index, case in enumerate(found) for problem in run(program, index, case)]
    assert not problems, "\n".join(problems)


def test_every_c_file_is_a_kernels() -> None:
    rng = seeds.fresh("sources")
    named: set[str] = set()
    for subject in battery.SUBJECTS:
        for case in battery.cases(rng, subject, core_of(subject), align=0, only=("random",)):
            called = [step.invocation.sources for step in case.program.steps if step.kernel == subject.name]
            named |= {source for sources in called for source in sources if source.endswith(".c")}
    assert named | set(generate_front_end.SOURCES) == {path.name for path in assets.directory("kernels").glob("*.c")}


def core_of(subject: Kernel | Conversion) -> str:
    return next((core for core in CORES if battery.kinds_of(subject, core)), CORES[0])


def build(found: list[Case], objects: list[str], folder: Path) -> Path:
    battery.write(found, folder)
    sources = [*sorted(folder.glob("*.c")), *(battery.C_FILES / name for name in ("battery.c", "host.c"))]
    include = [f"-I{path}" for path in (folder, battery.C_FILES, assets.directory("kernels"))]
    compiler = ["gcc", *host.STRICT, *host.SANITIZED, "-O0"]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # each waits for a compiler of its own
        list(
            pool.map(
                lambda source: subprocess.run([*compiler, *include, "-c", source], check=True, cwd=folder), sources
            )
        )
    own = sorted(map(str, folder.glob("*.o")))
    program = folder / "battery"
    subprocess.run([*compiler, *own, *objects, "-o", str(program)], check=True)
    return program


def run(program: Path, index: int, case: Case) -> list[str]:
    """What is wrong with a case: the first thing, from which the rest follows."""
    result = subprocess.run([str(program), str(index)], capture_output=True, check=False)
    if result.returncode:
        told = re.findall(r"(?m)^.*(?:runtime error|ERROR|    #[012] |SUMMARY).*$", result.stderr.decode())
        return [f"{case.name}: ended with {result.returncode}; {'; '.join(told[:6])}"]
    place = 0
    for clip in range(len(case.x)):
        for step, name in enumerate(battery.written(case)):
            expected = case.expected[name][clip]
            damaged, checked = np.frombuffer(result.stdout, np.uint32, 2, place)
            written = np.frombuffer(result.stdout, np.uint8, len(expected), place + 8)
            place += 8 + len(expected)
            wrong = np.flatnonzero((written ^ expected) & battery.meaning(case.program.layouts[name]))
            assert checked == (len(wrong) == 0)
            if damaged or len(wrong):
                return [battery.problem(case, clip, step, damaged, f"{len(wrong)} bytes wrong from {wrong[:1]} on")]
    assert place == len(result.stdout)
    return []
