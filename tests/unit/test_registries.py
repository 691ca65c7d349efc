"""A file that is in no registry would never be used: folders and registries agree."""

from pathlib import Path

import pytest
from pqk_codegen import kernels, ops

from pqk import assets, boards, runners

HELPERS = {"base", "geometry", "lane_stream", "lanes", "scaling", "straight", "straight_v6m"}  # what kernels share

REGISTRIES = {
    "ops": (ops, ops.OPS.values(), {"convolution"}),
    "kernels": (kernels, [type(unit) for unit in (*kernels.KERNELS, *kernels.CONVERSIONS)], HELPERS),
    "runners": (runners, [type(runner) for runner in runners.RUNNERS.values()], {"probe"}),
}


@pytest.mark.parametrize("name", REGISTRIES)
def test_every_file_is_registered(name: str) -> None:
    package, registered, helpers = REGISTRIES[name]
    files = {path.stem for path in Path(str(package.__file__)).parent.glob("*.py")} - {"__init__"} - helpers
    assert files == {kind.__module__.rpartition(".")[2] for kind in registered}


def test_names_are_unique() -> None:
    names = [unit.name for unit in (*kernels.KERNELS, *kernels.CONVERSIONS)]
    assert len(set(names)) == len(names)


def test_every_board_loads_and_is_called_like_its_file() -> None:
    files = {path.stem for path in assets.directory("boards").glob("*.toml")}
    assert files == set(boards.names()) == {boards.load(name).name for name in boards.names()}


def test_every_boot_block_is_some_board_s() -> None:
    files = {path.stem for path in (assets.directory("firmware") / "boot").iterdir()}
    assert files == {board.boot.kind for board in map(boards.load, boards.names()) if board.boot}
