"""Kernels of well-known libraries, for comparison: Liger (training kernels in Triton), FlashInfer
(inference kernels), and cuBLASLt. Nothing is installed for it: where a library is missing its rows
are left out, and who asks for one by name is told why.

Signatures: linkedin/Liger-Kernel src/liger_kernel/ops/*.py (0.5 to 0.8), and flashinfer/norm.py and
prefill.py of flashinfer-ai/flashinfer (0.2 and later), read in November 2026. Both compute on the
GPU alone. What a library writes over its inputs is given copies: results lie in new memory here,
so the copies are part of its time.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch

from compute.kernels.operator import Implementation, Inputs

LIGER, FLASHINFER = "liger_kernel", "flashinfer"
SIXTEEN = (torch.float16, torch.bfloat16)
MOST_COLUMNS = 65_536  # of Liger's blocks, which hold a whole row
IN_16 = "Liger gives the loss in {0}, which is too coarse to compare"

Limits = Callable[[Inputs], str | None]


def no_limits(inputs: Inputs) -> str | None:
    """Every input."""
    return None


def liger(run: Callable[..., Any], limits: Limits = no_limits) -> dict[str, Implementation]:
    """``run`` as the implementation "liger"."""
    return _named("liger", LIGER, run, limits)


def flashinfer(run: Callable[..., Any], limits: Limits = no_limits) -> dict[str, Implementation]:
    """``run`` as the implementation "flashinfer"."""
    return _named("flashinfer", FLASHINFER, run, limits)


def _named(
    name: str, package: str, run: Callable[..., Any], limits: Limits
) -> dict[str, Implementation]:
    def here(inputs: Inputs, device: str) -> str | None:
        if device != "cuda":
            return "needs a GPU"
        empty = any(hasattr(v, "numel") and not v.numel() for v in inputs.values())
        return "takes no empty tensors" if empty else limits(inputs)

    return {name: Implementation(name, "library", run, limits=here, package=package)}


def _liger(function: str) -> Any:
    return getattr(importlib.import_module(f"{LIGER}.ops"), function).apply


# --- Liger ------------------------------------------------------------------------------------


def fits_block(inputs: Inputs) -> str | None:
    """Liger holds a row in one block."""
    widest = max(v.shape[-1] for v in inputs.values() if hasattr(v, "shape") and v.dim() == 2)
    return f"rows of more than {MOST_COLUMNS:,} columns" if widest > MOST_COLUMNS else None


def liger_rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """In fp32 throughout ("gemma"), as the operator says; "llama" rounds in between."""
    out: torch.Tensor = _liger("LigerRMSNormFunction")(x, weight, eps, 0.0, "gemma", False)
    return out


def liger_fused_add_rms_norm(
    x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """(norm, sum), the sum rounded to the dtype before it is normed."""
    made = _liger("LigerFusedAddRMSNormFunction")(x, residual, weight, eps, 0.0, "gemma", False)
    return made[0], made[1]


def liger_layer_norm(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float
) -> torch.Tensor:
    """One launch."""
    out: torch.Tensor = _liger("LigerLayerNormFunction")(x, weight, bias, eps)
    return out


def liger_softmax(x: torch.Tensor) -> torch.Tensor:
    """One launch."""
    out: torch.Tensor = _liger("LigerSoftmaxFunction")(x)
    return out


def liger_silu_and_mul(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """The middle of its SwiGLU."""
    out: torch.Tensor = _liger("LigerSiLUMulFunction")(gate, up)
    return out


def liger_gelu_tanh_and_mul(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """The middle of its GeGLU, which has the tanh form."""
    out: torch.Tensor = _liger("LigerGELUMulFunction")(gate, up)
    return out


def liger_rope(
    q: torch.Tensor,
    k: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    interleaved: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """[T, H, D] as its [1, H, T, D]. It turns q and k in place, hence the copies; its cos and sin
    are as wide as a head, both halves the same.
    """
    heads = [t.clone().unsqueeze(0).transpose(1, 2) for t in (q, k)]
    wide = [torch.cat((t, t), dim=-1).unsqueeze(0) for t in (cos, sin)]
    made = _liger("LigerRopeFunction")(*heads, *wide)
    turned_q, turned_k = (t.transpose(1, 2).squeeze(0) for t in made)
    return turned_q, turned_k


def only_halves(inputs: Inputs) -> str | None:
    """Liger has Llama's pairs."""
    return "pairs the two halves of a head alone" if inputs.get("interleaved") else None


def liger_cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, ignore_index: int = -100
) -> torch.Tensor:
    """A loss a row. Where logits want no gradient it writes none over them."""
    made = _liger("LigerCrossEntropyFunction")(
        logits, target, None, ignore_index, 0.0, 0.0, "none", None, False
    )
    loss: torch.Tensor = made[0] if isinstance(made, tuple) else made
    return loss


def loss_in_fp32(inputs: Inputs) -> str | None:
    """Its loss has the dtype of the logits."""
    dtype = inputs["logits"].dtype
    name = str(dtype).removeprefix("torch.")
    return None if dtype == torch.float32 else IN_16.format(name)


# --- FlashInfer -------------------------------------------------------------------------------


def in_16_bits(inputs: Inputs) -> str | None:
    """FlashInfer's kernels are for half precision."""
    first = next(v for v in inputs.values() if hasattr(v, "dtype"))
    return None if first.dtype in SIXTEEN else "takes fp16 and bf16 alone"


def flashinfer_rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """One launch."""
    out: torch.Tensor = importlib.import_module(f"{FLASHINFER}.norm").rmsnorm(x, weight, eps)
    return out


def flashinfer_fused_add_rms_norm(
    x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """It writes the norm over x and the sum over the residual, hence the copies."""
    out, total = x.clone(), residual.clone()
    importlib.import_module(f"{FLASHINFER}.norm").fused_add_rmsnorm(out, total, weight, eps)
    return out, total


def flashinfer_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, scale: float
) -> torch.Tensor:
    """One sequence, [1, H, S, D] as its [S, H, D]; causal from the last key, as here."""
    rows = (t[0].transpose(0, 1) for t in (q, k, v))
    prefill = importlib.import_module(f"{FLASHINFER}.prefill")
    out: torch.Tensor = prefill.single_prefill_with_kv_cache(
        *rows, causal=causal, kv_layout="NHD", sm_scale=scale
    )
    return out.transpose(0, 1).unsqueeze(0)


def one_sequence(inputs: Inputs) -> str | None:
    """What its prefill of one sequence takes."""
    q = inputs["q"]
    if q.shape[0] != 1:
        return "takes one sequence at a time here"
    if q.shape[-1] not in (64, 128, 256):
        return "takes heads of 64, 128 and 256"
    return in_16_bits(inputs)


# --- cuBLASLt ---------------------------------------------------------------------------------


def cublaslt(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """PyTorch eager leaves the choice to cuBLAS; this asks cuBLASLt's heuristics instead."""
    before = torch.backends.cuda.preferred_blas_library()
    torch.backends.cuda.preferred_blas_library("cublaslt")
    try:
        return a @ b
    finally:
        torch.backends.cuda.preferred_blas_library(before)


def on_a_gpu(inputs: Inputs, device: str) -> str | None:
    """The CPU has no cuBLAS."""
    return None if device == "cuda" else "needs a GPU"
