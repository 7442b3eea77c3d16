"""Which operators there are, and what their check says, without loading Triton in this process."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

import compute.kernels
from tests.needs import require_or_skip

FOLDER = Path(compute.kernels.__path__[0])


def names() -> list[str]:
    """Operators by their files."""
    files = sorted(FOLDER.glob("*.py"))
    return [f.stem for f in files if "\nOPERATOR = " in f.read_text(encoding="utf-8")]


def need_worker_packages() -> None:
    """torch and triton are the worker's; `make run WORKER=0` leaves them out."""
    for package in ("torch", "triton"):
        if importlib.util.find_spec(package) is None:
            require_or_skip(f"{package} is not installed (make installs it unless WORKER=0)")


def need_nvrtc() -> None:
    """It comes with the worker's packages, on Linux."""
    need_worker_packages()
    try:
        found = importlib.util.find_spec("cuda.bindings.nvrtc")
    except ImportError:
        found = None
    if found is None:
        require_or_skip("NVRTC is not installed (make installs it unless WORKER=0)")


def faults(planted: Iterable[str], kept: int = 4) -> list[ParameterSet | str]:
    """Parameters for faults to notice: ``kept`` of them, spread over all, in `make test`, the
    others in `make soak`. Each is a kernel of its own to compile, 2 s of g++.
    """
    every = list(planted)
    often = {every[i * len(every) // kept] for i in range(min(kept, len(every)))}
    return [f if f in often else pytest.param(f, marks=pytest.mark.soak) for f in every]


def checks(
    operator: str, *backends: str, dtypes: Sequence[str] = (), seed: int = 0
) -> list[dict[str, object]]:
    """Every line of the project's own check, from a process where no GPU is needed."""
    need_worker_packages()
    if "cuda" in backends and shutil.which("g++") is None:
        require_or_skip("g++ is not installed; it compiles CUDA kernels for the CPU")
    flags = [word for backend in backends for word in ("--backend", backend)]
    flags += [word for dtype in dtypes for word in ("--dtype", dtype)]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "compute.kernels.checking", operator, "--json"),
            *(*flags, "--device", "cpu", "--seed", str(seed)),
        ],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "TRITON_INTERPRET": "1",
            "K2C_CUDA_ON_CPU": "1",
            "CUDA_VISIBLE_DEVICES": "",
        },
    )
    assert done.returncode in (0, 1), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
