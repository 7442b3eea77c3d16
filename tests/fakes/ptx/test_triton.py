"""The PTX machine on code whose compiler is known to be right on hardware: Triton's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compute.kernels.finding import need_worker_packages

ROOT = Path(__file__).parents[3]


def proofs(*arguments: str) -> list[dict[str, object]]:
    """From a process of its own, where Triton is not its own interpreter."""
    need_worker_packages()
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.fakes.ptx.triton_proof", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    assert done.returncode in (0, 1), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("arch", "count"),
    [
        pytest.param("80", 11, marks=pytest.mark.soak),
        pytest.param("90", 33, marks=pytest.mark.slow),
    ],
)
def test_compiled_kernels_are_computed_right(arch: str, count: int) -> None:
    """6 and 15 s."""
    done = proofs(arch)
    assert [p for p in done if not p["right"]] == []
    assert len(done) == count


@pytest.mark.soak
@pytest.mark.parametrize("arch", ["80", "89", "90"])
@pytest.mark.parametrize(
    "how", [["--eager"], ["--order", "forwards"], ["--order", "backwards"]], ids=" ".join
)
def test_they_are_right_at_the_other_extremes(arch: str, how: list[str]) -> None:
    assert [p for p in proofs(arch, "", *how) if not p["right"]] == []
