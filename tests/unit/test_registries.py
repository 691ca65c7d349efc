"""A file that is in no registry would never be used: folders and registries agree."""

from pathlib import Path

import pytest
from pqk_codegen import assets as codegen_assets
from pqk_codegen import kernels, ops

from pqk import assets, boards, runners

HELPERS = {"base", "geometry", "lane_stream", "lanes", "scaling", "straight", "straight_v6m"}  # what kernels share

REGISTRIES = {
    "ops": (ops, ops.OPS.values(), {"convolution"}),
    "kernels": (kernels, [type(unit) for unit in (*kernels.KERNELS, *kernels.CONVERSIONS)], HELPERS),
    "runners": (runners, [type(runner) for runner in runners.RUNNERS.values()], set()),
}


@pytest.mark.parametrize("name", REGISTRIES)
def test_every_file_is_registered(name: str) -> None:
    package, registered, helpers = REGISTRIES[name]
    files = {path.stem for path in Path(str(package.__file__)).parent.glob("*.py")} - {"__init__"} - helpers
    assert files == {kind.__module__.rpartition(".")[2] for kind in registered}


def test_names_are_unique_and_every_c_file_is_named() -> None:
    names = [unit.name for unit in (*kernels.KERNELS, *kernels.CONVERSIONS)]
    assert len(set(names)) == len(names)
    texts = [path.read_text() for path in Path(str(kernels.__file__)).parent.glob("*.py")]
    for path in codegen_assets.directory("kernels").glob("*.c"):
        # Some files are named after the kernel's name, by f"{self.name}.c".
        assert path.stem in names or any(f'"{path.name}"' in text for text in texts), path.name


def test_every_board_loads_and_is_called_like_its_file() -> None:
    files = {path.stem for path in assets.directory("boards").glob("*.toml")}
    assert files == set(boards.names()) == {boards.load(name).name for name in boards.names()}
