"""Fresh random values in every run, and a way to get the same ones again."""

import os
import secrets
from collections.abc import Callable
from typing import TypeVar

import numpy as np

DRAWS = 100
T = TypeVar("T")


def fresh(label: str) -> np.random.Generator:
    """A generator with a new seed, printed so that a failure can be repeated with PQK_TEST_SEED=<seed>."""
    seed = int(os.environ.get("PQK_TEST_SEED") or secrets.randbits(32))
    print(f"{label}: PQK_TEST_SEED={seed}")
    return np.random.default_rng(seed)


def until(draw: Callable[[], T], holds: Callable[[T], object]) -> T:
    """The first value drawn that has what a test needs, for what most have, but not all: no test fails for its luck.

    Raises:
        AssertionError: none of DRAWS has it.
    """
    for _ in range(DRAWS):
        if holds(value := draw()):
            return value
    raise AssertionError(f"of {DRAWS} draws none has what the test needs")
