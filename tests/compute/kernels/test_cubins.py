"""What is compiled, read from the cubin: no spills, wide loads, the tensor cores that are there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compute.kernels.finding import names, need_worker_packages

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["triton", "cuda"])
def test_kernels_compile_for_hopper_without_spills(backend: str) -> None:
    """One dtype and architecture: with nothing cached all of them take 20 minutes."""
    assert said_of(backend) == [f"{len(names())} operators"]


@pytest.mark.soak
@pytest.mark.parametrize("backend", ["triton", "cuda"])
def test_kernels_compile_for_every_architecture_without_spills(backend: str) -> None:
    assert said_of(backend, "--every") == [f"{len(names())} operators"]


def said_of(*arguments: str) -> list[str]:
    """The lines of ``tests.compute.kernels.cubins``."""
    need_worker_packages()
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.compute.kernels.cubins", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    assert done.stdout, done.stderr
    return done.stdout.splitlines()
