"""firmware/setup.c on the host: which registers it reads and writes, in what order, and how long it waits."""

import dataclasses
import subprocess
from pathlib import Path

import pytest
from support.device import BOARD
from support.host import STRICT

from pqk import assets, firmware
from pqk.boards import Step

BASE = 0x7000_0000
HARNESS = Path(__file__).with_name("registers.c")


def carried_out(folder: Path, *steps: Step) -> list[str]:
    """What the harness says of these steps; its register 1 becomes 0x10 when it is read for the 100th time."""
    firmware.render(dataclasses.replace(BOARD, setup=steps), folder)
    sources = assets.directory("firmware")
    flags = ["gcc", *STRICT, "-O2", f"-I{folder}", f"-I{sources}"]
    watched = ["-fsanitize=thread", "-Wno-int-to-pointer-cast", "-c", str(sources / "setup.c")]
    subprocess.run([*flags, *watched, "-o", "setup.o"], cwd=folder, check=True)
    subprocess.run([*flags, str(HARNESS), "setup.o", "-o", "setup"], cwd=folder, check=True)
    run = subprocess.run([folder / "setup"], capture_output=True, text=True, check=True, timeout=60)
    return run.stdout.splitlines()


def test_steps_are_carried_out_in_order(tmp_path: Path) -> None:
    said = carried_out(
        tmp_path,
        Step(BASE + 8, set=0x0000_0003),
        Step(BASE, clear=0xF000_0000, set=0x1000_0001),
        Step(BASE + 8, clear=0x0001_0001),
    )
    assert said[:7] == ["write 2", "barrier", "write 0", "barrier", "write 2", "barrier", "stuck 0"]
    values = [line.partition(", ")[2] for line in said[7:]]
    assert values == ["1fff0001", "ffff0000", "fffe0002", "ffff0000"]


def test_it_waits_until_all_bits_are_there(tmp_path: Path) -> None:
    said = carried_out(tmp_path, Step(BASE + 4, wait=0x0001_0010), Step(BASE, set=1))
    assert said == ["write 0", "barrier", "stuck 0", said[3], "100 reads, ffff0010", *said[5:]]


@pytest.mark.parametrize("wait", [0x1, 0x1_0001])
def test_it_does_not_wait_for_ever(wait: int, tmp_path: Path) -> None:
    steady, vain = Step(BASE + 8, wait=0x8000_0000), Step(BASE + 12, wait=wait)
    unneeded = dataclasses.replace(vain, needed=False)
    said = carried_out(tmp_path, steady, unneeded, vain, Step(BASE, set=1), vain, steady)
    assert said[:3] == ["write 0", "barrier", "stuck 3"]
    assert said[-1] == "3000000 reads, ffff0000"
