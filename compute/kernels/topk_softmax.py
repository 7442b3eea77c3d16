"""topk_softmax: the router of a mixture of experts: softmax over all, then the k largest.

Small rows (64 to 256 experts) and many of them: a warp takes a row, and k times the largest that
is left. Values become integers of the same order, joined with their places, so that one maximum
finds both and no place is taken twice, whatever the row holds.
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
from compute.kernels.cases.data import (
    dense_rows,
    dtype_name,
    generator,
    normal,
    row_stride,
    strided,
)
from compute.kernels.judging import compare_tensor
from compute.kernels.operator import (
    FLOATS,
    SIZES,
    Case,
    Cubin,
    Dims,
    Implementation,
    Inputs,
    Operator,
    Verdict,
)
from compute.kernels.shared.rows import WARP

Pair = tuple[torch.Tensor, torch.Tensor]
MOST_COLUMNS, MOST_K = 1024, 32  # a warp's registers, and one pick a lane

# --- what it is -------------------------------------------------------------------------------


def reference(logits: torch.Tensor, k: int, renormalize: bool) -> Pair:
    """float64 weights [M, k], largest first, and places of them."""
    weights, ids = torch.softmax(logits.to(torch.float64), dim=-1).topk(k, dim=-1)
    return weights / weights.sum(-1, keepdim=True) if renormalize else weights, ids


def flops(dims: Dims, dtype: str) -> int:
    """That of the softmax."""
    return 5 * dims["M"] * dims["N"]


def moved(dims: Dims, dtype: str) -> int:
    """Logits read; an fp32 weight and an int32 place a pick written."""
    return dims["M"] * dims["N"] * SIZES[dtype] + 8 * dims["M"] * dims["K"]


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Normal logits."""
    logits = normal((dims["M"], dims["N"]), dtype, generator(seed, device), scale=2.0)
    return {"logits": logits, "k": dims["K"], "renormalize": True}


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """Odd and empty sizes, all places taken, ties, masks of -inf, a NaN."""
    cases = []
    for m, n, k in ((0, 8, 2), (1, 1, 1), (5, 3, 3), (9, 64, 6), (3, 257, 8), (2, 1000, 32)):
        inputs = make_inputs({"M": m, "N": n, "K": k}, dtype, seed, device)
        for renormalize in (False, True):
            name = f"{m}x{n}, {k}{', renormalised' if renormalize else ''}"
            cases.append(Case(name, {**inputs, "renormalize": renormalize}))
    base = make_inputs({"M": 6, "N": 60, "K": 4}, dtype, seed, device)
    logits = base["logits"]
    masked = logits.clone()
    masked[0, 2:] = -float("inf")
    masked[1] = -float("inf")
    masked[2, 3] = float("nan")
    masked[3] = 0.0
    masked[4, ::2] = 3.0
    cases.append(Case("masked, tied, NaN", {**base, "logits": masked}))
    cases.append(Case("the same, not renormalised", {**cases[-1].inputs, "renormalize": False}))
    cases.append(Case("not aligned", {**base, "logits": strided(logits, pad=5, offset=3)}))
    cases.append(Case("transposed", {**base, "logits": logits.t().contiguous().t()}))
    cases.append(Case("large", {**base, "logits": logits * 1000}))
    return cases


def judge(
    operator: Operator, inputs: Inputs, got: Any, want: Any, dtype: str, slack: float
) -> Verdict:
    """Weights by the general rule; places of equal values may go either way, but none twice."""
    (weights, ids), (exact, _) = got, want
    verdict = compare_tensor(operator, weights, exact, "float32", slack)
    wide = inputs["logits"].to(torch.float64)
    if not verdict.right or ids.shape != exact.shape:
        return Verdict(verdict.error, verdict.allowed, verdict.why or "the shape of ids is wrong")
    ids = ids.to(torch.int64)
    if bool(((ids < 0) | (ids >= wide.shape[1])).any()):
        return Verdict(verdict.error, verdict.allowed, "an id is no column")
    ordered = ids.sort(-1).values
    if bool((ordered[:, 1:] == ordered[:, :-1]).any()):
        return Verdict(verdict.error, verdict.allowed, "an id stands twice in a row")
    rows = ~wide.isnan().any(-1)
    best = wide.topk(exact.shape[1], dim=-1).values
    if not torch.equal(wide.gather(1, ids)[rows], best[rows]):
        return Verdict(verdict.error, verdict.allowed, "an id is not of the largest")
    return verdict


def limits(inputs: Inputs, device: str) -> str | None:
    """How much of a row a warp holds."""
    columns, k = inputs["logits"].shape[1], inputs["k"]
    if columns > MOST_COLUMNS or k > MOST_K:
        return f"at most {MOST_COLUMNS} experts and {MOST_K} of them a row, not {columns} and {k}"
    return None


# --- PyTorch ----------------------------------------------------------------------------------


def eager(logits: torch.Tensor, k: int, renormalize: bool) -> Pair:
    """The k largest logits, not weights: of those many may be 0."""
    ids = logits.topk(k, dim=-1).indices
    weights = torch.softmax(logits.float(), dim=-1).gather(1, ids)
    if renormalize:
        weights = weights / weights.sum(-1, keepdim=True)
    return weights, ids.to(torch.int32)


def empty_results(logits: torch.Tensor, k: int) -> Pair:
    """Weights and ids [M, k]."""
    weights = torch.empty((logits.shape[0], k), dtype=torch.float32, device=logits.device)
    return weights, torch.empty_like(weights, dtype=torch.int32)


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def topk_softmax_kernel(
    logits: tl.tensor, weights: tl.tensor, ids: tl.tensor, stride: tl.tensor, rows: tl.tensor,
    columns: tl.tensor, k: tl.tensor,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, PICKS: tl.constexpr, RENORMALIZE: tl.constexpr,
) -> None:  # fmt: skip
    """ROWS rows a program."""
    TAKEN: tl.constexpr = -0x7FFFFFFFFFFFFFFF
    LOWEST: tl.constexpr = -3.402823466e38
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    place = tl.arange(0, BLOCK)[None, :]
    inside = (row < rows) & (place < columns)
    value = tl.load(logits + row * stride + place, mask=inside, other=-float("inf"))
    value = value.to(tl.float32)
    top = tl.maximum(tl.max(value, 1, keep_dims=True), LOWEST)
    total = tl.sum(tl.exp(value - top), 1, keep_dims=True)
    # Floats order as integers once the bits of negative ones are turned; the smaller place wins.
    bits = tl.where(value == value, value.to(tl.int32, bitcast=True), 0x7FC00000)
    order = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    keys = (order.to(tl.int64) << 32) | (BLOCK - 1 - place).to(tl.int64)
    keys = tl.where(place < columns, keys, TAKEN)
    pick = tl.arange(0, PICKS)[None, :]
    picks = tl.zeros([ROWS, PICKS], tl.int64)
    for i in range(k):
        best = tl.max(keys, 1, keep_dims=True)
        picks = tl.where(pick == i, best, picks)
        keys = tl.where(keys == best, TAKEN, keys)
    order = (picks >> 32).to(tl.int32)
    bits = order ^ ((order >> 31) & 0x7FFFFFFF)
    power = tl.where(pick < k, tl.exp(bits.to(tl.float32, bitcast=True) - top), 0.0)
    if RENORMALIZE:
        total = tl.sum(power, 1, keep_dims=True)
    seen = (row < rows) & (pick < k)
    tl.store(weights + row * k + pick, power / total, mask=seen)
    tl.store(ids + row * k + pick, (BLOCK - 1 - (picks & 0xFFFFFFFF)).to(tl.int32), mask=seen)


def tile_of(columns: int) -> tuple[int, int]:
    """(rows, columns) of a program of four warps: 16 values a thread at most."""
    block = max(16, triton.next_power_of_2(columns))
    return max(1, min(16, 2048 // block)), block


def by_triton(logits: torch.Tensor, k: int, renormalize: bool) -> Pair:
    """One launch."""
    logits = dense_rows(logits)
    rows, columns = logits.shape
    weights, ids = empty_results(logits, k)
    if weights.numel():
        tile, block = tile_of(columns)
        topk_softmax_kernel[(triton.cdiv(rows, tile),)](
            logits, weights, ids, row_stride(logits), rows, columns, k,
            ROWS=tile, BLOCK=block, PICKS=triton.next_power_of_2(k), RENORMALIZE=renormalize,
        )  # fmt: skip
    return weights, ids


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """128 experts of which 8, and the most there may be."""
    arguments = {"logits": pointer(dtype), "weights": pointer("float32"), "ids": pointer("int32")}
    arguments |= dict.fromkeys(("stride", "rows", "columns", "k"), "i32")
    cubins = []
    for columns, k in ((128, 8), (MOST_COLUMNS, MOST_K)):
        tile, block = tile_of(columns)
        constants = {"ROWS": tile, "BLOCK": block, "PICKS": k, "RENORMALIZE": True}
        promised = ("logits", "weights", "ids", "stride", "columns")
        cubins.append(aot(topk_softmax_kernel, arch, arguments, constants, divisible=promised))
    return cubins


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "topk_softmax",
    r"""
#include "common.cuh"

typedef unsigned long long u64;

// One warp a row, EACH values a lane; lane i keeps pick i. Key 0 is taken or no column.
template <class T, int EACH>
__global__ void __launch_bounds__(128)
topk_softmax(const T* __restrict__ logits, float* __restrict__ weights, int* __restrict__ ids,
             i64 stride, i64 rows, int columns, int k, int renormalize) {
  const u32 lane = threadIdx.x % 32;
  const i64 row = (i64)blockIdx.x * 4 + threadIdx.x / 32;
  if (row >= rows) return;
  const T* from = logits + row * stride;
  u32 keys[EACH];
  Online seen;
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    const int at = i * 32 + lane;
    keys[i] = 0;
    if (at < columns) {
      const Vec<T, 1> got = load<1>(from + at);
      seen.add(got);
      const float v = to_float(got.v[0]);
      // Floats order as integers once the bits of negative ones are turned; a NaN is the largest.
      const u32 bits = v == v ? __float_as_uint(v) : 0x7fc00000u;
      keys[i] = bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
    }
  }
  warp_join(seen);
  float power = 0.0f;
  int id = 0;
  for (int pick = 0; pick < k; pick++) {
    u64 best = 0;
#pragma unroll
    for (int i = 0; i < EACH; i++) best = max(best, (u64)keys[i] << 32 | (~(i * 32 + lane)));
#pragma unroll
    for (int step = 16; step > 0; step >>= 1)
      best = max(best, __shfl_xor_sync(0xffffffffu, best, step));
    const u32 place = ~(u32)best, key = (u32)(best >> 32);
#pragma unroll
    for (int i = 0; i < EACH; i++)
      if (i * 32 + lane == place) keys[i] = 0;
    if (pick == (int)lane) {
      const u32 bits = key ^ (key >> 31 ? 0x80000000u : 0xffffffffu);
      power = fast_exp(__uint_as_float(bits) - seen.top);
      id = (int)place;
    }
  }
  const float total = renormalize ? warp_reduce(power, Sum()) : seen.sum;
  if ((int)lane < k) {
    weights[row * k + lane] = power / total;
    ids[row * k + lane] = id;
  }
}
""",
)
THREADS = 128
EACH = (2, 8, 32)  # values a lane: up to 64, 256 and 1,024 experts


def each_of(columns: int) -> int:
    """The fewest values a lane that hold the row."""
    return next(each for each in EACH if columns <= each * WARP)


def by_cuda(logits: torch.Tensor, k: int, renormalize: bool) -> Pair:
    """One launch, four rows a block."""
    logits = dense_rows(logits)
    rows, columns = logits.shape
    weights, ids = empty_results(logits, k)
    if weights.numel():
        sizes = (ctypes.c_longlong(row_stride(logits)), ctypes.c_longlong(rows))
        flags = (ctypes.c_int(n) for n in (columns, k, int(renormalize)))
        template = (C_NAME[dtype_name(logits)], each_of(columns))
        blocks = triton.cdiv(rows, THREADS // WARP)
        CUDA.launch((blocks,), THREADS, (logits, weights, ids, *sizes, *flags), template=template)
    return weights, ids


def cuda_aot(dtype: str, arch: int) -> list[Cubin] | str:
    """Every number of values a lane."""
    try:
        return [
            CUDA.aot(arch, C_NAME[dtype], each, threads=THREADS, config={"values a lane": each})
            for each in EACH
        ]
    except NotCompiled as error:
        return str(error)


# --- the operator -----------------------------------------------------------------------------


def _shapes(sizes: Sequence[tuple[int, int, int]]) -> list[Dims]:
    return [{"M": m, "N": n, "K": k} for m, n, k in sizes]


# Mixtral 8x7B (8 experts, 2), Qwen3-30B-A3B (128, 8), DeepSeek-V3 (256, 8).
MODELS = ((64, 128, 8), (8192, 8, 2), (8192, 128, 8), (32_768, 128, 8), (32_768, 256, 8))
SWEEP = tuple((rows, 128, 8) for rows in (16, 64, 256, 1024, 4096, 16_384, 65_536))

OPERATOR = Operator(
    name="topk_softmax",
    title="Top-k of a softmax",
    also=("moe routing", "router", "gating"),
    summary="the k largest of a row's softmax, as a mixture of experts routes",
    dtypes=FLOATS,
    regime="memory",
    implementations={
        "torch": Implementation("torch", "torch", eager),
        "torch.compile": Implementation("torch.compile", "torch.compile", compiled_of(eager)),
        "triton": Implementation(
            "triton",
            "triton",
            by_triton,
            limits=limits,
            build=triton_aot,
            shown=topk_softmax_kernel,
        ),
        "cuda": Implementation("cuda", "cuda", by_cuda, limits=limits, build=cuda_aot),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=("M", "N", "K"),
    suites={
        "smoke": _shapes([(256, 64, 4)]),
        "models": _shapes(MODELS),
        "sweep": _shapes(SWEEP),
    },
    adversarial=adversarial,
    result_dtype=lambda dtype: "float32",
    judge=judge,
)
