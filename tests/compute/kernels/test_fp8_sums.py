"""fp8 products of a long inner axis are right where tensor cores keep 13 bits of their sums: by
mma.sync on Ada, whose PTX runs on the PTX machine.
"""

from __future__ import annotations

import pytest

from tests.compute.kernels.finding import need_worker_packages

pytestmark = pytest.mark.slow


def test_sums_of_one_sign_do_not_lose_what_comes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """6 s. Two tiles for the two multiprocessors that are played, so that k is not split; in one
    sum of all 8,192 products the relative error is 6.1e-3.
    """
    need_worker_packages()
    import torch

    from compute.kernels.build import cuda as cuda_build
    from compute.kernels.scaled_mm import by_cuda
    from tests.compute.kernels.on_ptx import Launcher

    monkeypatch.setenv("K2C_CUDA_ON_CPU", "1")
    monkeypatch.setenv("K2C_CUDA_ARCH", "89")
    monkeypatch.setattr(cuda_build, "emulation_launch", Launcher(89))
    made = torch.Generator().manual_seed(1)
    a, b = (
        torch.randn((lines, 8192), generator=made).abs().to(torch.float8_e4m3fn)
        for lines in (128, 256)
    )
    got = by_cuda(a, b.t(), torch.tensor(1.0), torch.tensor(1.0)).double()
    want = a.double() @ b.double().t()
    assert float((got - want).norm() / want.norm()) < 2.0**-9
