"""gemm: a @ b with fp32 accumulation; float32 is IEEE fp32, never TF32.

Compute-bound for large matrices, bound by the weights' bytes for few rows. Either operand may be
transposed: lines along the inner axis or across it are both loaded without a copy.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl

from compute.kernels.baselines.library import cublaslt, on_a_gpu
from compute.kernels.build.cuda import C_NAME, CudaKernel, NotCompiled
from compute.kernels.build.places import arch_of
from compute.kernels.build.torch_compile import compiled_of
from compute.kernels.build.triton import aot, pointer
from compute.kernels.cases.gemm import adversarial, make_inputs
from compute.kernels.hopper.cuda_gemm import hopper_cubin, multiplied
from compute.kernels.hopper.triton_gemm import by_descriptors, descriptor_cubin
from compute.kernels.operator import (
    FLOATS,
    SIZES,
    Cubin,
    Dims,
    Implementation,
    Operator,
    Tolerance,
)
from compute.kernels.plans.choosing import Config
from compute.kernels.plans.gemm import (
    PARTIAL,
    RAGGED,
    cuda_choice,
    cuda_kind,
    cuda_plan,
    mma_plan,
    pointer_plan,
    triton_bucket,
    triton_choice,
    triton_plan,
)
from compute.kernels.shared.matrices import (
    TOGETHER,
    TilePlan,
    kind_of,
    multiprocessors_of,
    operand,
    parts_of,
    upcast,
)
from compute.kernels.shared.splitting import (
    sum_by_cuda,
    sum_by_triton,
    sum_cuda_aot,
    sum_triton_aot,
)

# --- what it is -------------------------------------------------------------------------------


def reference(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """float64."""
    return a.to(torch.float64) @ b.to(torch.float64)


def flops(dims: Dims, dtype: str) -> int:
    """A multiply-add for each of M x N x K."""
    return 2 * dims["M"] * dims["N"] * dims["K"]


def moved(dims: Dims, dtype: str) -> int:
    """Both operands and the result once."""
    m, n, k = dims["M"], dims["N"], dims["K"]
    return (m * k + k * n + m * n) * SIZES[dtype]


# --- PyTorch ----------------------------------------------------------------------------------


def eager(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """cuBLAS on a GPU (its fp32 is IEEE unless somebody allows TF32), oneDNN on a CPU."""
    return a @ b


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def gemm_kernel(
    a: tl.tensor, b: tl.tensor, out: tl.tensor, m: tl.tensor, n: tl.tensor, k: tl.tensor,
    a_stride: tl.tensor, b_stride: tl.tensor, a_dense: tl.tensor, b_dense: tl.tensor,
    part: tl.tensor,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, A_K: tl.constexpr, B_K: tl.constexpr,
    EVEN: tl.constexpr, FAR: tl.constexpr, UPCAST: tl.constexpr,
) -> None:  # fmt: skip
    """One BM x BN tile over ``part`` of the inner axis. Masks along a dense axis end at its
    length in memory, a multiple of 16: with the exact length the loads would be 2 bytes each.
    """
    tiles_m, tiles_n = tl.cdiv(m, BM), tl.cdiv(n, BN)
    # Eight rows of tiles together, column by column: what runs at one time shares L2.
    band = tl.program_id(0) // (8 * tiles_n)
    high = tl.minimum(tiles_m - band * 8, 8)
    within = tl.program_id(0) % (8 * tiles_n)
    row = (band * 8 + within % high) * BM
    column = within // high * BN
    first = tl.program_id(1) * part
    # A tile's own offsets are 32 bits beside one 64-bit address: with a 64-bit address for each
    # load 128 x 128 x 64 on 4 warps spilled 254 times.
    rows, columns, inner = tl.arange(0, BM), tl.arange(0, BN), tl.arange(0, BK)
    if FAR:
        rows, columns, inner = rows.to(tl.int64), columns.to(tl.int64), inner.to(tl.int64)
    if A_K:
        a += row.to(tl.int64) * a_stride + first
        a_at = rows[:, None] * a_stride + inner[None, :]
        a_inside, a_end, a_step = (row + rows < m)[:, None], a_dense, BK
    else:
        a += first.to(tl.int64) * a_stride + row
        a_at = inner[None, :] * a_stride + rows[:, None]
        a_inside, a_end, a_step = (row + rows < a_dense)[:, None], k, BK * a_stride.to(tl.int64)
    if B_K:
        b += column.to(tl.int64) * b_stride + first
        b_at = columns[None, :] * b_stride + inner[:, None]
        b_inside, b_end, b_step = (column + columns < n)[None, :], b_dense, BK
    else:
        b += first.to(tl.int64) * b_stride + column
        b_at = inner[:, None] * b_stride + columns[None, :]
        b_inside, b_end, b_step = (
            (column + columns < b_dense)[None, :],
            k,
            BK * b_stride.to(tl.int64),
        )
    total = tl.zeros([BM, BN], tl.float32)
    for at in range(first, tl.minimum(first + part, k), BK):
        if EVEN:
            left = tl.load(a + a_at, mask=a_inside, other=0.0)
            right = tl.load(b + b_at, mask=b_inside, other=0.0)
        else:
            place = at + tl.arange(0, BK)
            left = tl.load(a + a_at, mask=a_inside & (place < a_end)[None, :], other=0.0)
            right = tl.load(b + b_at, mask=b_inside & (place < b_end)[:, None], other=0.0)
        if UPCAST:
            left, right = left.to(tl.float32), right.to(tl.float32)
        total = tl.dot(left, right, total, input_precision="ieee")
        a += a_step
        b += b_step
    out += (tl.program_id(1).to(tl.int64) * m + row) * n + column
    inside = (row + rows < m)[:, None] & (column + columns < n)[None, :]
    tl.store(
        out + rows[:, None] * n + columns[None, :], total.to(out.dtype.element_ty), mask=inside
    )


FAR = 2**31 // 256  # elements between lines from which offsets in a tile need 64 bits


def by_triton(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """One launch, and a second one that sums where the inner axis was split."""
    (m, k), n = a.shape, b.shape[1]
    out = torch.empty((m, n), dtype=a.dtype, device=a.device)
    if not out.numel():
        return out
    processors = multiprocessors_of(a)
    dtype = str(a.dtype).removeprefix("torch.")
    bucket = triton_bucket(m, n, k, processors)
    config = TRITON_CHOICE.taken(a, dtype, bucket)
    if config[-1] and by_descriptors(a, b, out, config):
        return out
    if config[-1]:
        config = pointer_plan(dtype, arch_of(a), bucket)
    bm, bn, bk, warps, stages, _ = config
    left, right = operand(a, whole=16), operand(b, whole=16)
    tiles = triton.cdiv(m, bm) * triton.cdiv(n, bn)
    splits, part = parts_of(k, tiles, TOGETHER[kind_of(m, n, processors)] * processors, bk)
    parts = torch.empty((splits, m, n), device=a.device) if splits > 1 else out
    gemm_kernel[(tiles, splits)](
        left.tensor, right.tensor, parts, m, n, k, left.stride, right.stride, left.dense,
        right.dense, part, bm, bn, bk, left.along_columns, not right.along_columns, k % bk == 0,
        max(left.stride, right.stride, n) >= FAR, upcast(a), num_warps=warps, num_stages=stages,
    )  # fmt: skip
    if splits > 1:
        sum_by_triton(parts, out)
    return out


def triton_cubin(dtype: str, arch: int, config: Config, a_k: bool, b_k: bool, even: bool) -> Cubin:
    """Operands in either order, with an inner axis that is whole blocks or ragged."""
    if config[-1]:
        return descriptor_cubin(dtype, arch, config, a_k, b_k)
    bm, bn, bk, warps, stages, _ = config
    arguments = dict.fromkeys(("a", "b", "out"), pointer(dtype))
    sizes = ("m", "n", "k", "a_stride", "b_stride", "a_dense", "b_dense", "part")
    arguments |= dict.fromkeys(sizes, "i32")
    promised = sizes if even else ("a_stride", "b_stride", "a_dense", "b_dense", "part")
    constants: dict[str, Any] = {
        "BM": bm, "BN": bn, "BK": bk, "A_K": a_k, "B_K": b_k, "EVEN": even, "FAR": False,
        "UPCAST": False,
    }  # fmt: skip
    promised = ("a", "b", "out", *promised)
    how: dict[str, Any] = {"num_warps": warps, "num_stages": stages}
    return aot(gemm_kernel, arch, arguments, constants, divisible=promised, **how)


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """A large product of a linear layer, one row against it, and a ragged one."""
    shown = [
        (plan(dtype, arch, bucket), along, even)
        for plan, bucket, along, even in (
            (triton_plan, "large", True, True), (triton_plan, "large", False, True),
            (triton_plan, "medium", True, True), (pointer_plan, "large", True, True),
            (triton_plan, "skinny", True, True), (pointer_plan, "medium-ragged", False, False),
            (triton_plan, "small-ragged", True, False),
        )
    ]  # fmt: skip
    cubins = [triton_cubin(dtype, arch, plan, along, along, even) for plan, along, even in shown]
    return [*cubins, sum_triton_aot(dtype, arch)]


TRITON_CHOICE = triton_choice(
    lambda dtype, arch, bucket, config: triton_cubin(
        dtype, arch, config, a_k=True, b_k=True, even=not bucket.endswith(RAGGED)
    )
)


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "gemm",
    r"""
#include "tile.cuh"

// One tile of the result over ``part`` of the inner axis; parts lie m x n apart.
template <class T, class Out, int BM, int BN, int BK, int WM, int WN, int STAGES, bool A_K,
          bool B_K, int BLOCKS>
__global__ void __launch_bounds__(BM / WM * (BN / WN) * 32, BLOCKS)
gemm(const T* __restrict__ a, const T* __restrict__ b, Out* __restrict__ out, int m, int n, int k,
     i64 a_stride, i64 b_stride, int part) {
  using P = Plan<T, BM, BN, BK, WM, WN, STAGES, A_K, B_K>;
  int tile_m, tile_n;
  walk(blockIdx.x, (m + BM - 1) / BM, (n + BN - 1) / BN, tile_m, tile_n);
  const i64 row = (i64)tile_m * BM, column = (i64)tile_n * BN, first = (i64)blockIdx.y * part;
  a += A_K ? row * a_stride + first : first * a_stride + row;
  b += B_K ? column * b_stride + first : first * b_stride + column;
  const int rows = int(min((i64)BM, m - row)), columns = int(min((i64)BN, n - column));
  Product<P> sum;
  sum.clear();
  multiply(sum, a, a_stride, rows, b, b_stride, columns, int(min((i64)part, k - first)));
  out += (blockIdx.y * (i64)m + row) * n + column;
  sum.each([&](int i, int j, float one, float two, int count) {
    if (i < rows) store_pair(out + (i64)i * n + j, one, two, min(count, columns - j), n % 2 == 0);
  });
}
""",
)


def by_cuda(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """One launch, and a second one that sums where the inner axis was split."""
    (m, k), n = a.shape, b.shape[1]
    out = torch.empty((m, n), dtype=a.dtype, device=a.device)
    if not out.numel():
        return out
    left, right = operand(a), operand(b)
    processors = multiprocessors_of(a)
    dtype = str(a.dtype).removeprefix("torch.")
    kind = cuda_kind(m, n, processors)
    plan = TilePlan(*CUDA_CHOICE.taken(a, dtype, kind))
    if plan.by_warpgroups:
        if multiplied(left, right, out, k, plan):
            return out
        plan = mma_plan(dtype, arch_of(a), kind)
    tiles = triton.cdiv(m, plan.bm) * triton.cdiv(n, plan.bn)
    splits, part = parts_of(k, tiles, plan.blocks * processors, plan.bk)
    parts = torch.empty((splits, m, n), device=a.device) if splits > 1 else out
    order = {"a_k": left.along_columns, "b_k": not right.along_columns}
    arguments = (
        left.tensor, right.tensor, parts, *map(ctypes.c_int, (m, n, k)),
        *map(ctypes.c_longlong, (left.stride, right.stride)), ctypes.c_int(part),
    )  # fmt: skip
    types = (C_NAME[dtype], "float" if splits > 1 else C_NAME[dtype])
    CUDA.launch(
        (tiles, splits), plan.threads, arguments, template=plan.template(*types, **order),
        shared_bytes=plan.shared_bytes(a.element_size(), **order),
    )  # fmt: skip
    if splits > 1:
        sum_by_cuda(parts, out)
    return out


def cuda_cubin(dtype: str, arch: int, plan: TilePlan, config: dict[str, Any]) -> Cubin:
    """``config`` tells the orders of the operands, beside what else is to be shown."""
    if plan.by_warpgroups:
        return hopper_cubin(dtype, arch, plan, config)
    order = {"a_k": config["a_k"], "b_k": config["b_k"]}
    template = plan.template(C_NAME[dtype], C_NAME[dtype], **order)
    config = config | {"shared_bytes": plan.shared_bytes(SIZES[dtype], **order)}
    return CUDA.aot(arch, *template, threads=plan.threads, config=config)


CUDA_CHOICE = cuda_choice(
    lambda dtype, arch, kind, config: cuda_cubin(
        dtype, arch, TilePlan(*config), {"kind": kind, "a_k": True, "b_k": True}
    )
)


def cuda_aot(dtype: str, arch: int) -> list[Cubin] | str:
    """A linear layer in every kind of shape; both operands turned; the sum of parts."""
    try:
        cubins = [sum_cuda_aot(dtype, arch)]
        for kind, a_k, b_k in (
            ("large", True, True), ("medium", True, True), (PARTIAL, True, True),
            ("skinny", True, True), ("large", False, False), ("skinny", True, False),
        ):  # fmt: skip
            config = {"kind": kind, "a_k": a_k, "b_k": b_k}
            plans = (cuda_plan(dtype, arch, kind), mma_plan(dtype, arch, kind))
            cubins += [cuda_cubin(dtype, arch, plan, config) for plan in dict.fromkeys(plans)]
    except NotCompiled as error:
        return str(error)
    return cubins


# --- the operator -----------------------------------------------------------------------------

# Llama 3.1 8B (4096, 6144 for its fused QKV) and 70B (8192 x 28672).
LAYERS = ((4096, 4096), (6144, 4096), (28_672, 8192), (8192, 28_672))


def _shapes(rows: Sequence[int], layers: Sequence[tuple[int, int]]) -> list[Dims]:
    return [{"M": m, "N": n, "K": k} for n, k in layers for m in rows]


OPERATOR = Operator(
    name="gemm",
    title="Matrix product",
    also=("matmul", "mm", "linear"),
    summary="a @ b, accumulated in fp32",
    dtypes=FLOATS,
    regime="compute",
    implementations={
        "torch": Implementation("torch", "torch", eager),
        "torch.compile": Implementation("torch.compile", "torch.compile", compiled_of(eager)),
        "triton": Implementation(
            "triton", "triton", by_triton, build=triton_aot, shown=gemm_kernel, choice=TRITON_CHOICE
        ),
        "cuda": Implementation("cuda", "cuda", by_cuda, build=cuda_aot, choice=CUDA_CHOICE),
        "cublaslt": Implementation("cublaslt", "library", cublaslt, limits=on_a_gpu),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=("M", "N", "K"),
    suites={
        "smoke": [{"M": 128, "N": 128, "K": 128}],
        "models": _shapes((1, 16, 128, 2048, 8192), LAYERS),
        "sweep": [{"M": size, "N": size, "K": size} for size in (512, 1024, 2048, 4096, 8192)],
    },
    adversarial=adversarial,
    presets={
        "llama-3.1-8b decode": _shapes((1, 16), LAYERS[:2]),
        "llama-3.1-70b prefill": _shapes((8192,), LAYERS[2:]),
    },
    tolerance=Tolerance(floor=5e-6),
)
