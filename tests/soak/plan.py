"""What a run of the soaks is told from outside: the seed of its chances, and how long to go on.

A seed fixes what is asked and what goes wrong in which order; how processes interleave it cannot
fix, so a finding may take a few runs of its seed to show again.
"""

from __future__ import annotations

import os
import random
import secrets

from tests.bench.harness import figure, title

SEED, SECONDS = "K2C_SOAK_SEED", "K2C_SOAK_S"
DEFAULT_S = 60.0


def begin(what: str) -> random.Random:
    """The chances of one test, its seed on the screen."""
    seed = os.environ.get(SEED) or str(secrets.randbelow(10**6))
    title(f"{what} ({SEED}={seed} {SECONDS}={seconds():g})")
    return random.Random(f"{what} {seed}")


def seconds() -> float:
    """How long each test goes on, in s."""
    return float(os.environ.get(SECONDS) or DEFAULT_S)


def figures(**values: object) -> None:
    """One line for each figure."""
    for name, value in values.items():
        figure(name.replace("_", " "), value)
