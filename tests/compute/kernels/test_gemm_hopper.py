"""gemm's kernel for Hopper on the emulated GPU: right products from every order, and each wait,
phase and place that it needs is missed when it is taken out.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.compute.kernels.finding import need_worker_packages
from tests.needs import require_or_skip

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
HEADER = ROOT / "compute" / "kernels" / "cuda" / "gemm_hopper.cuh"
NARROW = (128, 64, 64, 16, 64, 3, 1)  # a short ring and a narrow tile: more turns, less to compute
# What is changed in the kernel or its header: each gives wrong values, or is refused.
FAULTS = {
    "nobody waits for the copies": ("barrier_wait(ring.full + ring.stage, ring.parity);", ""),
    "a stage is filled while it is read": (
        "barrier_wait(ring.empty + ring.stage, ring.parity ^ 1);", ""),
    "phases never change": ("parity ^= 1;", ""),
    "a stage is given back before it was read": (
        "if (step > 0 && speaks) barrier_arrive(last);",
        "if (speaks) barrier_arrive(ring.empty + ring.stage);"),
    "results are read before they are there": ("  wgmma_wait<0>();\n  keep(c);\n", ""),
    "half of the warps give back": ("barrier_init(empty + i, P::GROUPS * 4)",
                                    "barrier_init(empty + i, P::GROUPS * 2)"),
    "a piece is written while it is stored": ("tma_store_wait_read<1>();", ";"),
    "tiles begin with the same piece": ("turn++ & 1", "part & 1"),
    "products of the tile before are kept": ("step > 0 || i > 0);", "true);"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def emulation(monkeypatch: pytest.MonkeyPatch) -> None:
    need_worker_packages()
    if shutil.which("g++") is None:
        require_or_skip("g++ is not installed; it compiles CUDA kernels for the CPU")
    monkeypatch.setenv("K2C_CUDA_ON_CPU", "1")


def changed(old: str, new: str) -> str:
    """The kernel with its header in one text, and ``old``, which must be there once, as ``new``."""
    from compute.kernels.gemm_hopper import KERNEL

    header = HEADER.read_text(encoding="utf-8")
    source = KERNEL.source.replace('#include "gemm_hopper.cuh"', header)
    assert source.count(old) == 1, old
    return source.replace(old, new)


def error_of(
    numbers: tuple[int, ...], shape: tuple[int, int, int], dtype: str, a_k: bool, b_k: bool
) -> float:
    """Largest relative error of two launches, one of each order of what is asynchronous."""
    import torch

    from compute.kernels.gemm_hopper import multiplied
    from compute.kernels.matrices import TilePlan, operand

    (m, n, k), made = shape, torch.Generator().manual_seed(1)
    a, b = (torch.randn(s, generator=made).to(getattr(torch, dtype)) for s in ((m, k), (k, n)))
    left = operand(a if a_k else a.t().contiguous().t())
    right = operand(b.t().contiguous().t() if b_k else b)
    want = a.double() @ b.double()
    worst = 0.0
    for _ in range(2):
        out = torch.full((m, n), float("nan"), dtype=a.dtype)
        assert multiplied(left, right, out, k, TilePlan(*numbers))
        error = (out.double() - want).norm() / want.norm()
        worst = max(worst, float(error.nan_to_num(1e9)))
    return worst


@pytest.mark.parametrize(
    ("numbers", "shape", "dtype", "a_k", "b_k"),
    [
        ((128, 256, 64, 16, 256, 4, 1), (130, 520, 200), "bfloat16", True, True),
        ((128, 128, 64, 16, 128, 6, 1), (300, 257, 70), "float16", False, False),
        ((128, 192, 64, 16, 192, 4, 1), (129, 393, 330), "bfloat16", False, True),
        (NARROW, (63, 200, 264), "bfloat16", True, True),
    ],
)
def test_products_are_right_whatever_the_order_of_operands(
    numbers: tuple[int, ...], shape: tuple[int, int, int], dtype: str, a_k: bool, b_k: bool
) -> None:
    assert error_of(numbers, shape, dtype, a_k, b_k) < (4e-4 if dtype == "float16" else 3e-3)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_a_gpu_would_punish_shows(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight tiles for two blocks, five steps in a ring of three."""
    from compute.kernels import gemm_hopper

    kernel = replace(gemm_hopper.KERNEL, source=changed(*FAULTS[fault]))
    monkeypatch.setattr(gemm_hopper, "KERNEL", kernel)
    try:
        error = error_of(NARROW, (130, 200, 300), "bfloat16", True, True)
    except RuntimeError:
        return  # the emulated GPU saw it
    assert error > 1e-2
