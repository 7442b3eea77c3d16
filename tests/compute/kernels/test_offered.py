"""What tuning may choose is right before anybody times it: Triton's, in the interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compute.kernels.finding import need_worker_packages

# one of each launcher
NAMES = ("softmax", "vector_add", "silu_and_mul", "gemm", "scaled_mm", "int4_linear",
         "attention", "paged_decode_attention")  # fmt: skip
ROOT = Path(__file__).parents[3]


@pytest.mark.soak  # 7 s; the tuner itself checks each before it is timed
def test_every_offered_configuration_is_right() -> None:
    need_worker_packages()
    done = subprocess.run(
        [sys.executable, "-m", "tests.compute.kernels.offered", *NAMES],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.stdout, done.stderr
    count, *lines = done.stdout.splitlines()
    assert lines == []
    assert int(count.split()[0]) > 80
