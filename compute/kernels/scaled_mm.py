"""scaled_mm: (a @ b) * scale_a * scale_b in bfloat16, with a and b in fp8 (e4m3).

Twice the tensor-core rate of bf16 at half the bytes. Scales stand for a row of a and a column of b,
or for the whole tensors. sm_80 has no fp8.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch
import triton
import triton.language as tl

from compute.kernels.build.cuda import C_NAME, CudaKernel, NotCompiled
from compute.kernels.build.places import arch_of, interpreted
from compute.kernels.build.torch_compile import compiled_of
from compute.kernels.build.triton import aot, pointer
from compute.kernels.cases.scaled_mm import adversarial, make_inputs
from compute.kernels.hopper.cuda_scaled_mm import hopper_cubin, multiplied
from compute.kernels.hopper.triton_scaled_mm import (
    by_descriptors,
    descriptor_cubin,
    scaled,
    widened,
)
from compute.kernels.operator import Cubin, Dims, Implementation, Inputs, Operator, Tolerance
from compute.kernels.plans.choosing import Config
from compute.kernels.plans.scaled_mm import POINTERS, triton_choice, triton_plan
from compute.kernels.shared.matrices import (
    TOGETHER,
    TilePlan,
    head_lines,
    kind_of,
    multiprocessors_of,
    parts_of,
)
from compute.kernels.shared.splitting import (
    sum_by_cuda,
    sum_by_triton,
    sum_cuda_aot,
    sum_triton_aot,
)

FP8 = "float8_e4m3fn"
ADA = 89
NO_FP8 = "fp8 tensor cores begin with sm_89"

# --- what it is -------------------------------------------------------------------------------


def reference(
    a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor
) -> torch.Tensor:
    """float64."""
    wide = torch.float64
    return (a.to(wide) @ b.to(wide)) * scale_a.to(wide) * scale_b.to(wide)


def flops(dims: Dims, dtype: str) -> int:
    """A multiply-add for each of M x N x K."""
    return 2 * dims["M"] * dims["N"] * dims["K"]


def moved(dims: Dims, dtype: str) -> int:
    """Operands at one byte, the result at two, a scale a row and a column."""
    m, n, k = dims["M"], dims["N"], dims["K"]
    return m * k + k * n + 2 * m * n + 4 * (m + n)


# --- PyTorch ----------------------------------------------------------------------------------


def eager(
    a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor
) -> torch.Tensor:
    """In fp32, as code for GPUs without fp8 does."""
    return ((a.float() @ b.float()) * scale_a * scale_b).to(torch.bfloat16)


def by_library(
    a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor
) -> torch.Tensor:
    """torch._scaled_mm: cuBLASLt, or CUTLASS for scales of rows."""
    out: torch.Tensor = torch._scaled_mm(a, b, scale_a, scale_b, out_dtype=torch.bfloat16)
    return out


def library_limits(inputs: Inputs, device: str) -> str | None:
    """What torch._scaled_mm asks of its operands."""
    a, b = inputs["a"], inputs["b"]
    if device != "cuda":
        return "needs a GPU"
    if not a.numel() or a.shape[1] % 16 or b.shape[1] % 16 or a.stride(1) != 1 or b.stride(0) != 1:
        return "torch._scaled_mm takes a by rows and b by columns, K and N multiples of 16"
    return limits(inputs, device)


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def scaled_kernel(
    a: tl.tensor, b: tl.tensor, scale_a: tl.tensor, scale_b: tl.tensor, out: tl.tensor,
    m: tl.tensor, n: tl.tensor, k: tl.tensor, a_stride: tl.tensor, b_stride: tl.tensor,
    dense: tl.tensor, part: tl.tensor,
    ROWWISE_A: tl.constexpr, ROWWISE_B: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
    BK: tl.constexpr, APART: tl.constexpr, UPCAST: tl.constexpr,
) -> None:  # fmt: skip
    """One BM x BN tile over ``part`` of the inner axis, along which both operands lie. APART: each
    block's products have a sum of their own.
    """
    tiles_m, tiles_n = tl.cdiv(m, BM), tl.cdiv(n, BN)
    band = tl.program_id(0) // (8 * tiles_n)
    high = tl.minimum(tiles_m - band * 8, 8)
    within = tl.program_id(0) % (8 * tiles_n)
    row, column = (band * 8 + within % high) * BM, within // high * BN
    rows, columns, inner = tl.arange(0, BM), tl.arange(0, BN), tl.arange(0, BK)
    first = tl.program_id(1) * part
    a += row.to(tl.int64) * a_stride + first
    b += column.to(tl.int64) * b_stride + first
    a_at = rows[:, None].to(tl.int64) * a_stride + inner[None, :]
    b_at = columns[None, :].to(tl.int64) * b_stride + inner[:, None]
    a_inside, b_inside = (row + rows < m)[:, None], (column + columns < n)[None, :]
    total = tl.zeros([BM, BN], tl.float32)
    for at in range(first, tl.minimum(first + part, k), BK):
        inside = at + inner < dense
        left = tl.load(a + a_at, mask=a_inside & inside[None, :], other=0.0)
        right = tl.load(b + b_at, mask=b_inside & inside[:, None], other=0.0)
        if UPCAST:
            left, right = widened(left), widened(right)
        # Ada's and Hopper's fp8 sums keep 13 bits: after 128 products they go into fp32. For Ada
        # the compiler does not count them, but it leaves a sum apart.
        if APART:
            total += tl.dot(left, right, max_num_imprecise_acc=128)
        else:
            total = tl.dot(left, right, total, max_num_imprecise_acc=128)
        a += BK
        b += BK
    total = scaled(
        total, scale_a, scale_b, row + rows, column + columns, m, n, ROWWISE_A, ROWWISE_B
    )
    out += (tl.program_id(1).to(tl.int64) * m + row) * n + column
    at_out = out + rows[:, None].to(tl.int64) * n + columns[None, :]
    tl.store(at_out, total.to(out.dtype.element_ty), mask=a_inside & b_inside)


def by_triton(
    a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor
) -> torch.Tensor:
    """One launch, and a second one that sums where the inner axis was split."""
    (m, k), n = a.shape, b.shape[1]
    out = torch.empty((m, n), dtype=torch.bfloat16, device=a.device)
    if not out.numel():
        return out
    processors = multiprocessors_of(a)
    kind = kind_of(m, n, processors)
    config = TRITON_CHOICE.taken(a, FP8, kind)
    if config[-1] and by_descriptors(a, b, scale_a, scale_b, out, config):
        return out
    bm, bn, bk, warps, stages, _ = POINTERS[kind] if config[-1] else config
    (left, a_stride, dense), (right, b_stride, _) = head_lines(a, 16), head_lines(b.t(), 16)
    tiles = triton.cdiv(m, bm) * triton.cdiv(n, bn)
    splits, part = parts_of(k, tiles, TOGETHER[kind] * processors, bk)
    parts = torch.empty((splits, m, n), device=a.device) if splits > 1 else out
    scaled_kernel[(tiles, splits)](
        left, right, scale_a.contiguous(), scale_b.contiguous(), parts, m, n, k, *a_stride,
        *b_stride, dense, part, scale_a.numel() > 1, scale_b.numel() > 1, bm, bn, bk,
        arch_of(a) == ADA, interpreted(), num_warps=warps, num_stages=stages,
    )  # fmt: skip
    if splits > 1:
        sum_by_triton(parts, out)
    return out


def triton_cubin(dtype: str, arch: int, config: Config, even: bool = True) -> Cubin:
    """With a scale a row and a column."""
    if config[-1]:
        return descriptor_cubin(dtype, arch, config)
    names, sizes = ("a", "b"), ("m", "n", "k", "a_stride", "b_stride", "dense", "part")
    kinds = dict.fromkeys(names, pointer(dtype)) | {"out": pointer("bfloat16")}
    kinds |= dict.fromkeys(("scale_a", "scale_b"), "*fp32") | dict.fromkeys(sizes, "i32")
    bm, bn, bk, warps, stages, _ = config
    constants: dict[str, Any] = {"ROWWISE_A": True, "ROWWISE_B": True, "BM": bm, "BN": bn, "BK": bk}
    constants |= {"APART": arch == ADA, "UPCAST": False}
    promised = (*names, "out", "scale_a", "scale_b", *sizes[0 if even else 3 :])
    how: dict[str, Any] = {"num_warps": warps, "num_stages": stages}
    return aot(scaled_kernel, arch, kinds, constants, divisible=promised, **how)


TRITON_CHOICE = triton_choice(triton_cubin)


def triton_aot(dtype: str, arch: int) -> list[Cubin] | str:
    """A large product, one row, and a ragged one; nothing on sm_80."""
    if arch < 89:
        return NO_FP8
    first = triton_plan(arch, "large")
    shown = [(first, True), *((POINTERS[kind], kind != "small") for kind in POINTERS)]
    cubins = [triton_cubin(dtype, arch, *one) for one in dict.fromkeys(shown)]
    return [*cubins, sum_triton_aot("bfloat16", arch)]


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "scaled_mm",
    r"""
#include "tile.cuh"

// One tile over ``part`` of the inner axis; ``step_a`` and ``step_b`` are 0 for one scale for all.
template <class T, class Out, int BM, int BN, int BK, int WM, int WN, int STAGES, bool A_K,
          bool B_K, int BLOCKS>
__global__ void __launch_bounds__(BM / WM * (BN / WN) * 32, BLOCKS)
scaled_mm(const T* __restrict__ a, const T* __restrict__ b, const float* __restrict__ scale_a,
          const float* __restrict__ scale_b, Out* __restrict__ out, int m, int n, int k,
          i64 a_stride, i64 b_stride, int part, int step_a, int step_b) {
  using P = Plan<T, BM, BN, BK, WM, WN, STAGES, A_K, B_K>;
  int tile_m, tile_n;
  walk(blockIdx.x, (m + BM - 1) / BM, (n + BN - 1) / BN, tile_m, tile_n);
  const i64 row = (i64)tile_m * BM, column = (i64)tile_n * BN, first = (i64)blockIdx.y * part;
  const int rows = int(min((i64)BM, m - row)), columns = int(min((i64)BN, n - column));
  Product<P> sum;
  sum.clear();
  multiply(sum, a + row * a_stride + first, a_stride, rows, b + column * b_stride + first,
           b_stride, columns, int(min((i64)part, k - first)));
  out += (blockIdx.y * (i64)m + row) * n + column;
  sum.each([&](int i, int j, float one, float two, int count) {
    if (i >= rows || j >= columns) return;
    const float scale = scale_a[(row + i) * step_a];
    const i64 at = column + j, next = column + min(j + 1, columns - 1);
    store_pair(out + (i64)i * n + j, one * scale * scale_b[at * step_b],
               two * scale * scale_b[next * step_b], min(count, columns - j), n % 2 == 0);
  });
}
""",
)
# The plans of gemm in bytes: twice the inner axis of 16-bit values.
PLANS_89 = {
    "large": TilePlan(128, 256, 64, 64, 64, 3, 1),
    "medium": TilePlan(128, 128, 64, 64, 64, 4, 1),
    "small": TilePlan(64, 64, 128, 32, 32, 3, 3),
    "skinny": TilePlan(16, 64, 128, 16, 16, 5, 3),
}
# From sm_90 on mma.sync widens fp8 to fp16 first (only wgmma and tcgen05 take it as it is), which
# costs registers: 64 x 64 a warp spilled 12 to 20 of them.
PLANS_90 = {
    **PLANS_89,
    "large": TilePlan(128, 128, 64, 64, 32, 4, 1),
    "medium": TilePlan(128, 128, 64, 64, 32, 4, 1),
    "small": TilePlan(64, 64, 128, 32, 32, 3, 2),
}
ALONG = {"a_k": True, "b_k": True}


def cuda_plan(kind: str, arch: int) -> TilePlan:
    """From the table."""
    return (PLANS_90 if arch in (90, 100) else PLANS_89)[kind]


def by_cuda(
    a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor
) -> torch.Tensor:
    """One launch, and a second one that sums where the inner axis was split."""
    (m, k), n = a.shape, b.shape[1]
    out = torch.empty((m, n), dtype=torch.bfloat16, device=a.device)
    if not out.numel():
        return out
    (left, a_stride, _), (right, b_stride, _) = head_lines(a), head_lines(b.t())
    scales = (scale_a.contiguous(), scale_b.contiguous())
    if arch_of(a) == 90 and multiplied(left, right, (*a_stride, *b_stride), scales, out, k):
        return out
    processors = multiprocessors_of(a)
    plan = cuda_plan(kind_of(m, n, processors), arch_of(a))
    tiles = triton.cdiv(m, plan.bm) * triton.cdiv(n, plan.bn)
    splits, part = parts_of(k, tiles, plan.blocks * processors, plan.bk)
    parts = torch.empty((splits, m, n), device=a.device) if splits > 1 else out
    steps = (int(scale_a.numel() > 1), int(scale_b.numel() > 1))
    arguments = (
        left, right, *scales, parts, *map(ctypes.c_int, (m, n, k)),
        *map(ctypes.c_longlong, (*a_stride, *b_stride)),
        *map(ctypes.c_int, (part, *steps)),
    )  # fmt: skip
    types = (C_NAME[FP8], "float" if splits > 1 else C_NAME["bfloat16"])
    CUDA.launch(
        (tiles, splits), plan.threads, arguments, template=plan.template(*types, **ALONG),
        shared_bytes=plan.shared_bytes(1, **ALONG),
    )  # fmt: skip
    if splits > 1:
        sum_by_cuda(parts, out)
    return out


def cuda_aot(dtype: str, arch: int) -> list[Cubin] | str:
    """Every kind of shape; nothing on sm_80."""
    if arch < 89:
        return NO_FP8
    try:
        cubins = [sum_cuda_aot("bfloat16", arch)]
        if arch == 90:
            cubins += [hopper_cubin(arch, stored=stored) for stored in (True, False)]
        for kind in PLANS_89:
            plan = cuda_plan(kind, arch)
            template = plan.template(C_NAME[dtype], C_NAME["bfloat16"], **ALONG)
            config = {"kind": kind, "shared_bytes": plan.shared_bytes(1, **ALONG)}
            cubins.append(CUDA.aot(arch, *template, threads=plan.threads, config=config))
    except NotCompiled as error:
        return str(error)
    return cubins


def limits(inputs: Inputs, device: str) -> str | None:
    """fp8 is for sm_89 and later."""
    arch = arch_of(inputs["a"])
    return f"{NO_FP8}; this GPU is sm_{arch}" if 0 < arch < 89 else None


# --- the operator -----------------------------------------------------------------------------

# Llama 3.1 8B (4096, 6144 for its fused QKV) and 70B (8192 x 28672).
LAYERS = ((4096, 4096), (6144, 4096), (28_672, 8192), (8192, 28_672))

OPERATOR = Operator(
    name="scaled_mm",
    title="fp8 matrix product",
    also=("fp8 gemm", "fp8 matmul"),
    summary="(a @ b) · scale_a · scale_b in bfloat16, a and b in e4m3",
    dtypes=(FP8,),
    regime="compute",
    implementations={
        "torch": Implementation("torch", "torch", eager),
        "torch.compile": Implementation("torch.compile", "torch.compile", compiled_of(eager)),
        "triton": Implementation(
            "triton",
            "triton",
            by_triton,
            limits=limits,
            build=triton_aot,
            shown=scaled_kernel,
            choice=TRITON_CHOICE,
        ),
        "cuda": Implementation("cuda", "cuda", by_cuda, limits=limits, build=cuda_aot),
        "torch._scaled_mm": Implementation(
            "torch._scaled_mm", "library", by_library, limits=library_limits
        ),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=("M", "N", "K"),
    suites={
        "smoke": [{"M": 128, "N": 128, "K": 128}],
        "models": [{"M": m, "N": n, "K": k} for n, k in LAYERS for m in (1, 16, 128, 2048, 8192)],
        "sweep": [{"M": size, "N": size, "K": size} for size in (1024, 2048, 4096, 8192)],
    },
    adversarial=adversarial,
    tolerance=Tolerance(floor=5e-6),
    result_dtype=lambda dtype: "bfloat16",
)
