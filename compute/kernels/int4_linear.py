"""int4_linear: x @ w^T with 4-bit weights, one scale for each group of a row (w4a16).

Memory-bound for the few rows of a decode step: half a byte a weight against 2 in bf16. Low nibble
= even k, high nibble = odd k, w = (nibble - 8) * scale.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl

from compute.kernels.build.cuda import C_NAME, CudaKernel, NotCompiled
from compute.kernels.build.torch_compile import compiled_of
from compute.kernels.build.triton import aot, pointer
from compute.kernels.cases.data import dtype_name, generator, normal, strided
from compute.kernels.operator import (
    SIZES,
    Case,
    Cubin,
    Dims,
    Implementation,
    Inputs,
    Operator,
    Tolerance,
)
from compute.kernels.plans.choosing import Config
from compute.kernels.plans.decode import INT4_SLOTS, int4_bucket, int4_choice, int4_plan, one_scale
from compute.kernels.shared.matrices import head_lines, multiprocessors_of, parts_of, upcast
from compute.kernels.shared.splitting import sum_by_triton, sum_triton_aot

ZERO = 8  # the nibble that means 0

# --- what it is -------------------------------------------------------------------------------


def _weights(qweight: torch.Tensor, scales: torch.Tensor, group_size: int) -> torch.Tensor:
    """[N, K] in the dtype of the scales."""
    nibbles = torch.stack((qweight & 15, qweight >> 4), -1).flatten(1)
    return (nibbles.to(scales.dtype) - ZERO) * scales.repeat_interleave(group_size, 1)


def reference(
    x: torch.Tensor, qweight: torch.Tensor, scales: torch.Tensor, group_size: int
) -> torch.Tensor:
    """float64."""
    return x.to(torch.float64) @ _weights(qweight, scales.to(torch.float64), group_size).t()


def flops(dims: Dims, dtype: str) -> int:
    """A multiply-add a weight and row; unpacking is not counted."""
    return 2 * dims["M"] * dims["N"] * dims["K"]


def moved(dims: Dims, dtype: str) -> int:
    """Weights at half a byte, their scales, x and the result."""
    m, n, k, group = dims["M"], dims["N"], dims["K"], dims["G"]
    return n * k // 2 + (n * k // group + m * k + m * n) * SIZES[dtype]


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Random nibbles, scales around 0.01."""
    made = generator(seed, device)
    m, n, k, group = dims["M"], dims["N"], dims["K"], dims["G"]
    packed = torch.randint(0, 256, (n, k // 2), generator=made, device=device, dtype=torch.uint8)
    scales = 0.01 + 0.002 * normal((n, k // group), "float32", made)
    x = normal((m, k), dtype, made)
    return {"x": x, "qweight": packed, "scales": scales.to(x.dtype), "group_size": group}


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """Empty and odd sizes, groups of every kind, views, a NaN, extremes."""
    shapes = [(0, 8, 64, 32), (3, 0, 64, 32), (1, 1, 2, 2), (1, 40, 600, 20), (2, 33, 160, 160)]
    shapes += [(1, 100, 1024, 128), (5, 24, 96, 32), (16, 72, 256, 64), (37, 50, 192, 64)]
    cases = []
    for m, n, k, group in shapes:
        dims = {"M": m, "N": n, "K": k, "G": group}
        cases.append(Case(f"{m}x{n}x{k} by {group}", make_inputs(dims, dtype, seed, device)))
    base = make_inputs({"M": 4, "N": 48, "K": 256, "G": 64}, dtype, seed, device)
    x, packed, scales = base["x"], base["qweight"], base["scales"]
    wide = torch.cat((packed, packed), 1)[:, 128:]
    cases.append(Case("views", {**base, "x": strided(x), "qweight": wide}))
    turned = {"x": x.t().contiguous().t(), "scales": scales.t().contiguous().t()}
    cases.append(Case("turned", {**base, **turned, "qweight": packed.t().contiguous().t()}))
    cases.append(Case("not aligned", {**base, "x": strided(x, 5, 3)}))
    cases.append(Case("large", {**base, "x": x * (100 if dtype == "float16" else 1e4)}))
    hole = x.clone()
    hole[2, 255] = float("nan")
    return [*cases, Case("a NaN in one row", {**base, "x": hole})]


# --- PyTorch ----------------------------------------------------------------------------------


def eager(
    x: torch.Tensor, qweight: torch.Tensor, scales: torch.Tensor, group_size: int
) -> torch.Tensor:
    """Unpack to x's dtype, then a matrix product."""
    return x @ _weights(qweight, scales, group_size).t()


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def int4_kernel(
    x: tl.tensor, qweight: tl.tensor, scales: tl.tensor, out: tl.tensor, m: tl.tensor,
    n: tl.tensor, k: tl.tensor, x_stride: tl.tensor, q_stride: tl.tensor, x_dense: tl.tensor,
    q_dense: tl.tensor, groups: tl.tensor, group: tl.tensor, part: tl.tensor,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, ONE: tl.constexpr,
    UPCAST: tl.constexpr,
) -> None:  # fmt: skip
    """BM x BN of the result over ``part`` of k. ONE: a block of k has one scale a row, which is
    applied to the fp32 sums; nibbles - 8 are exact in 16 bits.
    """
    tiles_m = tl.cdiv(m, BM)
    rows = tl.program_id(0) % tiles_m * BM + tl.arange(0, BM)
    columns = (tl.program_id(0) // tiles_m).to(tl.int64) * BN + tl.arange(0, BN)
    place, half = tl.arange(0, BK), tl.arange(0, BK // 2)
    first = tl.program_id(1) * part
    x_at = x + rows[:, None].to(tl.int64) * x_stride + place[None, :]
    q_at = qweight + columns[:, None] * q_stride + half[None, :]
    s_at = scales + columns * groups
    inside = columns < n
    total = tl.zeros([BM, BN], tl.float32)
    for at in range(first, tl.minimum(first + part, k), BK):
        x_mask = (rows < m)[:, None] & (at + place < x_dense)[None, :]
        left = tl.load(x_at + at, mask=x_mask, other=0.0)
        q_mask = inside[:, None] & (at // 2 + half < q_dense)[None, :]
        packed = tl.load(q_at + at // 2, mask=q_mask, other=0).to(tl.int32)
        pairs = tl.join((packed & 15) - 8, (packed >> 4) - 8)
        right = tl.reshape(pairs, (BN, BK))
        if ONE:
            scale = tl.load(s_at + at // group, mask=inside, other=0.0).to(tl.float32)
            weight = right.to(tl.float32).to(left.dtype)
        else:
            s_mask = inside[:, None] & (at + place < k)[None, :]
            each = tl.load(s_at[:, None] + ((at + place) // group)[None, :], mask=s_mask, other=0.0)
            scale = tl.full([BN], 1.0, tl.float32)
            weight = (right.to(tl.float32) * each.to(tl.float32)).to(left.dtype)
        if UPCAST:
            left, weight = left.to(tl.float32), weight.to(tl.float32)
        total += tl.dot(left, tl.trans(weight), input_precision="ieee") * scale[None, :]
    out += tl.program_id(1).to(tl.int64) * m * n
    out_at = out + rows[:, None].to(tl.int64) * n + columns[None, :]
    tl.store(out_at, total.to(out.dtype.element_ty), mask=(rows < m)[:, None] & inside[None, :])


def by_triton(
    x: torch.Tensor, qweight: torch.Tensor, scales: torch.Tensor, group_size: int
) -> torch.Tensor:
    """One launch, and a second one that sums where k was split."""
    (m, k), n = x.shape, qweight.shape[0]
    out = torch.empty((m, n), dtype=x.dtype, device=x.device)
    if not out.numel():
        return out
    scales = scales.contiguous()
    (x, xs, x_dense), (qweight, qs, q_dense) = (head_lines(t, 16) for t in (x, qweight))
    bucket = int4_bucket(m, group_size)
    bm, bn, bk, warps, stages = TRITON_CHOICE.taken(x, dtype_name(x), bucket)
    tiles = triton.cdiv(m, bm) * triton.cdiv(n, bn)
    splits, part = parts_of(k, tiles, INT4_SLOTS[bucket.split()[0]] * multiprocessors_of(x), bk)
    parts = torch.empty((splits, m, n), device=x.device) if splits > 1 else out
    int4_kernel[(tiles, splits)](
        x, qweight, scales, parts, m, n, k, *xs, *qs, x_dense, q_dense, scales.shape[1],
        group_size, part, bm, bn, bk, one_scale(bucket), upcast(x), num_warps=warps,
        num_stages=stages,
    )  # fmt: skip
    if splits > 1:
        sum_by_triton(parts, out)
    return out


def triton_cubin(dtype: str, arch: int, bucket: str, config: Config) -> Cubin:
    """For the rows and the groups of a bucket."""
    names = ("x", "scales", "out")
    sizes = ("n", "k", "x_stride", "q_stride", "x_dense", "q_dense", "group", "part")
    kinds = dict.fromkeys(names, pointer(dtype)) | {"qweight": "*u8"}
    kinds |= dict.fromkeys((*sizes, "m", "groups"), "i32")
    (bm, bn, bk, warps, stages), one = config, one_scale(bucket)
    constants = {"BM": bm, "BN": bn, "BK": bk, "ONE": one, "UPCAST": False}
    promised = (*names, "qweight", *(s for s in sizes if one or s not in ("k", "group")))
    how: dict[str, Any] = {"num_warps": warps, "num_stages": stages}
    return aot(int4_kernel, arch, kinds, constants, divisible=promised, **how)


TRITON_CHOICE = int4_choice(triton_cubin)


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """One row and many by groups of 128; odd groups."""
    buckets = (int4_bucket(m, group) for m, group in ((1, 128), (128, 128), (1, 20)))
    cubins = [triton_cubin(dtype, arch, b, int4_plan(dtype, arch, b)) for b in buckets]
    return [*cubins, sum_triton_aot(dtype, arch)]


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "int4_linear",
    r"""
#include "nibbles.cuh"

// 16 TN rows of weights are the left operand, 8 TM rows of x the right one. A lane's 16 bytes are
// 32 weights of one row: the order of k within a fragment is free, as long as x has the same. So
// weights go from memory to registers with no shared memory between. Eight warps take 128 of k each
// in turn and add up at the end.
template <class T, int TN, int TM, bool GROUP32>
__global__ void __launch_bounds__(256)
int4_linear(const T* __restrict__ x, const unsigned char* __restrict__ qweight,
            const T* __restrict__ scales, T* __restrict__ out, int m, int n, int k, i64 x_stride,
            i64 q_stride, int x_dense, int q_dense, int groups, int group) {
  constexpr int WARPS = 8, BM = 8 * TM, BN = 16 * TN;
  __shared__ float sums[WARPS][BM][BN + 1];
  const int tiles_m = (m + BM - 1) / BM;
  const int row = blockIdx.x % tiles_m * BM;  // neighbours share weights, which then lie in L2
  const i64 column = (i64)(blockIdx.x / tiles_m) * BN;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  Words held[TN][2], next[TN][2];
  auto fetch = [&](Words (&to)[TN][2], int at) {
    const int byte = at / 2 + 16 * t;
#pragma unroll
    for (int i = 0; i < TN; i++)
#pragma unroll
      for (int h = 0; h < 2; h++) {
        const i64 line = column + 16 * i + g + 8 * h;
        const bool inside = line < n && at < k && byte < q_dense;
        to[i][h] = words_of(qweight + line * q_stride + byte, inside);
      }
  };
  auto scale_of = [&](i64 line, int at) {
    return line < n && at < k ? scales[line * groups + at / group] : from_float<T>(0.0f);
  };
  float c[TN][TM][4];
#pragma unroll
  for (int i = 0; i < TN; i++)
#pragma unroll
    for (int j = 0; j < TM; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) c[i][j][e] = 0.0f;
  fetch(held, warp * 128);
  for (int at = warp * 128; at < k; at += WARPS * 128) {
    fetch(next, at + WARPS * 128);
    const int mine = at + 32 * t;
    typename Nibbles<T>::Pair scale[TN][2];
#pragma unroll
    for (int i = 0; i < TN; i++)
#pragma unroll
      for (int h = 0; h < 2; h++) {
        scale[i][h].x = scale_of(column + 16 * i + g + 8 * h, mine);
        scale[i][h].y = scale[i][h].x;
      }
#pragma unroll
    for (int w = 0; w < 4; w++) {
      u32 right[TM][4];
#pragma unroll
      for (int j = 0; j < TM; j++) {
        const int line = row + 8 * j + g, place = mine + 8 * w;
        const bool inside = line < m && place < x_dense;
        const Words v = words_of(x + line * x_stride + place, inside);
        right[j][0] = (v.w[0] & 0xffffu) | (v.w[2] << 16);  // k and k + 4, as the nibbles
        right[j][1] = (v.w[0] >> 16) | (v.w[2] & 0xffff0000u);
        right[j][2] = (v.w[1] & 0xffffu) | (v.w[3] << 16);
        right[j][3] = (v.w[1] >> 16) | (v.w[3] & 0xffff0000u);
      }
#pragma unroll
      for (int i = 0; i < TN; i++)
#pragma unroll
        for (int step = 0; step < 2; step++) {
          u32 left[4];
#pragma unroll
          for (int e = 0; e < 4; e++) {
            const int h = e % 2, shift = 2 * step + e / 2;
            auto s = scale[i][h];
            if constexpr (!GROUP32) {
              s.x = scale_of(column + 16 * i + g + 8 * h, mine + 8 * w + shift);
              s.y = scale_of(column + 16 * i + g + 8 * h, mine + 8 * w + shift + 4);
            }
            left[e] = weights_of<T>(held[i][h].w[w] >> (4 * shift), s);
          }
#pragma unroll
          for (int j = 0; j < TM; j++)
            mma16<T>(c[i][j], left, right[j][2 * step], right[j][2 * step + 1]);
        }
    }
#pragma unroll
    for (int i = 0; i < TN; i++)
#pragma unroll
      for (int h = 0; h < 2; h++) held[i][h] = next[i][h];
  }
#pragma unroll
  for (int i = 0; i < TN; i++)
#pragma unroll
    for (int j = 0; j < TM; j++)
#pragma unroll
      for (int e = 0; e < 4; e++)
        sums[warp][8 * j + 2 * t + e % 2][16 * i + g + e / 2 * 8] = c[i][j][e];
  __syncthreads();
  for (int at = threadIdx.x; at < BM * BN; at += 256) {
    const int i = at / BN, j = at % BN;
    float sum = 0.0f;
#pragma unroll
    for (int w = 0; w < WARPS; w++) sum += sums[w][i][j];
    if (row + i < m && column + j < n) out[(row + i) * (i64)n + column + j] = from_float<T>(sum);
  }
}
""",
)


def cuda_plan(m: int, n: int, processors: int) -> tuple[int, int]:
    """(tiles of 16 weight rows, of 8 rows of x) a block. Every block reads all of x: with 16 rows
    of x and 16 of weights that is four times the weights' bytes, with 64 of weights as many.
    """
    wanted = 1 if m <= 4 else 2 if m <= 8 else 4
    fitting = max(1, n // (16 * processors))
    return max(t for t in (1, 2, 4) if t <= min(wanted, fitting)), 1 if m <= 8 else 2


def by_cuda(
    x: torch.Tensor, qweight: torch.Tensor, scales: torch.Tensor, group_size: int
) -> torch.Tensor:
    """One launch; 16 rows of x at a time, neighbouring blocks sharing weights in L2."""
    (m, k), n = x.shape, qweight.shape[0]
    out = torch.empty((m, n), dtype=x.dtype, device=x.device)
    if not out.numel():
        return out
    scales = scales.contiguous()
    (x, xs, x_dense), (qweight, qs, q_dense) = head_lines(x, 8), head_lines(qweight, 16)
    tn, tm = cuda_plan(m, n, multiprocessors_of(x))
    grid = (triton.cdiv(m, 8 * tm) * triton.cdiv(n, 16 * tn),)
    arguments = (
        x, qweight, scales, out, *map(ctypes.c_int, (m, n, k)),
        *map(ctypes.c_longlong, (*xs, *qs)),
        *map(ctypes.c_int, (x_dense, q_dense, scales.shape[1], group_size)),
    )  # fmt: skip
    name = C_NAME[str(x.dtype).removeprefix("torch.")]
    template = (name, tn, tm, str(group_size % 32 == 0).lower())
    CUDA.launch(grid, 256, arguments, template=template)
    return out


def cuda_aot(dtype: str, arch: int) -> list[Cubin] | str:
    """One row, sixteen rows, and groups that are no multiple of 32."""
    try:
        return [
            CUDA.aot(
                arch, C_NAME[dtype], tn, tm, whole, threads=256, config={"rows": 8 * tm, "tn": tn}
            )
            for tn, tm, whole in ((1, 1, "true"), (2, 1, "true"), (4, 2, "true"), (1, 1, "false"))
        ]
    except NotCompiled as error:
        return str(error)


# --- the operator -----------------------------------------------------------------------------

# (N, K) of Llama 3.1 70B's and 8B's layers, groups of 128 as AWQ and GPTQ make them.
LAYERS = ((4096, 4096), (6144, 4096), (28_672, 8192), (8192, 28_672))


def _shapes(rows: Sequence[int], layers: Sequence[tuple[int, int]]) -> list[Dims]:
    return [{"M": m, "N": n, "K": k, "G": 128} for n, k in layers for m in rows]


OPERATOR = Operator(
    name="int4_linear",
    title="4-bit linear layer",
    also=("w4a16", "awq", "gptq", "marlin"),
    summary="x @ wᵀ with 4-bit weights and a scale a group",
    dtypes=("float16", "bfloat16"),
    regime="memory",
    implementations={
        "torch": Implementation("torch", "torch", eager),
        "torch.compile": Implementation("torch.compile", "torch.compile", compiled_of(eager)),
        "triton": Implementation(
            "triton", "triton", by_triton, build=triton_aot, shown=int4_kernel, choice=TRITON_CHOICE
        ),
        "cuda": Implementation("cuda", "cuda", by_cuda, build=cuda_aot),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=("M", "N", "K", "G"),
    suites={
        "smoke": _shapes((1,), ((256, 512),)),
        "models": _shapes((1, 4, 16), LAYERS),
        "sweep": _shapes((1, 2, 4, 8, 16, 32, 64), ((28_672, 8192),)),
    },
    adversarial=adversarial,
    tolerance=Tolerance(units=2.0, floor=5e-6),
)
