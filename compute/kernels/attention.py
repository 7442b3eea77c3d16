"""attention: softmax(q k^T * scale) v, forward, causal or not, with grouped KV heads.

Compute-bound from a few hundred tokens on. The logits never reach memory: keys and values pass by
once for each tile of queries, with a running maximum and sum (cuda/flash.cuh).
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import torch
import triton
import triton.language as tl

from compute.kernels.baselines.library import flashinfer, flashinfer_attention, one_sequence
from compute.kernels.baselines.sdpa import library
from compute.kernels.build.cuda import C_NAME, CudaKernel, NotCompiled
from compute.kernels.build.places import arch_of
from compute.kernels.build.torch_compile import compiled_of
from compute.kernels.build.triton import aot, pointer
from compute.kernels.cases.attention import KEYS, adversarial, dims_of, make_inputs
from compute.kernels.hopper.cuda_attention import attended, hopper_cubins, pays
from compute.kernels.hopper.triton_attention import by_descriptors, descriptor_cubin
from compute.kernels.judging import judge_logits
from compute.kernels.operator import (
    FLOATS,
    SIZES,
    Cubin,
    Dims,
    Implementation,
    Inputs,
    Operator,
    Tolerance,
)
from compute.kernels.plans.attention import (
    bucket_of,
    pointer_plan,
    size_of,
    triton_choice,
    triton_plan,
)
from compute.kernels.plans.choosing import Config
from compute.kernels.shared.matrices import head_lines, lines_bytes, positive, upcast

# fp32 by FMA: 32 x 32 or 64 x 16 spilled 40 to 129 times on sm_90, this takes 80 registers.
LOG2_E = math.log2(math.e)  # exponentials are powers of two: one instruction
MOST_D = 256

# --- what it is -------------------------------------------------------------------------------


def _softmax_values(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, scale: float
) -> torch.Tensor:
    group = q.shape[1] // max(1, k.shape[1])
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    logits = q @ k.transpose(-1, -2) * scale
    if causal:
        sq, sk = logits.shape[-2:]
        seen = torch.ones(sq, sk, dtype=torch.bool, device=q.device).tril(sk - sq)
        logits = logits.masked_fill(~seen, float("-inf"))
        weights = torch.softmax(logits, -1).masked_fill(~seen.any(-1, keepdim=True), 0.0)
        return weights @ v
    return torch.softmax(logits, -1) @ v


def reference(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, scale: float
) -> torch.Tensor:
    """float64; a row that sees no key is 0."""
    q, k, v = (t.to(torch.float64) for t in (q, k, v))
    return _softmax_values(q, k, v, causal, scale)


def visible(dims: Dims) -> int:
    """Pairs of query and key that count, of one head; aligned at the last key."""
    sq, sk = dims["SQ"], dims["SK"]
    if not dims["causal"]:
        return sq * sk
    last = min(sq, max(0, sq - sk))  # so many rows see nothing
    rows, first = sq - last, max(0, sk - sq) + 1
    return rows * first + rows * (rows - 1) // 2


def flops(dims: Dims, dtype: str) -> int:
    """Two products over the visible pairs."""
    return 4 * dims["B"] * dims["H"] * visible(dims) * dims["D"]


def moved(dims: Dims, dtype: str) -> int:
    """Queries, keys, values and the result once."""
    queries, keys = dims["H"] * dims["SQ"], dims["HK"] * dims["SK"]
    return 2 * dims["B"] * (queries + keys) * dims["D"] * SIZES[dtype]


# --- PyTorch ----------------------------------------------------------------------------------

EAGER_BYTES = 24 * 2**30


def eager(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, scale: float
) -> torch.Tensor:
    """Two products and a softmax in fp32, as model code without a fused kernel."""
    return _softmax_values(q.float(), k.float(), v.float(), causal, scale).to(q.dtype)


def eager_limits(inputs: Inputs, device: str) -> str | None:
    """The whole matrix of logits has to fit, three times."""
    needed = 12 * inputs["q"][..., 0].numel() * inputs["k"].shape[2]
    if needed <= EAGER_BYTES:
        return None
    return f"eager attention would need {needed / 2**30:.0f} GiB for its logits"


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def attend(
    out: tl.tensor, most: tl.tensor, total: tl.tensor, q: tl.tensor, k: tl.tensor, v: tl.tensor,
    k_at: tl.tensor, v_at: tl.tensor, keys: tl.tensor, ends: tl.tensor, inside: tl.tensor,
    left: tl.tensor, scale: tl.tensor,
    MASK: tl.constexpr, WHOLE: tl.constexpr, UPCAST: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:  # fmt: skip
    """One block of keys; with MASK a row sees those up to its end."""
    if MASK:
        key = tl.load(k + k_at, mask=inside[:, None] & (keys < left)[None, :], other=0.0)
        value = tl.load(v + v_at, mask=(keys < left)[:, None] & inside[None, :], other=0.0)
    elif WHOLE:
        key, value = tl.load(k + k_at), tl.load(v + v_at)
    else:
        key = tl.load(k + k_at, mask=inside[:, None], other=0.0)
        value = tl.load(v + v_at, mask=inside[None, :], other=0.0)
    if UPCAST:
        key, value = key.to(tl.float32), value.to(tl.float32)
    logits = tl.dot(q, key, input_precision="ieee")
    if MASK:
        logits = tl.where(keys[None, :] < ends[:, None], logits, float("-inf"))
    high = tl.maximum(most, tl.max(logits, 1))
    base = tl.where(high == float("-inf"), 0.0, high * scale)
    kept = tl.exp2(most * scale - base)
    p = tl.exp2(logits * scale - base[:, None])
    total = total * kept + tl.sum(p, 1)
    out = tl.dot(p.to(value.dtype), value, out * kept[:, None], input_precision="ieee")
    return out, high, total


@triton.jit
def attention_kernel(
    q: tl.tensor, k: tl.tensor, v: tl.tensor, out: tl.tensor,
    q_batch: tl.tensor, q_head: tl.tensor, q_row: tl.tensor,
    k_batch: tl.tensor, k_head: tl.tensor, k_row: tl.tensor,
    v_batch: tl.tensor, v_head: tl.tensor, v_row: tl.tensor,
    kv_heads: tl.tensor, group: tl.tensor, sq: tl.tensor, sk: tl.tensor, dense: tl.tensor,
    size: tl.tensor, scale: tl.tensor,
    CAUSAL: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, D: tl.constexpr,
    WHOLE: tl.constexpr, UPCAST: tl.constexpr,
) -> None:  # fmt: skip
    """BM queries of one head. The heads of a group run side by side and share keys in L2; the
    last tiles, which see most, begin first. ``dense`` of a line are in memory, ``size`` count.
    """
    tiles = tl.cdiv(sq, BM)
    place = tl.program_id(0) // group
    head = place // tiles % kv_heads
    batch = (place // tiles // kv_heads).to(tl.int64)
    first = (tiles - 1 - place % tiles) * BM
    query = (head * group + tl.program_id(0) % group).to(tl.int64)
    rows, keys, column = tl.arange(0, BM), tl.arange(0, BN), tl.arange(0, D)
    inside = column < (D if WHOLE else dense)
    q += batch * q_batch + query * q_head + first.to(tl.int64) * q_row
    k += batch * k_batch + head.to(tl.int64) * k_head
    v += batch * v_batch + head.to(tl.int64) * v_head
    q_inside = (first + rows < sq)[:, None] & inside[None, :]
    queries = tl.load(q + rows[:, None] * q_row + column[None, :], mask=q_inside, other=0.0)
    if UPCAST:
        queries = queries.to(tl.float32)
    k_at = keys[None, :] * k_row + column[:, None]
    v_at = keys[:, None] * v_row + column[None, :]
    end, whole = sk, sk // BN * BN
    ends = tl.zeros([BM], tl.int32) + sk
    if CAUSAL:
        ends = tl.minimum(ends, first + rows + (sk - sq + 1))
        end = tl.minimum(sk, first + BM + sk - sq)
        whole = tl.maximum(0, tl.minimum(sk, first + sk - sq + 1)) // BN * BN
    sums = tl.zeros([BM, D], tl.float32)
    most = tl.zeros([BM], tl.float32) - float("inf")
    total = tl.zeros([BM], tl.float32)
    for _at in range(0, whole, BN):
        sums, most, total = attend(
            sums, most, total, queries, k, v, k_at, v_at, keys, ends, inside, sk, scale,
            False, WHOLE, UPCAST,
        )  # fmt: skip
        k += BN * k_row.to(tl.int64)
        v += BN * v_row.to(tl.int64)
    for at in range(whole, end, BN):
        sums, most, total = attend(
            sums, most, total, queries, k, v, k_at, v_at, keys, ends - at, inside, sk - at,
            scale, True, WHOLE, UPCAST,
        )  # fmt: skip
        k += BN * k_row.to(tl.int64)
        v += BN * v_row.to(tl.int64)
    made = sums / tl.where(total == 0.0, 1.0, total)[:, None]
    out += ((batch * kv_heads * group + query) * sq + first) * size
    out_inside = (first + rows < sq)[:, None] & (column < size)[None, :]
    tl.store(
        out + rows[:, None] * size + column[None, :], made.to(out.dtype.element_ty), mask=out_inside
    )


def by_triton(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, scale: float
) -> torch.Tensor:
    """One launch."""
    (b, h, sq, d), (_, hk, sk, _) = q.shape, k.shape
    out = torch.empty((b, h, sq, d), dtype=q.dtype, device=q.device)
    if not out.numel():
        return out
    q, scale = positive(q, scale)
    dtype, bucket = str(q.dtype).removeprefix("torch."), bucket_of(d, sq)
    config = TRITON_CHOICE.taken(q, dtype, bucket)
    if config[-1]:
        asked, keys, values = (head_lines(t)[0] for t in (q, k, v))
        if by_descriptors(asked, keys, values, out, causal, scale * LOG2_E, config):
            return out
        config = pointer_plan(dtype, arch_of(q), bucket)
    bm, bn, warps, stages, _ = config
    (q, qs, dense), (k, ks, _), (v, vs, _) = (head_lines(t, whole=16) for t in (q, k, v))
    block_d = max(16, triton.next_power_of_2(dense))
    attention_kernel[(b * h * triton.cdiv(sq, bm),)](
        q, k, v, out, *qs, *ks, *vs, hk, h // hk, sq, sk, dense, d, scale * LOG2_E, causal, bm, bn,
        block_d, dense == block_d, upcast(q), num_warps=warps, num_stages=stages,
    )  # fmt: skip
    return out


def triton_cubin(dtype: str, arch: int, d: int, causal: bool, config: Config) -> Cubin:
    """Heads of ``d``, padded where that is no power of two."""
    if config[-1]:
        return descriptor_cubin(dtype, arch, d, causal, config)
    block_d, (bm, bn, warps, stages, _) = triton.next_power_of_2(d), config
    pointers = ("q", "k", "v", "out")
    strides = [f"{t}_{axis}" for t in "qkv" for axis in ("batch", "head", "row")]
    sizes = ("kv_heads", "group", "sq", "sk", "dense", "size")
    arguments = dict.fromkeys(pointers, pointer(dtype)) | {"scale": "fp32"}
    arguments |= dict.fromkeys((*strides, *sizes), "i32")
    promised = (*pointers, *strides, "dense", "size")
    constants: dict[str, Any] = {"CAUSAL": causal, "BM": bm, "BN": bn, "D": block_d}
    constants |= {"WHOLE": d == block_d, "UPCAST": False}
    how: dict[str, Any] = {"num_warps": warps, "num_stages": stages}
    return aot(attention_kernel, arch, arguments, constants, divisible=promised, **how)


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """Heads of 64, 80 and 128, causal and not, and of an odd size."""
    return [
        triton_cubin(dtype, arch, d, causal, plan(dtype, arch, bucket_of(d, sq)))
        for plan, d, causal, sq in (
            (triton_plan, 128, True, 4096), (triton_plan, 128, False, 4096),
            (triton_plan, 64, False, 4096), (triton_plan, 80, True, 4096),
            (pointer_plan, 128, True, 4096), (triton_plan, 128, False, 1),
        )
    ]  # fmt: skip


TRITON_CHOICE = triton_choice(
    lambda dtype, arch, bucket, config: triton_cubin(dtype, arch, size_of(bucket), True, config)
)


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel("attention", '#include "attention.cuh"\n')
CUDA_FP32 = CudaKernel("attention_fp32", '#include "flash_fp32.cuh"\n')
# (D, keys at a time, 16-row tiles a warp, warps, blocks a multiprocessor). Two tiles a warp: one
# ldmatrix of keys for four mma; with one tile shared memory would be the limit.
CUDA_16 = (
    (64, 64, 2, 4, 2), (80, 64, 2, 4, 2), (96, 64, 2, 4, 1), (128, 64, 2, 4, 1),
    (256, 32, 1, 4, 1),
)  # fmt: skip
CUDA_32 = ((64, 64, 32), (128, 64, 32), (256, 32, 16))  # (D, queries, keys)


def cuda_plan(dtype: str, d: int, arch: int) -> tuple[tuple[int, ...], int, int, int]:
    """(sizes for the template, queries a block, threads, bytes of shared memory)."""
    if dtype == "float32":
        d, bm, bn = next(plan for plan in CUDA_32 if plan[0] >= d)
        shared = (bm + 2 * bn) * lines_bytes(d, 4) + bm * lines_bytes(bn, 4)
        return (d, bm, bn), bm, 256, shared
    plan = next(plan for plan in CUDA_16 if plan[0] >= d)
    d, bn, tiles, warps, blocks = plan
    if arch == 100 and d in (96, 128):
        bn = 32  # the compiler for sm_100 spilled 3 to 5 registers with 64
    bm = 16 * tiles * warps
    return (d, bn, tiles, warps, blocks), bm, 32 * warps, (bm + 2 * bn) * lines_bytes(d, 2)


def by_cuda(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, scale: float
) -> torch.Tensor:
    """One launch."""
    (b, h, sq, d), (_, hk, sk, _) = q.shape, k.shape
    out = torch.empty((b, h, sq, d), dtype=q.dtype, device=q.device)
    if not out.numel():
        return out
    q, scale = positive(q, scale)
    heads = [head_lines(t) for t in (q, k, v)]
    dtype = str(q.dtype).removeprefix("torch.")
    if pays(arch_of(q), dtype, sq, d) and attended(heads, out, sk, scale * LOG2_E, causal):
        return out
    (q, qs, dense), (k, ks, _), (v, vs, _) = heads
    sizes, bm, threads, shared = cuda_plan(dtype, d, arch_of(q))
    arguments = (
        q, k, v, out, *map(ctypes.c_longlong, (*qs, *ks, *vs)),
        *map(ctypes.c_int, (hk, h // hk, sq, sk, min(dense, d), d)),
        ctypes.c_float(scale * LOG2_E), ctypes.c_int(causal),
    )  # fmt: skip
    wide = dtype == "float32"
    template: tuple[str | int, ...] = sizes if wide else (C_NAME[dtype], *sizes)
    grid = (b * h * triton.cdiv(sq, bm),)
    kernel = CUDA_FP32 if wide else CUDA
    kernel.launch(grid, threads, arguments, template=template, shared_bytes=shared)
    return out


def cuda_aot(dtype: str, arch: int) -> list[Cubin] | str:
    """Every size of head there is a kernel for."""
    wide = dtype == "float32"
    try:
        cubins = hopper_cubins(dtype, arch)
        for d in [plan[0] for plan in (CUDA_32 if wide else CUDA_16)]:
            sizes, _, threads, shared = cuda_plan(dtype, d, arch)
            kernel = CUDA_FP32 if wide else CUDA
            template: tuple[str | int, ...] = sizes if wide else (C_NAME[dtype], *sizes)
            config = {"d": d, "shared_bytes": shared}
            cubins.append(kernel.aot(arch, *template, threads=threads, config=config))
    except NotCompiled as error:
        return str(error)
    return cubins


def limits(inputs: Inputs, device: str) -> str | None:
    """Heads above 256 fit neither registers nor shared memory in these kernels."""
    d = inputs["q"].shape[-1]
    return f"heads of {d} are larger than {MOST_D}" if d > MOST_D else None


# --- the operator -----------------------------------------------------------------------------

# Llama 3.1 8B and 70B, Llama 3.2 1B (heads of 64), Phi-2 (heads of 80); the last: a late chunk.
MODELS = (
    (1, 32, 8, 2048, 2048, 128, 1), (1, 32, 8, 16_384, 16_384, 128, 1),
    (1, 64, 8, 8192, 8192, 128, 1), (4, 32, 8, 2048, 2048, 64, 1), (1, 32, 32, 2048, 2048, 80, 1),
    (1, 32, 8, 512, 16_384, 128, 1),
)  # fmt: skip
SWEEP = tuple((1, 32, 8, s, s, 128, 1) for s in (512, 1024, 2048, 4096, 8192, 16_384))


OPERATOR = Operator(
    name="attention",
    title="Attention",
    also=("attn", "flash attention", "sdpa"),
    summary="softmax(q kᵀ · scale) v, causal or not, grouped KV heads",
    dtypes=FLOATS,
    regime="compute",
    implementations={
        "torch": Implementation("torch", "torch", eager, limits=eager_limits),
        "torch.compile": Implementation(
            "torch.compile", "torch.compile", compiled_of(eager), limits=eager_limits
        ),
        "triton": Implementation(
            "triton",
            "triton",
            by_triton,
            limits=limits,
            build=triton_aot,
            shown=attention_kernel,
            choice=TRITON_CHOICE,
        ),
        "cuda": Implementation("cuda", "cuda", by_cuda, limits=limits, build=cuda_aot),
        **library(),
        **flashinfer(flashinfer_attention, one_sequence),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=KEYS,
    suites={
        "smoke": [dims_of((1, 4, 2, 128, 128, 64, 1))],
        "models": [dims_of(shape) for shape in MODELS],
        "sweep": [dims_of(shape) for shape in SWEEP],
    },
    adversarial=adversarial,
    tolerance=Tolerance(units=2.0, floor=5e-6),
    judge=judge_logits,
)
