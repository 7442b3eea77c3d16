"""fp8 products on Hopper, their PTX on the PTX machine: right with scales of rows and of tensors,
and each wait between the tensor cores and the sums in fp32 is missed when it is taken out.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.compute.kernels.finding import faults, need_worker_packages

pytestmark = pytest.mark.slow

HEADER = Path(__file__).parents[4] / "compute" / "kernels" / "cuda" / "gemm_hopper.cuh"
WAITED = "    wgmma_wait<0>();\n    keep(c);\n    if (threadIdx.x % 32 == 0) barrier_arrive"
# What is changed in the kernel or its header: each gives wrong values, or is refused.
FAULTS = {
    "sums of products that are not there": (WAITED, WAITED.replace("wgmma_wait<0>();", "")),
    "sums of the tile before are kept": ("sum[i] = 0.0f;", "sum[i] = sum[i] + 0.0f;"),
    "products of the stage before are kept": ("b + 2 * i, i > 0);", "b + 2 * i, true);"),
    "a step of half the bytes": ("a + 2 * i, b", "a + i, b"),
    "scales of the upper rows for the lower": ("row + 8, m - 1", "row, m - 1"),
    "scales of one column for its neighbour": ("+ i % 2, n - 1", ", n - 1"),
}


@pytest.fixture(autouse=True)
def ptx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Launches run NVRTC's PTX, in three orders of the warps and early and late in turn."""
    need_worker_packages()
    from compute.kernels.build import cuda as cuda_build
    from tests.compute.kernels.on_ptx import Launcher
    from tests.fakes.ptx.schedule import ORDERS

    monkeypatch.setenv("K2C_CUDA_ON_CPU", "1")
    monkeypatch.setattr(cuda_build, "emulation_launch", Launcher(90, ORDERS))


def error_of(shape: tuple[int, int, int], rowwise: bool, launches: int) -> float:
    """The largest relative error of ``launches``."""
    import torch

    from compute.kernels.hopper.cuda_scaled_mm import multiplied

    (m, n, k), made = shape, torch.Generator().manual_seed(2)
    a, b = (torch.randn((lines, k), generator=made).to(torch.float8_e4m3fn) for lines in (m, n))
    sizes = ((m, 1), (1, n)) if rowwise else ((), ())
    scales = [torch.rand(size, generator=made) + 0.5 for size in sizes]
    want = a.double() @ b.double().t() * scales[0].double() * scales[1].double()
    worst = 0.0
    for _ in range(launches):
        out = torch.full((m, n), float("nan"), dtype=torch.bfloat16)
        assert multiplied(a, b, (k, k), scales, out, k)
        error = (out.double() - want).norm() / want.norm()
        worst = max(worst, float(error.nan_to_num(1e9)))
    return worst


@pytest.mark.parametrize(
    ("shape", "rowwise"), [((130, 392, 656), True), ((300, 193, 48), True), ((65, 24, 144), False)]
)
def test_products_are_right_with_scales_of_rows_and_tensors(
    shape: tuple[int, int, int], rowwise: bool
) -> None:
    assert error_of(shape, rowwise, launches=6) < 3e-3


@pytest.mark.parametrize("fault", faults(FAULTS))
def test_a_fault_that_a_gpu_would_punish_shows(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six tiles for two blocks."""
    from compute.kernels.hopper import cuda_scaled_mm
    from tests.fakes.ptx import Deadlock, Fault

    old, new = FAULTS[fault]
    header = HEADER.read_text(encoding="utf-8")
    source = cuda_scaled_mm.KERNEL.source.replace('#include "gemm_hopper.cuh"', header)
    assert source.count(old) == 1
    kernel = replace(cuda_scaled_mm.KERNEL, source=source.replace(old, new))
    monkeypatch.setattr(cuda_scaled_mm, "KERNEL", kernel)
    try:
        error = error_of((130, 392, 272), True, launches=2)
    except (Deadlock, Fault, RuntimeError):
        return  # the machine says what it was
    assert error > 1e-2


def test_few_rows_and_lines_out_of_step_are_left_to_others() -> None:
    import torch

    from compute.kernels.hopper.cuda_scaled_mm import multiplied

    for m, stride in ((64, 32), (130, 40)):
        a, b = (torch.zeros(lines, stride).to(torch.float8_e4m3fn) for lines in (m, 24))
        out = torch.zeros(m, 24, dtype=torch.bfloat16)
        assert not multiplied(a, b, (stride, stride), (torch.ones(()), torch.ones(())), out, 32)
