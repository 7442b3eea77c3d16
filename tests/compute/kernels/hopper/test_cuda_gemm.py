"""gemm's kernel for Hopper on the emulated GPU, and its PTX on the PTX machine: right products from
every order, and each wait, phase and place that it needs is missed when it is taken out.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from compute.kernels.operator import Cubin
from tests.compute.kernels.finding import faults, need_worker_packages
from tests.needs import require_or_skip

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]
HEADER = ROOT / "compute" / "kernels" / "cuda" / "gemm_hopper.cuh"
NARROW = (128, 64, 64, 16, 64, 3, 1)  # a short ring and a narrow tile: more turns, less to compute
# What is changed in the kernel or its header: each gives wrong values, or is refused.
FAULTS = {
    "nobody waits for the copies": (
        "    barrier_wait(ring.full + ring.stage, ring.parity);\n    keep(c);\n    wgmma_begin();\n"
        "#pragma unroll\n    for (int i = 0; i < 4; i++)\n      wgmma<typename P::T, P::BN, P::A_K",
        "    wgmma_begin();\n"
        "#pragma unroll\n    for (int i = 0; i < 4; i++)\n      wgmma<typename P::T, P::BN, P::A_K",
    ),
    "a stage is filled while it is read": (
        "barrier_wait(ring.empty + ring.stage, ring.parity ^ 1);",
        "",
    ),
    "the wrong phase at first": ("ring.parity ^ 1);", "ring.parity);"),
    "phases never change": ("parity ^= 1;", ""),
    "a stage is given back before it was read": (
        "if (step > 0 && speaks) barrier_arrive(last);",
        "if (speaks) barrier_arrive(ring.empty + ring.stage);",
    ),
    "half of the warps give back": (
        "barrier_init(empty + i, P::GROUPS * 4)",
        "barrier_init(empty + i, P::GROUPS * 2)",
    ),
    "more bytes are announced than come": (
        "barrier_expect(full, P::A_BYTES",
        "barrier_expect(full, 128 + P::A_BYTES",
    ),
    "results are read before they are there": ("  wgmma_wait<0>();\n  keep(c);\n", ""),
    "products of the tile before are kept": ("c[i] = 0.f;", ";"),
    "products may take registers as they were": (
        "    wgmma_begin();\n#pragma unroll\n    for (int i = 0; i < 4; i++)\n"
        "      wgmma<typename P::T, P::BN, P::A_K",
        "#pragma unroll\n    for (int i = 0; i < 4; i++)\n      wgmma<typename P::T, P::BN, P::A_K",
    ),
    "stores may read what was there before": ("    fence_async_shared();\n", ""),
    "a block ends before its stores": ("tma_store_wait<0>();", ";"),
    "tiles across the inner axis lie on one another": (
        "tma_load<2>(to + i * 128, b",
        "tma_load<2>(to, b",
    ),
}
# What shows only where a store reads shared memory when somebody waits for it.
PIECES = {
    "a piece is written while it is stored": ("tma_store_wait_read<1>();", ";"),
    "tiles begin with the same piece": ("turn++ & 1", "part & 1"),
}


@pytest.fixture(autouse=True)
def emulation(monkeypatch: pytest.MonkeyPatch) -> None:
    need_worker_packages()
    if shutil.which("g++") is None:
        require_or_skip("g++ is not installed; it compiles CUDA kernels for the CPU")
    monkeypatch.setenv("K2C_CUDA_ON_CPU", "1")


def changed(old: str, new: str) -> str:
    """The kernel with its header in one text, and ``old``, which must be there once, as ``new``."""
    from compute.kernels.hopper.cuda_gemm import KERNEL

    header = HEADER.read_text(encoding="utf-8")
    source = KERNEL.source.replace('#include "gemm_hopper.cuh"', header)
    assert source.count(old) == 1, old
    return source.replace(old, new)


def error_of(
    numbers: tuple[int, ...],
    shape: tuple[int, int, int],
    dtype: str,
    a_k: bool,
    b_k: bool,
    launches: int = 2,
) -> float:
    """Largest relative error of launches, which take turns with what is asynchronous: as early as
    a GPU may do it, and as late.
    """
    import torch

    from compute.kernels.hopper.cuda_gemm import multiplied
    from compute.kernels.shared.matrices import TilePlan, operand

    (m, n, k), made = shape, torch.Generator().manual_seed(1)
    a, b = (torch.randn(s, generator=made).to(getattr(torch, dtype)) for s in ((m, k), (k, n)))
    left = operand(a if a_k else a.t().contiguous().t())
    right = operand(b.t().contiguous().t() if b_k else b)
    want = a.double() @ b.double()
    worst = 0.0
    for _ in range(launches):
        out = torch.full((m, n), float("nan"), dtype=a.dtype)
        assert multiplied(left, right, out, k, TilePlan(*numbers))
        error = (out.double() - want).norm() / want.norm()
        worst = max(worst, float(error.nan_to_num(1e9)))
    return worst


@pytest.mark.parametrize(
    ("numbers", "shape", "dtype", "a_k", "b_k"),
    [
        ((128, 192, 64, 16, 192, 4, 1), (129, 584, 330), "bfloat16", False, True),
        (NARROW, (63, 200, 264), "bfloat16", True, True),
    ],
)
def test_products_are_right_whatever_the_order_of_operands(
    numbers: tuple[int, ...], shape: tuple[int, int, int], dtype: str, a_k: bool, b_k: bool
) -> None:
    assert error_of(numbers, shape, dtype, a_k, b_k) < (4e-4 if dtype == "float16" else 3e-3)


@pytest.mark.parametrize("fault", PIECES)
def test_a_piece_that_is_still_stored_is_not_written(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight tiles for two blocks."""
    from compute.kernels.hopper import cuda_gemm

    kernel = replace(cuda_gemm.KERNEL, source=changed(*PIECES[fault]))
    monkeypatch.setattr(cuda_gemm, "KERNEL", kernel)
    assert error_of(NARROW, (130, 200, 70), "bfloat16", True, True) > 1e-2


@pytest.fixture
def ptx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Launches run NVRTC's PTX, in three orders of the warps in turn."""
    from compute.kernels.build import cuda as cuda_build
    from tests.compute.kernels.on_ptx import Launcher
    from tests.fakes.ptx.schedule import ORDERS

    monkeypatch.setattr(cuda_build, "emulation_launch", Launcher(90, ORDERS))


@pytest.mark.usefixtures("ptx")
@pytest.mark.parametrize(
    ("numbers", "shape", "dtype", "a_k", "b_k"),
    [
        ((128, 256, 64, 16, 256, 4, 1), (130, 264, 70), "bfloat16", True, False),
        ((128, 192, 64, 16, 192, 4, 1), (129, 584, 200), "float16", False, True),
        *(
            pytest.param(*numbers, marks=pytest.mark.soak)
            for numbers in (
                ((128, 256, 64, 16, 256, 4, 1), (130, 520, 330), "bfloat16", True, True),
                ((128, 128, 64, 16, 128, 6, 1), (300, 257, 520), "float16", False, False),
            )
        ),
    ],
)
def test_the_ptx_is_right_in_every_order_of_warps(
    numbers: tuple[int, ...], shape: tuple[int, int, int], dtype: str, a_k: bool, b_k: bool
) -> None:
    most = 4e-4 if dtype == "float16" else 3e-3
    assert error_of(numbers, shape, dtype, a_k, b_k, launches=6) < most


@pytest.mark.usefixtures("ptx")
@pytest.mark.parametrize("fault", faults(FAULTS))
def test_a_fault_that_a_gpu_would_punish_shows(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four tiles for two blocks, five steps in a ring of three."""
    from compute.kernels.hopper import cuda_gemm
    from tests.fakes.ptx import Deadlock, Fault

    kernel = replace(cuda_gemm.KERNEL, source=changed(*FAULTS[fault]))
    monkeypatch.setattr(cuda_gemm, "KERNEL", kernel)
    numbers = (128, 128, 64, 16, 128, 3, 1)
    try:
        error = error_of(numbers, (130, 200, 300), "bfloat16", True, False)
    except (Deadlock, Fault, RuntimeError):
        return  # the machine says what it was
    assert error > 1e-2


@pytest.mark.parametrize(
    ("shape", "tile"),
    [
        ((8192, 8192), (128, 256)),
        ((2048, 2048), (128, 256)),  # one wave, where 128 x 128 would take two
        ((512, 4096), (128, 128)),  # 64 tiles of 128 x 256 would leave half of the GPU empty
        ((1024, 512), None),
        ((64, 28_672), None),
    ],
)
def test_products_that_fill_an_h100_are_for_warpgroups(
    shape: tuple[int, int], tile: tuple[int, int] | None
) -> None:
    from compute.kernels.plans.gemm import cuda_kind, cuda_plan

    kind = cuda_kind(*shape, 132)
    plan = cuda_plan("bfloat16", 90, kind)
    assert plan.by_warpgroups is (tile is not None)
    assert tile is None or (plan.bm, plan.bn) == tile
    for dtype, arch in (("float32", 90), ("bfloat16", 80), ("bfloat16", 100)):
        assert not cuda_plan(dtype, arch, kind).by_warpgroups


def test_tuning_tries_both_ways_to_multiply_on_hopper() -> None:
    from compute.kernels.build.static import BLOCK_BYTES
    from compute.kernels.hopper.matrices import shared_bytes
    from compute.kernels.plans.gemm import cuda_choice
    from compute.kernels.shared.matrices import TilePlan

    def compiled(dtype: str, arch: int, kind: str, config: tuple[int, ...]) -> Cubin:
        raise AssertionError("nothing is compiled here")

    choice = cuda_choice(compiled)
    for kind in ("large", "medium", "partial"):
        plans = [TilePlan(*config) for config in choice.offered("bfloat16", 90, kind)]
        ours = [plan for plan in plans if plan.by_warpgroups]
        assert plans[0] in ours and len(ours) >= 4 and len(plans) > len(ours)
        assert all(shared_bytes(plan) <= BLOCK_BYTES[90] for plan in ours)
        assert not any(
            TilePlan(*config).by_warpgroups for config in choice.offered("bfloat16", 80, kind)
        )
