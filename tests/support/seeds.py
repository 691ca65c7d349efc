"""Fresh random values in every run, and a way to get the same ones again."""

import os
import secrets

import numpy as np


def fresh(label: str) -> np.random.Generator:
    """A generator with a new seed, printed so that a failure can be repeated with PQK_TEST_SEED=<seed>."""
    seed = int(os.environ.get("PQK_TEST_SEED") or secrets.randbits(32))
    print(f"{label}: PQK_TEST_SEED={seed}")
    return np.random.default_rng(seed)
