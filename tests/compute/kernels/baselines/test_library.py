"""Library rows through stand-ins with the real signatures: right values, inputs left alone."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from compute.kernels.operator import Dims, Inputs, Operator
from tests.compute.kernels.finding import need_worker_packages

pytestmark = pytest.mark.slow
ROWS = {"M": 6, "N": 96}


@pytest.fixture(autouse=True)
def _packages() -> None:
    need_worker_packages()


def function(forward: Callable[..., Any]) -> type:
    """As torch.autograd.Function is used: ``Name.apply(...)`` by position."""
    return type("Function", (), {"apply": staticmethod(forward)})


def liger() -> ModuleType:
    """liger_kernel.ops with the signatures of 0.8."""
    import torch
    import torch.nn.functional as F

    def rms_norm(
        X: Any, W: Any, eps: float, offset: float = 0.0, casting_mode: str = "llama",
        in_place: bool = True, row_mode: Any = None,
    ) -> Any:  # fmt: skip
        assert casting_mode == "gemma" and offset == 0.0
        wide = X.float()
        scaled = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
        return (scaled * (W.float() + offset)).to(X.dtype)

    def fused_add_rms_norm(
        X: Any, R: Any, W: Any, eps: float, offset: float = 0.0, casting_mode: str = "llama",
        in_place: bool = False,
    ) -> tuple[Any, Any]:  # fmt: skip
        total = X + R
        return rms_norm(total, W, eps, offset, casting_mode), total

    def rope(
        q: Any, k: Any, cos: Any, sin: Any, position_ids: Any = None, unsqueeze_dim: int = 1
    ) -> tuple[Any, Any]:
        """In place, and only the first halves of cos and sin are read."""
        assert q.dim() == 4 and cos.shape[-1] == q.shape[-1] and cos.shape[1] == q.shape[2]
        half = q.shape[-1] // 2
        c, s = (t[:, None, :, :half].float() for t in (cos, sin))
        for x in (q, k):
            a, b = x[..., :half].float(), x[..., half:].float()
            x[..., :half], x[..., half:] = a * c - b * s, b * c + a * s
        return q, k

    def cross_entropy(
        _input: Any, target: Any, weight: Any, ignore_index: int = -100,
        lse_square_scale: float = 0.0, label_smoothing: float = 0.0, reduction: str = "mean",
        softcap: float | None = None, return_z_loss: bool = False,
    ) -> tuple[Any, None, None, None]:  # fmt: skip
        assert reduction == "none" and weight is None
        loss = F.cross_entropy(_input, target, ignore_index=ignore_index, reduction="none")
        return loss, None, None, None

    made = ModuleType("liger_kernel.ops")
    vars(made).update(
        LigerRMSNormFunction=function(rms_norm),
        LigerFusedAddRMSNormFunction=function(fused_add_rms_norm),
        LigerLayerNormFunction=function(
            lambda X, W, B, eps: F.layer_norm(X, X.shape[-1:], W, B, eps)
        ),
        LigerSoftmaxFunction=function(lambda x: torch.softmax(x, -1)),
        LigerSiLUMulFunction=function(lambda a, b, gate=1.0, down=1.0: F.silu(a) * b),
        LigerGELUMulFunction=function(lambda a, b: F.gelu(a, approximate="tanh") * b),
        LigerRopeFunction=function(rope),
        LigerCrossEntropyFunction=function(cross_entropy),
    )
    return made


def flashinfer() -> dict[str, ModuleType]:
    """flashinfer.norm and flashinfer.prefill with the signatures of 0.2."""
    import torch
    import torch.nn.functional as F

    norm, prefill = ModuleType("flashinfer.norm"), ModuleType("flashinfer.prefill")

    def rmsnorm(
        input: Any, weight: Any, eps: float = 1e-6, out: Any = None, enable_pdl: Any = None
    ) -> Any:
        wide = input.float()
        scaled = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
        return (scaled * weight.float()).to(input.dtype)

    def fused_add_rmsnorm(
        input: Any, residual: Any, weight: Any, eps: float = 1e-6, enable_pdl: Any = None
    ) -> None:
        residual += input
        input.copy_(rmsnorm(residual, weight, eps))

    def single_prefill_with_kv_cache(
        q: Any, k: Any, v: Any, *, causal: bool = False, kv_layout: str = "NHD",
        sm_scale: float | None = None,
    ) -> Any:  # fmt: skip
        assert kv_layout == "NHD" and q.dim() == 3
        query, key, value = (t.transpose(0, 1).unsqueeze(0) for t in (q, k, v))
        out = F.scaled_dot_product_attention(
            query, key, value, is_causal=causal, scale=sm_scale, enable_gqa=True
        )
        return out[0].transpose(0, 1).contiguous()

    vars(norm).update(rmsnorm=rmsnorm, fused_add_rmsnorm=fused_add_rmsnorm)
    vars(prefill).update(single_prefill_with_kv_cache=single_prefill_with_kv_cache)
    return {"flashinfer.norm": norm, "flashinfer.prefill": prefill}


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {"liger_kernel.ops": liger(), **flashinfer()}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name.split(".")[0], ModuleType(name.split(".")[0]))
        monkeypatch.setitem(sys.modules, name, module)


def operator(name: str) -> Operator:
    from compute.kernels.registry import operators

    return operators()[name]


ROPE = {"T": 5, "HQ": 4, "HK": 2, "D": 32}
HEADS = {"B": 1, "H": 4, "HK": 2, "SQ": 9, "SK": 9, "D": 64, "causal": 1}


@pytest.mark.parametrize(
    ("name", "library", "dims", "dtype"),
    [
        ("rms_norm", "liger", ROWS, "bfloat16"),
        ("fused_add_rms_norm", "liger", ROWS, "float32"),
        ("layer_norm", "liger", ROWS, "float32"),
        ("softmax", "liger", ROWS, "float32"),
        ("silu_and_mul", "liger", ROWS, "float32"),
        ("gelu_tanh_and_mul", "liger", ROWS, "float32"),
        ("rope", "liger", ROPE, "float32"),
        ("cross_entropy", "liger", ROWS, "float32"),
        ("rms_norm", "flashinfer", ROWS, "float16"),
        ("fused_add_rms_norm", "flashinfer", ROWS, "float32"),
        ("attention", "flashinfer", HEADS, "bfloat16"),
    ],
)
def test_a_library_is_called_as_it_wants_and_its_result_is_right(
    stand_ins: None, name: str, library: str, dims: Dims, dtype: str
) -> None:
    from compute.bench.inputs import copies, same_inputs, shares_memory
    from compute.kernels.judging import as_tuple, judge

    op = operator(name)
    inputs: Inputs = op.make_inputs(dims, dtype, 1, "cpu")
    before = copies(inputs)
    got = op.implementations[library](**inputs)
    verdict = judge(op, before, got, op.reference(**before), dtype, 2.0)
    assert verdict.right, verdict.why
    assert not same_inputs(inputs, before)
    assert not shares_memory(as_tuple(got), inputs)


def test_what_is_not_installed_says_so_and_is_left_out_unless_asked_for_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from compute.bench.measuring import wanted
    from compute.kernels.build import places

    places.not_installed.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    try:
        op = operator("rms_norm")
        inputs = op.make_inputs(ROWS, "bfloat16", 0, "cpu")
        said = op.implementations["liger"].unsupported(inputs, "cpu")
        assert said == "liger_kernel is not installed on this machine"
        assert [one.name for one in wanted(op, ())] == ["torch", "triton", "cuda", "torch.compile"]
        assert [one.name for one in wanted(op, ("liger",))] == ["torch", "liger"]
    finally:
        places.not_installed.cache_clear()


@pytest.mark.parametrize(
    ("name", "library", "dims", "dtype", "why"),
    [
        ("cross_entropy", "liger", ROWS, "bfloat16", "too coarse"),
        ("rms_norm", "liger", {"M": 1, "N": 70_000}, "bfloat16", "65,536"),
        ("rms_norm", "liger", {"M": 0, "N": 8}, "bfloat16", "empty"),
        ("rms_norm", "flashinfer", ROWS, "float32", "fp16 and bf16"),
        ("attention", "flashinfer", {**HEADS, "B": 2}, "bfloat16", "one sequence"),
        ("attention", "flashinfer", {**HEADS, "D": 80}, "bfloat16", "heads of 64"),
    ],
)
def test_what_a_library_does_not_take_it_says(
    name: str, library: str, dims: Dims, dtype: str, why: str
) -> None:
    op = operator(name)
    inputs = op.make_inputs(dims, dtype, 0, "cpu")
    limits = op.implementations[library].limits
    assert why in str(limits(inputs, "cuda"))
    assert limits(inputs, "cpu") == "needs a GPU"


def test_liger_has_llamas_pairs_alone() -> None:
    op = operator("rope")
    inputs = op.make_inputs(ROPE, "float32", 0, "cpu") | {"interleaved": True}
    assert "halves" in str(op.implementations["liger"].limits(inputs, "cuda"))


def test_cublaslt_is_asked_for_one_product_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    asked: list[Any] = ["cublas"]

    def preferred(backend: Any = None) -> Any:
        before = asked[-1]
        if backend is not None:
            asked.append(backend)
        return before

    monkeypatch.setattr(torch.backends.cuda, "preferred_blas_library", preferred)
    op = operator("gemm")
    inputs = op.make_inputs({"M": 4, "N": 8, "K": 16}, "float32", 0, "cpu")
    assert torch.equal(op.implementations["cublaslt"](**inputs), inputs["a"] @ inputs["b"])
    assert asked == ["cublas", "cublaslt", "cublas"]
