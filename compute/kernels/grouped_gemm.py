"""grouped_gemm: rows sorted by group, each group times its own matrix, as experts of a MoE layer.

How many rows a group has stands on the GPU: every block finds its group there, so that nothing
waits for the host. Blocks are launched for the most tiles there can be; the rest return at once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl

from compute.kernels.build.cuda import C_NAME, CudaKernel, NotCompiled
from compute.kernels.build.places import arch_of
from compute.kernels.build.torch_compile import compiled_of
from compute.kernels.build.triton import aot, pointer
from compute.kernels.cases.grouped_gemm import adversarial, make_inputs
from compute.kernels.hopper.cuda_grouped_gemm import ROWS as HOPPER_ROWS
from compute.kernels.hopper.cuda_grouped_gemm import hopper_cubin, multiplied
from compute.kernels.operator import (
    SIZES,
    Cubin,
    Dims,
    Implementation,
    Inputs,
    Operator,
    Tolerance,
)
from compute.kernels.shared.matrices import TilePlan, head_lines, upcast

# --- what it is -------------------------------------------------------------------------------


def _by_group(x: torch.Tensor, w: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    out = x.new_zeros((x.shape[0], w.shape[2]))
    begin = 0
    for group, size in enumerate(sizes):
        if size:
            out[begin : begin + size] = x[begin : begin + size] @ w[group]
        begin += size
    return out


def reference(x: torch.Tensor, w: torch.Tensor, group_sizes: torch.Tensor) -> torch.Tensor:
    """float64."""
    return _by_group(x.to(torch.float64), w.to(torch.float64), group_sizes.tolist())


def flops(dims: Dims, dtype: str) -> int:
    """A multiply-add for each row, column and inner place."""
    return 2 * dims["T"] * dims["N"] * dims["K"]


def moved(dims: Dims, dtype: str) -> int:
    """Rows, results, the matrices that are used, and the sizes of groups."""
    t, n, k = dims["T"], dims["N"], dims["K"]
    return (t * k + dims["G_used"] * k * n + t * n) * SIZES[dtype] + 4 * dims["G"]


# --- PyTorch ----------------------------------------------------------------------------------


def eager(x: torch.Tensor, w: torch.Tensor, group_sizes: torch.Tensor) -> torch.Tensor:
    """A product a group, after the host has read the sizes: as Hugging Face's MoE layers do."""
    return _by_group(x, w, group_sizes.tolist())


def by_library(x: torch.Tensor, w: torch.Tensor, group_sizes: torch.Tensor) -> torch.Tensor:
    """torch._grouped_mm, by the ends of groups."""
    ends = group_sizes.cumsum(0, dtype=torch.int32)
    out: torch.Tensor = torch._grouped_mm(x, w, offs=ends)
    return out


def library_limits(inputs: Inputs, device: str) -> str | None:
    """What torch._grouped_mm asks of its operands."""
    x, w = inputs["x"], inputs["w"]
    if device != "cuda":
        return "needs a GPU"
    if x.dtype != torch.bfloat16 or arch_of(x) not in (90, 100):
        return "torch._grouped_mm takes bfloat16 on sm_90 and sm_100"
    lines = [s for t in (x, w) for s in t.stride() if s != 1]
    ragged = any(s % 8 for s in lines) or not x.numel() or not w.numel()
    return "torch._grouped_mm takes lines of whole 16 bytes" if ragged else None


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def grouped_kernel(
    x: tl.tensor, w: tl.tensor, sizes: tl.tensor, out: tl.tensor, groups: tl.tensor,
    n: tl.tensor, k: tl.tensor, x_stride: tl.tensor, w_group: tl.tensor, w_stride: tl.tensor,
    x_dense: tl.tensor, w_dense: tl.tensor,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, W_K: tl.constexpr, EVEN: tl.constexpr,
    G: tl.constexpr, UPCAST: tl.constexpr,
) -> None:  # fmt: skip
    """One tile of one group. The columns of a tile of rows run side by side and share x in L2."""
    tiles_n = tl.cdiv(n, BN)
    tile = tl.program_id(0) // tiles_n
    column = tl.program_id(0) % tiles_n * BN
    places = tl.arange(0, G)
    size = tl.load(sizes + places, mask=places < groups, other=0)
    count = (size + BM - 1) // BM
    ends = tl.cumsum(count, 0)
    group = tl.sum((ends <= tile).to(tl.int32), 0)
    if group >= groups:
        return
    before = places < group
    within = (tile - tl.sum(tl.where(before, count, 0), 0)) * BM
    left_rows = tl.sum(tl.where(places == group, size, 0), 0) - within
    row = tl.sum(tl.where(before, size, 0), 0) + within
    rows, columns, inner = tl.arange(0, BM), tl.arange(0, BN), tl.arange(0, BK)
    x += row.to(tl.int64) * x_stride
    w += group.to(tl.int64) * w_group
    x_at = rows[:, None] * x_stride + inner[None, :]
    x_inside = (rows < left_rows)[:, None]
    if W_K:
        w += column.to(tl.int64) * w_stride
        w_at = columns[None, :] * w_stride + inner[:, None]
        w_inside, w_end, w_step = (column + columns < n)[None, :], w_dense, BK
    else:
        w += column
        w_at = inner[:, None] * w_stride + columns[None, :]
        w_inside, w_end, w_step = (column + columns < w_dense)[None, :], k, BK * w_stride
    total = tl.zeros([BM, BN], tl.float32)
    for at in range(0, k, BK):
        if EVEN:
            left = tl.load(x + x_at, mask=x_inside, other=0.0)
            right = tl.load(w + w_at, mask=w_inside, other=0.0)
        else:
            place = at + inner
            left = tl.load(x + x_at, mask=x_inside & (place < x_dense)[None, :], other=0.0)
            right = tl.load(w + w_at, mask=w_inside & (place < w_end)[:, None], other=0.0)
        if UPCAST:
            left, right = left.to(tl.float32), right.to(tl.float32)
        total = tl.dot(left, right, total, input_precision="ieee")
        x += BK
        w += w_step
    out += row.to(tl.int64) * n + column
    mask = x_inside & (column + columns < n)[None, :]
    tl.store(out + rows[:, None] * n + columns[None, :], total.to(out.dtype.element_ty), mask=mask)


# (BN, BK, warps, stages) by rows of a tile.
TRITON = {16: (128, 64, 4, 4), 64: (128, 64, 4, 3), 128: (128, 64, 8, 3)}


def rows_of(rows: int, groups: int) -> int:
    """Rows of a tile: those that an average group fills."""
    each = rows / max(1, min(rows, groups))
    return 16 if each <= 16 else 64 if each <= 64 else 128


def tiles_of(rows: int, groups: int, bm: int) -> int:
    """The most tiles that ``rows`` can need, however they lie in groups."""
    return rows // bm + min(rows, groups)


def matrices_of(w: torch.Tensor, whole: int) -> tuple[torch.Tensor, list[int], int, bool]:
    """(w, strides, elements of a line, whether lines run along K) for [G, K, N]."""
    along_k = w.stride(2) != 1 and w.stride(1) == 1
    return (*head_lines(w.transpose(1, 2) if along_k else w, whole), along_k)


def by_triton(x: torch.Tensor, w: torch.Tensor, group_sizes: torch.Tensor) -> torch.Tensor:
    """One launch."""
    (t, k), (groups, _, n) = x.shape, w.shape
    out = torch.empty((t, n), dtype=x.dtype, device=x.device)
    if not out.numel():
        return out
    bm = rows_of(t, groups)
    bn, bk, warps, stages = TRITON[bm]
    (x, xs, x_dense), (w, ws, w_dense, along_k) = head_lines(x, 16), matrices_of(w, 16)
    grouped_kernel[(tiles_of(t, groups, bm) * triton.cdiv(n, bn),)](
        x, w, group_sizes.contiguous(), out, groups, n, k, *xs, *ws, x_dense, w_dense, bm, bn, bk,
        along_k, k % bk == 0, triton.next_power_of_2(groups), upcast(x), num_warps=warps,
        num_stages=stages,
    )  # fmt: skip
    return out


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """Tiles of every height for 128 experts, both orders of w, and a ragged inner axis."""
    sizes = ("n", "x_stride", "w_group", "w_stride", "x_dense", "w_dense")
    kinds = dict.fromkeys(("x", "w", "out"), pointer(dtype)) | {"sizes": "*i32"}
    kinds |= dict.fromkeys((*sizes, "k", "groups"), "i32")
    cubins = []
    for bm, along_k, even in ((16, False, True), (64, True, True), (128, True, True),
                              (128, False, False)):  # fmt: skip
        bn, bk, warps, stages = TRITON[bm]
        constants: dict[str, Any] = {"BM": bm, "BN": bn, "BK": bk, "W_K": along_k, "EVEN": even}
        constants |= {"G": 128, "UPCAST": False}
        promised = ("x", "w", "out", "sizes", *sizes, *(("k",) if even else ()))
        how: dict[str, Any] = {"num_warps": warps, "num_stages": stages}
        cubins.append(aot(grouped_kernel, arch, kinds, constants, divisible=promised, **how))
    return cubins


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "grouped_gemm",
    r"""
#include "tile.cuh"

struct Found { int group, row, rows; };  // -1: no tile is left

// Which rows of which group are tile ``tile``: the first warp adds up 32 groups at a time.
template <int BM>
__device__ __forceinline__ Found find_tile(const int* sizes, int groups, int tile) {
  __shared__ Found found;
  const int lane = threadIdx.x % 32;
  if (threadIdx.x == 0) found.group = -1;
  __syncthreads();
  int tiles_before = 0, rows_before = 0;
  for (int base = 0; threadIdx.x < 32 && base < groups; base += 32) {
    const int size = base + lane < groups ? sizes[base + lane] : 0, count = (size + BM - 1) / BM;
    int rows = size, tiles = count;
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
      const int more_rows = __shfl_up_sync(0xffffffffu, rows, step);
      const int more_tiles = __shfl_up_sync(0xffffffffu, tiles, step);
      if (lane >= step) {
        rows += more_rows;
        tiles += more_tiles;
      }
    }
    const int first = tiles_before + tiles - count;
    if (tile >= first && tile < first + count) {
      const int within = (tile - first) * BM;
      found = {base + lane, rows_before + rows - size + within, min(BM, size - within)};
    }
    tiles_before += __shfl_sync(0xffffffffu, tiles, 31);
    rows_before += __shfl_sync(0xffffffffu, rows, 31);
    if (tile < tiles_before) break;
  }
  __syncthreads();
  return found;
}

// W_K: the columns of a matrix run along the inner axis.
template <class T, int BM, int BN, int BK, int WM, int WN, int STAGES, bool A_K, bool W_K,
          int BLOCKS>
__global__ void __launch_bounds__(BM / WM * (BN / WN) * 32, BLOCKS)
grouped_gemm(const T* __restrict__ x, const T* __restrict__ w, const int* __restrict__ sizes,
             T* __restrict__ out, int groups, int n, int k, i64 x_stride, i64 w_group,
             i64 w_stride) {
  using P = Plan<T, BM, BN, BK, WM, WN, STAGES, A_K, W_K>;
  const int tiles_n = (n + BN - 1) / BN;
  const i64 column = (i64)(blockIdx.x % tiles_n) * BN;
  const Found at = find_tile<BM>(sizes, groups, blockIdx.x / tiles_n);
  if (at.group < 0) return;
  const int columns = int(min((i64)BN, n - column));
  Product<P> sum;
  sum.clear();
  multiply(sum, x + at.row * x_stride, x_stride, at.rows,
           w + at.group * w_group + column * (W_K ? w_stride : 1), w_stride, columns, k);
  out += at.row * (i64)n + column;
  sum.each([&](int i, int j, float one, float two, int count) {
    if (i < at.rows)
      store_pair(out + (i64)i * n + j, one, two, min(count, columns - j), n % 2 == 0);
  });
}
""",
)
PLANS = {
    16: TilePlan(16, 64, 64, 16, 16, 5, 3),
    64: TilePlan(64, 128, 32, 32, 64, 4, 2),
    128: TilePlan(128, 128, 32, 64, 64, 4, 2),
}


def by_cuda(x: torch.Tensor, w: torch.Tensor, group_sizes: torch.Tensor) -> torch.Tensor:
    """One launch."""
    (t, k), (groups, _, n) = x.shape, w.shape
    out = torch.empty((t, n), dtype=x.dtype, device=x.device)
    if not out.numel():
        return out
    rows, sizes = rows_of(t, groups), group_sizes.contiguous()
    (x, xs, _), (w, ws, _, along_k) = head_lines(x), matrices_of(w, 1)
    hopper = arch_of(x) == 90 and rows == HOPPER_ROWS
    if hopper and multiplied((x, xs[0]), (w, ws), along_k, sizes, out, k):
        return out
    plan = PLANS[rows]
    arguments = (
        x, w, sizes, out, *map(ctypes.c_int, (groups, n, k)),
        *map(ctypes.c_longlong, (*xs, *ws)),
    )  # fmt: skip
    name = C_NAME[str(x.dtype).removeprefix("torch.")]
    grid = (tiles_of(t, groups, plan.bm) * triton.cdiv(n, plan.bn),)
    template = plan.template(name, a_k=True, b_k=along_k)
    shared = plan.shared_bytes(x.element_size(), True, along_k)
    CUDA.launch(grid, plan.threads, arguments, template=template, shared_bytes=shared)
    return out


def cuda_aot(dtype: str, arch: int) -> list[Cubin] | str:
    """Tiles of every height, both orders of w."""
    cubins = []
    try:
        if arch == 90:
            cubins += [hopper_cubin(dtype, arch, n, n > 128, n > 128) for n in (128, 2048)]
        for rows, along_k in ((16, False), (64, True), (128, False), (128, True)):
            plan = PLANS[rows]
            template = plan.template(C_NAME[dtype], a_k=True, b_k=along_k)
            size = plan.shared_bytes(SIZES[dtype], True, along_k)
            config = {"rows": rows, "w_k": along_k, "shared_bytes": size}
            cubins.append(CUDA.aot(arch, *template, threads=plan.threads, config=config))
    except NotCompiled as error:
        return str(error)
    return cubins


# --- the operator -----------------------------------------------------------------------------

KEYS = ("T", "N", "K", "G", "G_used")
# Qwen3-30B-A3B (128 experts, 2048 -> 768) and DeepSeek-V3 (256, 7168 -> 2048), 8 experts a token:
# 16 and 8192 tokens, 16 and 4096 tokens.
MODELS = (
    (128, 768, 2048, 128, 82), (65_536, 768, 2048, 128, 128),
    (128, 2048, 7168, 256, 102), (32_768, 2048, 7168, 256, 256),
)  # fmt: skip
SWEEP = tuple((128 * rows, 768, 2048, 128, 128) for rows in (1, 4, 16, 64, 256, 1024))


def _shapes(shapes: Sequence[tuple[int, ...]]) -> list[Dims]:
    return [dict(zip(KEYS, shape, strict=True)) for shape in shapes]


OPERATOR = Operator(
    name="grouped_gemm",
    title="Grouped matrix product",
    also=("moe", "moe gemm", "experts"),
    summary="rows sorted by group, each group times its own matrix",
    dtypes=("float16", "bfloat16"),
    regime="compute",
    implementations={
        "torch": Implementation("torch", "torch", eager),
        "torch.compile": Implementation("torch.compile", "torch.compile", compiled_of(eager)),
        "triton": Implementation(
            "triton", "triton", by_triton, build=triton_aot, shown=grouped_kernel
        ),
        "cuda": Implementation("cuda", "cuda", by_cuda, build=cuda_aot),
        "torch._grouped_mm": Implementation(
            "torch._grouped_mm", "library", by_library, limits=library_limits
        ),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=KEYS,
    suites={
        "smoke": _shapes([(64, 64, 64, 8, 5)]),
        "models": _shapes(MODELS),
        "sweep": _shapes(SWEEP),
    },
    adversarial=adversarial,
    tolerance=Tolerance(floor=5e-6),
)
