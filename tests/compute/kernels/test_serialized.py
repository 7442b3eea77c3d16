"""No matrix product of Hopper waits for another one because a compiler saw registers touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compute.kernels.finding import need_nvrtc

ROOT = Path(__file__).parents[3]
KERNELS = {"gemm": 3, "attention": 6, "scaled_mm": 2, "grouped_gemm": 2}  # with wgmma, at least


def said_of(*names: str) -> list[str]:
    """Lines of ``tests.compute.kernels.serialized``."""
    need_nvrtc()
    done = subprocess.run(
        [sys.executable, "-m", "tests.compute.kernels.serialized", *names],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.slow if n == "scaled_mm" else pytest.mark.soak)
        for n in KERNELS
    ],
)
def test_products_overlap_with_the_older_ptxas_too(name: str) -> None:
    """20 to 60 s for all, the longer where nothing is compiled yet."""
    lines = said_of(name)
    counts = {line.split(":")[0]: int(line.split()[1]) for line in lines if "kernels" in line[-8:]}
    assert counts[name] >= KERNELS[name]
    assert [line for line in lines if "(C75" in line or "rror" in line or "Unsup" in line] == []


@pytest.mark.slow
def test_a_touched_register_is_said() -> None:
    """The check itself: sums read before they are waited for, or without a first value."""
    need_nvrtc()
    from tests.compute.kernels.serialized import said_of as said
    from tests.fakes.ptx.probes import product

    assert said(product()) == ""
    assert "C75" in said(product(left="7", wait_products=""))
    assert "C75" in said(product(zeros=""))
