"""Every operator is right in every dtype it offers: PyTorch on the CPU, Triton in its interpreter,
CUDA C++ by emulation. g++ takes 5 to 20 s an operator and dtype where nothing is cached, so `make
test` emulates CUDA in one dtype, and `make soak` in all.
"""

from __future__ import annotations

import pytest

from tests.compute.kernels.finding import checks, names

ONE = ("bfloat16", "float8_e4m3fn")  # every operator has exactly one of them


@pytest.mark.slow
@pytest.mark.parametrize("operator", names())
def test_torch_and_triton_are_right_on_inputs_that_break_kernels(operator: str) -> None:
    hold(checks(operator, "torch", "triton"), {"torch", "triton"})


@pytest.mark.slow
@pytest.mark.parametrize("operator", names())
def test_cuda_is_right_on_inputs_that_break_kernels(operator: str) -> None:
    hold(checks(operator, "cuda", dtypes=ONE), {"cuda"})


@pytest.mark.soak
@pytest.mark.parametrize("operator", names())
def test_cuda_is_right_in_every_dtype_and_for_another_seed(operator: str) -> None:
    hold(checks(operator, "cuda", seed=7), {"cuda"})


def hold(done: list[dict[str, object]], backends: set[str]) -> None:
    """None is wrong, and each backend really ran."""
    assert [c for c in done if c["why"]] == []
    assert {c["implementation"] for c in done if not c["unsupported"]} >= backends
