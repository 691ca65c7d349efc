"""What streams reuse is built where it can be and fits, and left out, with the reason, where not."""

import dataclasses
from pathlib import Path

import pytest
from pqk_codegen.ir import Network
from support import seeds
from support.networks import Builder, res8

from pqk import boards, firmware
from pqk.boards import Board, Region
from pqk.build import Compiled, compile_network, listener
from pqk.errors import FitError, ModelError
from pqk.project import BuildConfig, Project, StreamConfig

BOARD = boards.load("mps2-an386")
WORDS = tuple(f"word {index}" for index in range(10))
WHOLE = "in a stream every window is computed as a whole: "
FAST = BuildConfig()
PROJECT = Project(Path("project"), "demo", WORDS)


@pytest.fixture
def narrow() -> Network:
    return res8(seeds.fresh("res8"), 6)


def compiled(
    network: Network,
    folder: Path,
    board: Board = BOARD,
    project: Project = PROJECT,
    config: BuildConfig = FAST,
) -> Compiled:
    heard = listener(project, network)
    return compile_network(network, board, folder / "firmware", config, lambda _: None, listener=heard)


def with_ram(size: int) -> Board:
    memory = dataclasses.replace(BOARD.memory, ram=Region(BOARD.memory.ram.origin, size))
    return dataclasses.replace(BOARD, memory=memory)


def test_streams_reuse_rows_unless_the_project_says_no(narrow: Network, tmp_path: Path) -> None:
    made = compiled(narrow, tmp_path)
    assert made.chunk is not None
    assert (made.chunk.chunked.hop, made.notes) == (10, ())
    other = dataclasses.replace(PROJECT, stream=StreamConfig(reuse=False))
    whole = compiled(narrow, tmp_path, project=other)
    assert (whole.chunk, whole.notes) == (None, ())
    assert whole.flash < made.flash
    assert whole.sizes["ram"]["total"] < made.sizes["ram"]["total"]


def test_without_room_windows_are_computed_as_a_whole(narrow: Network, tmp_path: Path) -> None:
    """In the RAM, which is known beforehand, and within a limit on flash, which the linker knows."""
    whole = compiled(narrow, tmp_path, project=dataclasses.replace(PROJECT, stream=StreamConfig(reuse=False)))
    made = compiled(narrow, tmp_path)
    assert made.chunk is not None
    small = whole.sizes["ram"]["total"] + made.chunk.state // 2
    tight = compiled(narrow, tmp_path, with_ram(small + firmware.FIRMWARE_RAM))
    assert tight.chunk is None
    assert tight.notes == (WHOLE + "mps2-an386 has no room for what they share",)
    smallest = compiled(narrow, tmp_path, config=BuildConfig(objective="size")).flash
    just = compiled(narrow, tmp_path, config=BuildConfig(flash_limit_kb=smallest / 1024))
    assert just.flash <= smallest
    assert WHOLE + "build.flash_limit_kb has no room for what they share" not in just.notes
    limited = compiled(narrow, tmp_path, config=BuildConfig(flash_limit_kb=(smallest - 1) / 1024))
    assert limited.chunk is None
    assert limited.flash < smallest
    assert limited.notes == (WHOLE + "build.flash_limit_kb has no room for what they share",)
    with pytest.raises(FitError, match="flash_limit_kb = 2 cannot be met"):
        compiled(narrow, tmp_path, config=BuildConfig(flash_limit_kb=2))
    roomy = compiled(narrow, tmp_path, config=BuildConfig(flash_limit_kb=made.flash / 1024))
    assert roomy.chunk is not None
    assert roomy.flash <= made.flash


def test_why_windows_share_nothing_is_said(tmp_path: Path) -> None:
    builder = Builder(seeds.fresh("short"), (1, 101, 40))
    for _ in range(3):
        builder.conv(1, (51, 1), padding=(25, 0, 25, 0))
    made = compiled(builder.finish(WORDS), tmp_path)
    assert made.chunk is None
    assert made.notes == (WHOLE + "random: zero padding reaches every row of what is averaged",)


def test_a_network_for_another_front_end_is_refused(tmp_path: Path) -> None:
    builder = Builder(seeds.fresh("other"), (1, 50, 40))
    builder.conv(2)
    with pytest.raises(ModelError, match=r"takes \(1, 50, 40\), the front end makes \(1, 101, 40\)"):
        compiled(builder.finish(WORDS), tmp_path)
