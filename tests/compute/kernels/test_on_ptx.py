"""CUDA kernels as NVRTC compiles them, inline assembly included, are right on the PTX machine: the
values, no access outside of a tensor, no deadlock, whichever warp runs first.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.compute.kernels import on_machine
from tests.compute.kernels.finding import names, need_nvrtc

ROOT = Path(__file__).parents[3]
# Without tensor cores, each of another pattern; `make soak` runs all.
SIMPLE = ("copy", "rms_norm", "softmax", "rope", "cross_entropy", "topk_softmax")
# On tensor cores, with the case that has the most edges.
RAGGED = {
    "gemm": "150x520x72",
    "attention": "B1 H4 HK2 SQ70 SK100 D64 causal1",
    "grouped_gemm": "odd",
    "int4_linear": "16x72x256 by 64",
    "paged_decode_attention": "heads of 80, blocks of 5",
}


def wrong(*arguments: str) -> list[str]:
    """What the runner finds wrong."""
    need_nvrtc()
    return on_machine.wrong("on_ptx", *arguments)


def planted(*arguments: str) -> str:
    """What ``tests.compute.kernels.planted`` prints: more than a count where one is unnoticed."""
    need_nvrtc()
    command = [sys.executable, "-m", "tests.compute.kernels.planted", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_operators_without_tensor_cores_are_right_as_compiled_for_hopper() -> None:
    """12 to 25 s, the longer where nothing is compiled yet."""
    assert wrong(*SIMPLE, "--dtype", "bfloat16") == []


@pytest.mark.slow
def test_operators_on_tensor_cores_are_right_as_compiled_for_ampere() -> None:
    """cp.async, ldmatrix and mma.sync: 6 to 12 s."""
    flags = [word for case in RAGGED.values() for word in ("--case", case)]
    assert wrong(*RAGGED, "--arch", "80", "--dtype", "bfloat16", *flags) == []


@pytest.mark.slow
def test_a_fault_planted_in_any_header_is_noticed() -> None:
    assert planted() == "7 faults"


@pytest.mark.soak
def test_each_barrier_and_wait_is_missed_when_it_is_taken_out() -> None:
    assert planted("--every") == "25 faults"


@pytest.mark.soak
@pytest.mark.parametrize("arch", ["80", "90"])
@pytest.mark.parametrize("operator", names())
def test_every_operator_is_right_in_every_dtype(operator: str, arch: str) -> None:
    assert wrong(operator, "--arch", arch) == []
