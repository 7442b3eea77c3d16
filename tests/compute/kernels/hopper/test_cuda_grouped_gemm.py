"""grouped_gemm on Hopper, its PTX on the PTX machine: right wherever groups end, and what keeps
rows of other groups apart is missed when it is taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.compute.kernels.finding import faults, need_worker_packages

pytestmark = pytest.mark.slow

HEADER = Path(__file__).parents[4] / "compute" / "kernels" / "cuda" / "gemm_hopper.cuh"
FAULTS = {
    "rows of the next group are stored": ("- 3) * 16 <= end)", "- 4) * 16 < end)"),
    "pairs of the next group are stored": ("if (row + i < end)", "if (row + i < (1 << 30))"),
    "every tile begins a group": ("(tile - first) * BM;", "0;"),
    "groups before the last 32 are forgotten": ("rows_before += __shfl", "rows_before = __shfl"),
    "always the first matrix": ("BN, steps, group);", "BN, steps, 0);"),
    "an empty half gives nothing back": ("pass_tiles(ring, steps);", ""),
    "an empty half gives back what is not there": (
        "    barrier_wait(ring.full + ring.stage, ring.parity);\n    __syncwarp();",
        "    __syncwarp();",
    ),
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


def error_of(sizes: Sequence[int], n: int, k: int, along_k: bool, launches: int) -> float:
    """The largest relative error of ``launches``."""
    import torch

    from compute.kernels.hopper.cuda_grouped_gemm import multiplied

    made, rows, groups = torch.Generator().manual_seed(3), sum(sizes), len(sizes)
    x = torch.randn((rows, k), generator=made).bfloat16()
    w = torch.randn((groups, k, n), generator=made).bfloat16()
    held = w.transpose(1, 2).contiguous() if along_k else w
    parts = zip(torch.split(x.double(), list(sizes)), w.double(), strict=True)
    want = torch.cat([part @ matrix for part, matrix in parts])
    counts, worst = torch.tensor(sizes, dtype=torch.int32), 0.0
    for _ in range(launches):
        out = torch.full((rows, n), float("nan"), dtype=x.dtype)
        line = held.shape[2]
        assert multiplied((x, k), (held, (k * n, line)), along_k, counts, out, k)
        error = (out.double() - want).norm() / want.norm()
        worst = max(worst, float(error.nan_to_num(1e9)))
    return worst


@pytest.mark.parametrize(
    ("sizes", "n", "k", "along_k"),
    [
        ((0, 5, 200, 0, 130, 64), 264, 200, False),
        ((*[0] * 33, 300, 1, *[0] * 31, 129), 72, 328, True),
        ((64, 128, 20), 40, 72, False),
    ],
)
def test_products_are_right_wherever_groups_end(
    sizes: Sequence[int], n: int, k: int, along_k: bool
) -> None:
    assert error_of(sizes, n, k, along_k, launches=6) < 3e-3


def test_rows_that_copies_cannot_store_are_stored_in_pairs() -> None:
    assert error_of((40, 100), 33, 72, True, launches=2) < 3e-3


@pytest.mark.parametrize("fault", faults(FAULTS))
def test_a_fault_that_a_gpu_would_punish_shows(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles beyond a group's end, empty halves, a window of 32 groups that is passed."""
    from compute.kernels.hopper import cuda_grouped_gemm
    from tests.fakes.ptx import Deadlock, Fault

    old, new = FAULTS[fault]
    header = HEADER.read_text(encoding="utf-8")
    source = cuda_grouped_gemm.KERNEL.source.replace('#include "gemm_hopper.cuh"', header)
    assert source.count(old) == 1
    kernel = replace(cuda_grouped_gemm.KERNEL, source=source.replace(old, new))
    monkeypatch.setattr(cuda_grouped_gemm, "KERNEL", kernel)
    try:
        error = error_of((150, 65, *[0] * 29, 9, *[0] * 32, 20), 40, 200, True, launches=2)
    except (Deadlock, Fault, RuntimeError):
        return  # the machine says what it was
    assert error > 1e-2
