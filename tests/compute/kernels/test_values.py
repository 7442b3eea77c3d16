"""Every operator is right, on the CPU and in Triton's interpreter, in every dtype it offers."""

from __future__ import annotations

import pytest

from tests.compute.kernels.finding import checks, names


@pytest.mark.slow
@pytest.mark.parametrize("operator", names())
def test_torch_and_triton_are_right_on_inputs_that_break_kernels(operator: str) -> None:
    done = checks(operator, "torch", "triton")
    assert [c for c in done if c["why"]] == []
    ran = {c["implementation"] for c in done if not c["unsupported"]}
    assert ran >= {"torch", "triton"}
