"""What the project says about size is kept by the linked firmware, not only by estimates."""

import math
import re
from pathlib import Path

import pytest
from pqk_codegen.ir import Network
from support import seeds
from support.networks import random_network, res8

from pqk import boards, build
from pqk.build import Compiled, compile_network
from pqk.errors import FitError
from pqk.project import BuildConfig

BOARD = boards.load("mps2-an386")


def compiled(network: Network, folder: Path, config: BuildConfig) -> Compiled:
    built = compile_network(network, BOARD, folder / "firmware", config, lambda _: None)
    assert built.flash == (built.directory / "firmware.bin").stat().st_size
    return built


@pytest.fixture
def narrow() -> Network:
    return res8(seeds.fresh("res8"), 6, 4, 0.8)


def speed(built: Compiled) -> float:
    return built.plan.cost.instructions


def test_a_limit_on_flash_is_kept_by_something_faster_than_the_smallest(narrow: Network, tmp_path: Path) -> None:
    fast = compiled(narrow, tmp_path, BuildConfig())
    small = compiled(narrow, tmp_path, BuildConfig(objective="size"))
    assert small.flash < fast.flash
    assert speed(small) > speed(fast)
    for limit in ((small.flash + fast.flash) // 2, fast.flash - 1):
        limited = compiled(narrow, tmp_path, BuildConfig(flash_limit_kb=limit / 1024))
        assert limited.flash <= limit
        assert speed(limited) < speed(small)


def test_an_impossible_limit_names_the_smallest_that_is_possible(tmp_path: Path) -> None:
    network = random_network(seeds.fresh("network"))
    with pytest.raises(FitError, match=r"build.flash_limit_kb = 1 cannot be met") as caught:
        compiled(network, tmp_path, BuildConfig(flash_limit_kb=1))
    found = re.search(r"takes ([\d,]+) bytes", caught.value.message)
    assert found
    smallest = int(found[1].replace(",", ""))
    assert compiled(network, tmp_path, BuildConfig(flash_limit_kb=smallest / 1024)).flash <= smallest
    assert compiled(network, tmp_path, BuildConfig(objective="size")).flash == smallest
    with pytest.raises(FitError, match=f"takes {smallest:,} bytes"):
        compiled(network, tmp_path, BuildConfig(flash_limit_kb=(smallest - 1) / 1024))
    hint = re.search(r"flash_limit_kb = ([\d.]+) or more", caught.value.hint)
    assert hint
    assert float(hint[1]) == math.ceil(10 * smallest / 1024) / 10
    assert compiled(network, tmp_path, BuildConfig(flash_limit_kb=float(hint[1]))).flash <= 1024 * float(hint[1])


def test_code_specialised_to_weights_keeps_to_its_limit(narrow: Network, tmp_path: Path) -> None:
    limits = (0.0, 16.0)
    built = [compiled(narrow, tmp_path / str(limit), BuildConfig(straight_line_kb=limit)) for limit in limits]
    for limit, result in zip(limits, built, strict=True):
        symbols = [layer.code_symbol for layer in result.plan.layers if layer.code_symbol]
        assert sum(result.sizes["symbols"][symbol] for symbol in symbols) <= 1.02 * 1024 * limit
    assert speed(built[0]) > speed(built[1])


def test_a_second_build_within_a_limit_compiles_nothing(
    narrow: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = compiled(narrow, tmp_path, BuildConfig()).flash
    config = BuildConfig(flash_limit_kb=(fast - 1) / 1024)
    assert compiled(narrow, tmp_path, config).fresh
    monkeypatch.delattr(build, "_compile")  # nothing calls it
    assert not compiled(narrow, tmp_path, config).fresh
