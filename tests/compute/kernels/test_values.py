"""Every operator is right in every dtype it offers: PyTorch on the CPU, Triton in its interpreter,
CUDA C++ by emulation.
"""

from __future__ import annotations

import pytest

from tests.compute.kernels.finding import checks, names


@pytest.mark.slow
@pytest.mark.parametrize("operator", names())
def test_all_backends_are_right_on_inputs_that_break_kernels(operator: str) -> None:
    done = checks(operator, "torch", "triton", "cuda")
    assert [c for c in done if c["why"]] == []
    ran = {c["implementation"] for c in done if not c["unsupported"]}
    assert ran >= {"torch", "triton", "cuda"}
