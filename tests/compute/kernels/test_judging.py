"""The judge is not fooled: zeros, low precision, hidden NaNs and borrowed memory are wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from compute.kernels.operator import Case, Implementation
from tests.compute.kernels.finding import need_worker_packages


def cheat(kind: str) -> Callable[..., Any]:
    """An rms_norm that is wrong in one way."""
    import torch

    from compute.kernels.rms_norm import eager

    def run(x: Any, weight: Any, eps: float) -> Any:
        if kind == "zeros":
            return torch.zeros_like(x)
        if kind == "low precision":
            total = torch.zeros_like(x[:, :1])
            for column in (x * x).split(1, dim=1):
                total += column  # rounded to 16 bits each time
            return x * torch.rsqrt(total / x.shape[1] + eps) * weight
        if kind == "NaN everywhere":
            return eager(x, weight, eps) * (x.sum() * 0 + float("nan"))
        if kind == "changes its input":
            x.copy_(eager(x, weight, eps))
            return x.clone()
        if kind == "its input's memory":
            x.copy_(eager(x, weight, eps))
            return x
        if kind == "half a row":
            out = eager(x, weight, eps)
            out[:, out.shape[1] // 2 :] = 0
            return out
        if kind == "another dtype":
            return eager(x, weight, eps).double()
        return eager(x, weight, eps) + torch.rand_like(x) * 1e-4  # never the same twice

    return run


KINDS = ("zeros", "low precision", "NaN everywhere", "changes its input", "its input's memory",
         "half a row", "another dtype", "random")  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_wrong_kernel_is_caught(kind: str) -> None:
    need_worker_packages()
    from compute.kernels.checking import check
    from compute.kernels.rms_norm import OPERATOR, make_inputs

    planted = Implementation(kind, "torch", cheat(kind))
    case = Case("plain", make_inputs({"M": 4, "N": 512}, "float16", 1, "cpu"))
    assert check(OPERATOR, planted, case, "float16", "cpu").why


def test_the_eager_implementation_is_right() -> None:
    need_worker_packages()
    from compute.kernels.checking import check
    from compute.kernels.rms_norm import OPERATOR, make_inputs

    case = Case("plain", make_inputs({"M": 4, "N": 512}, "float16", 1, "cpu"))
    done = check(OPERATOR, OPERATOR.implementations["torch"], case, "float16", "cpu")
    assert (done.why, done.unsupported) == ("", "")
    assert replace(done, error=0.0).error == 0.0 < done.error < done.allowed
