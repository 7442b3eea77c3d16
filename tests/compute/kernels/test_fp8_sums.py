"""fp8 products of a long inner axis are right on Ada, whose tensor cores keep 13 bits of a sum: as
NVRTC and Triton compile them, on the PTX machine.
"""

from __future__ import annotations

import pytest

from tests.compute.kernels.finding import need_nvrtc, need_worker_packages
from tests.compute.kernels.on_machine import wrong

CASE = "a long axis of one sign"  # in one sum of all 8,192 products the relative error is 6e-3


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["on_ptx", "triton_on_ptx"])
def test_sums_that_only_grow_do_not_lose_what_comes_late(runner: str) -> None:
    """4 to 6 s each."""
    need_nvrtc()
    need_worker_packages()
    assert wrong(runner, "scaled_mm", "--arch", "89", "--case", CASE) == []
