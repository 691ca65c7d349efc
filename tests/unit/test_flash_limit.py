"""Which programs are linked where flash is limited, and which is taken: estimates are off by different amounts."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pqk_codegen.choice import Objective
from support import seeds

from pqk.build import ATTEMPTS, DOUBT, _Search
from pqk.errors import FitError

LIBRARY = 4000  # bytes of which no estimate knows


class Kernels:
    """Programs as (estimate, bytes by which it is off), each faster than the one before it."""

    def __init__(self, *programs: tuple[int, int]) -> None:
        self.plans = [SimpleNamespace(flash=estimate - 100, code=100, off=off) for estimate, off in programs]
        self.linked: set[Path] = set()
        self.room = 1 << 20

    def plan(self, wanted: Objective) -> Any:
        limit = wanted.flash_limit
        assert limit is not None
        return [plan for plan in self.plans if plan.flash + plan.code <= limit][-1]

    def compiled(self, plan: Any, directory: Path) -> Any:
        assert directory not in self.linked
        self.linked.add(directory)
        if self.made(plan).flash > self.room:
            raise FitError("no room", "a larger board")
        return self.made(plan)

    def made(self, plan: Any) -> Any:
        return SimpleNamespace(plan=plan, flash=LIBRARY + plan.flash + plan.code + plan.off)

    def flash(self, number: int) -> int:
        return int(self.made(self.plans[number]).flash)

    def fastest(self, limit: int) -> int:
        """Number of the program that is taken."""
        search = _Search(limit, self.plan, Objective(), self, Path("firmware"))  # type: ignore[arg-type]
        return self.plans.index(search.fastest(self.made(self.plans[0])))  # type: ignore[arg-type]


def test_all_is_allowed() -> None:
    kernels = Kernels((1000, 0), (2000, 30), (3000, -20))
    assert kernels.fastest(kernels.flash(2)) == 2
    assert len(kernels.linked) == 1


@pytest.mark.parametrize("off", [-DOUBT, -4, 0, 4, 200])
def test_a_byte_too_many(off: int) -> None:
    """Whatever its estimate said, the next one is taken, not the smallest."""
    kernels = Kernels((1000, 0), (2400, off - 90), (3000, off))
    assert kernels.fastest(kernels.flash(2) - 1) == 1


@pytest.mark.parametrize("off", [-DOUBT, -300, 0, 300])
def test_one_that_fits_exactly_behind_one_that_does_not(off: int) -> None:
    kernels = Kernels((1000, 0), (2000, off), (2200, off + 400))
    assert kernels.fastest(kernels.flash(1)) == 1


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("off", [600, 900])
def test_the_smallest_is_further_off_than_the_others(off: int, number: int) -> None:
    """As where streams have kernels of their own, which faster programs share."""
    kernels = Kernels((1000, off), (2000, 0), (2300, 0), (3000, 0))
    assert kernels.fastest(kernels.flash(number)) == number


def test_nothing_else_fits() -> None:
    kernels = Kernels((1000, 0), (1001, 300), (1100, 300))
    assert kernels.fastest(kernels.flash(0)) == 0


def test_a_board_without_room_for_what_the_limit_allows() -> None:
    kernels = Kernels((1000, 0), (2000, 0), (3000, 0))
    kernels.room = kernels.flash(1)
    assert kernels.fastest(kernels.flash(2)) == 1


def test_what_is_taken_is_within_the_limit() -> None:
    rng = seeds.fresh("programs")
    for _ in range(300):
        count = int(rng.integers(1, 12))
        estimates, off = 1000 + rng.integers(1, 900, count).cumsum(), rng.integers(-400, 400, count)
        kernels = Kernels(*zip(estimates.tolist(), off.tolist(), strict=True))
        limit = kernels.flash(0) + int(rng.integers(0, 4000))
        taken = kernels.fastest(limit)
        assert kernels.flash(taken) <= limit
        assert len(kernels.linked) <= ATTEMPTS


def test_estimates_that_are_all_off_by_the_same() -> None:
    """Then the fastest is found."""
    rng = seeds.fresh("programs")
    for _ in range(300):
        count = int(rng.integers(1, 12))
        estimates, off = 1000 + rng.integers(1, 900, count).cumsum(), int(rng.integers(-400, 400))
        kernels = Kernels(*((estimate, off) for estimate in estimates.tolist()))
        limit = kernels.flash(0) + int(rng.integers(0, 4000))
        taken = kernels.fastest(limit)
        assert taken == max(number for number in range(count) if kernels.flash(number) <= limit)
