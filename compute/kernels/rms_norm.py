"""rms_norm: x / sqrt(mean(x^2) + eps) * weight, over the last axis (Zhang and Sennrich, 2019).

Memory-bound: 4 FLOP against 2 bytes read and 2 written an element in bf16. A row is held in
registers between the sum and the product, so that memory sees it once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl

from compute.kernels.compiling import compiled_of
from compute.kernels.cuda_build import C_NAME, CudaKernel, NotCompiled
from compute.kernels.data import (
    aligned,
    dense_rows,
    generator,
    normal,
    row_stride,
    strided,
)
from compute.kernels.operator import (
    FLOATS,
    SIZES,
    Case,
    Cubin,
    Dims,
    Implementation,
    Inputs,
    Operator,
)
from compute.kernels.triton_build import aot, pointer

EPS = 1e-6


# --- what it is -------------------------------------------------------------------------------


def reference(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """float64."""
    wide = x.to(torch.float64)
    scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return wide * scale * weight.to(torch.float64)


def flops(dims: Dims, dtype: str) -> int:
    """A square, a sum, and two products an element."""
    return 4 * dims["M"] * dims["N"]


def moved(dims: Dims, dtype: str) -> int:
    """x and the result once each, the weight once."""
    return (2 * dims["M"] * dims["N"] + dims["N"]) * SIZES[dtype]


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Normal x, weights around 1."""
    made = generator(seed, device)
    x = normal((dims["M"], dims["N"]), dtype, made)
    weight = (1 + 0.1 * normal((dims["N"],), "float32", made)).to(x.dtype)
    return {"x": x, "weight": weight, "eps": EPS}


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """Odd and empty sizes, rows apart, tiny and huge values, a NaN in one row."""
    cases = [
        Case(f"{m}x{n}", make_inputs({"M": m, "N": n}, dtype, seed, device))
        for m, n in ((0, 8), (3, 0), (1, 1), (5, 3), (7, 129), (2, 1000), (3, 2048))
    ]
    base = make_inputs({"M": 6, "N": 136}, dtype, seed, device)
    x = base["x"]
    cases.append(Case("rows of a wider buffer", {**base, "x": strided(x)}))
    cases.append(Case("not aligned", {**base, "x": strided(x, pad=5, offset=3)}))
    cases.append(Case("transposed", {**base, "x": x.t().contiguous().t()}))
    cases.append(Case("large", {**base, "x": x * (100 if dtype == "float16" else 1e4)}))
    cases.append(Case("tiny", {**base, "x": x * 1e-4}))
    hole = x.clone()
    hole[2, 5] = float("nan")
    cases.append(Case("a NaN in one row", {**base, "x": hole}))
    cases.append(Case("zeros", {**base, "x": torch.zeros_like(x)}))
    return cases


# --- PyTorch ----------------------------------------------------------------------------------


def eager(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """As model code writes it, in fp32 and rounded once."""
    wide = x.float()
    scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return (wide * scale * weight.float()).to(x.dtype)


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def rms_norm_kernel(
    x: tl.tensor, weight: tl.tensor, out: tl.tensor, stride: tl.tensor, columns: tl.tensor,
    eps: tl.tensor,
    BLOCK: tl.constexpr, WHOLE: tl.constexpr,
) -> None:  # fmt: skip
    """One program a row. WHOLE: the row fits one block and stays in registers; else it is read
    twice, the second time mostly from L2.
    """
    row = tl.program_id(0).to(tl.int64)
    x += row * stride
    out += row * columns
    place = tl.arange(0, BLOCK)
    if WHOLE:
        value = tl.load(x + place, mask=place < columns, other=0.0).to(tl.float32)
        scale = 1.0 / tl.sqrt_rn(tl.sum(value * value, 0) / columns + eps)
        factor = tl.load(weight + place, mask=place < columns, other=0.0).to(tl.float32)
        made = (value * scale * factor).to(out.dtype.element_ty)
        tl.store(out + place, made, mask=place < columns)
    else:
        total = tl.zeros([BLOCK], tl.float32)
        for start in range(0, columns, BLOCK):
            inside = start + place < columns
            value = tl.load(x + start + place, mask=inside, other=0.0).to(tl.float32)
            total += value * value
        scale = 1.0 / tl.sqrt_rn(tl.sum(total, 0) / columns + eps)
        for start in range(0, columns, BLOCK):
            inside = start + place < columns
            value = tl.load(x + start + place, mask=inside, other=0.0).to(tl.float32)
            factor = tl.load(weight + start + place, mask=inside, other=0.0).to(tl.float32)
            made = (value * scale * factor).to(out.dtype.element_ty)
            tl.store(out + start + place, made, mask=inside)


def block_of(columns: int) -> tuple[int, bool, int]:
    """(block, whole, warps): 16 values a thread, a row in one block up to 8,192 columns."""
    block = min(8192, max(128, triton.next_power_of_2(columns)))
    return block, columns <= block, min(16, max(1, block // 512))


def by_triton(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """One launch."""
    x, weight = dense_rows(x), weight.contiguous()
    rows, columns = x.shape
    out = torch.empty((rows, columns), dtype=x.dtype, device=x.device)
    if out.numel():
        block, whole, warps = block_of(columns)
        rms_norm_kernel[(rows,)](
            x, weight, out, row_stride(x), columns, eps, block, whole, num_warps=warps
        )
    return out


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """A row in one block, and a longer row."""
    cubins = []
    for columns in (4096, 131_072):
        block, whole, warps = block_of(columns)
        arguments = dict.fromkeys(("x", "weight", "out"), pointer(dtype))
        arguments |= {"stride": "i32", "columns": "i32", "eps": "fp32"}
        cubins.append(
            aot(
                rms_norm_kernel,
                arch,
                arguments,
                {"BLOCK": block, "WHOLE": whole},
                divisible=("x", "weight", "out", "stride", "columns"),
                num_warps=warps,
            )
        )
    return cubins


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "rms_norm",
    r"""
#include "common.cuh"

// One block a row. With ITERS > 0 the row stays in registers, ITERS vectors a thread; with 0 it is
// read twice. WIDE: rows begin at 16 bytes and hold whole vectors.
template <class T, int THREADS, int ITERS, bool WIDE>
__global__ void __launch_bounds__(THREADS)
rms_norm(const T* __restrict__ x, const T* __restrict__ weight, T* __restrict__ out, i64 stride,
         int columns, float eps) {
  __shared__ float shared[THREADS / 32];
  const T* row = x + blockIdx.x * stride;
  T* target = out + blockIdx.x * (i64)columns;
  float sum = 0.0f;
  if constexpr (WIDE) {
    constexpr int N = Vec<T>::N;
    const int vectors = columns / N;
    Vec<T> held[ITERS > 0 ? ITERS : 1];
    if constexpr (ITERS > 0) {
#pragma unroll
      for (int i = 0; i < ITERS; i++) {
        const int at = i * THREADS + threadIdx.x;
        if (at < vectors) {
          held[i] = load16(row + at * N);
#pragma unroll
          for (int j = 0; j < N; j++) {
            const float v = to_float(held[i].v[j]);
            sum += v * v;
          }
        }
      }
    } else {
      for (int at = threadIdx.x; at < vectors; at += THREADS) {
        const Vec<T> got = load16(row + at * N);
#pragma unroll
        for (int j = 0; j < N; j++) {
          const float v = to_float(got.v[j]);
          sum += v * v;
        }
      }
    }
    const float mean = block_reduce<THREADS>(sum, shared, Sum()) / columns;
    const float scale = 1.0f / sqrtf(mean + eps);
    auto finish = [&](const Vec<T>& got, int at) {
      const Vec<T> w = load16(weight + at * N);
      Vec<T> made;
#pragma unroll
      for (int j = 0; j < N; j++)
        made.v[j] = from_float<T>(to_float(got.v[j]) * scale * to_float(w.v[j]));
      store16(target + at * N, made);
    };
    if constexpr (ITERS > 0) {
#pragma unroll
      for (int i = 0; i < ITERS; i++) {
        const int at = i * THREADS + threadIdx.x;
        if (at < vectors) finish(held[i], at);
      }
    } else {
      for (int at = threadIdx.x; at < vectors; at += THREADS) finish(load16(row + at * N), at);
    }
  } else {
    for (int at = threadIdx.x; at < columns; at += THREADS) {
      const float v = to_float(row[at]);
      sum += v * v;
    }
    const float mean = block_reduce<THREADS>(sum, shared, Sum()) / columns;
    const float scale = 1.0f / sqrtf(mean + eps);
    for (int at = threadIdx.x; at < columns; at += THREADS)
      target[at] = from_float<T>(to_float(row[at]) * scale * to_float(weight[at]));
  }
}
""",
)
MAX_ITERS = 8  # 16-byte vectors a thread holds: 32 registers


def shape_of(columns: int, dtype: str, wide: bool) -> tuple[int, int]:
    """(threads, vectors a thread holds): enough threads for the row, 1,024 at most."""
    if not wide:
        return 256, 0
    vectors = max(1, columns * SIZES[dtype] // 16)
    threads = min(1024, max(128, triton.next_power_of_2(triton.cdiv(vectors, 4))))
    iters = triton.next_power_of_2(triton.cdiv(vectors, threads))
    return threads, iters if iters <= MAX_ITERS else 0


def by_cuda(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """One launch; rows that are not whole 16-byte vectors take the narrow path."""
    x, weight = dense_rows(x), weight.contiguous()
    rows, columns = x.shape
    out = torch.empty((rows, columns), dtype=x.dtype, device=x.device)
    if out.numel():
        dtype = str(x.dtype).removeprefix("torch.")
        wide = columns * x.element_size() % 16 == 0 and aligned(x, weight, out)
        threads, iters = shape_of(columns, dtype, wide)
        arguments = (
            x, weight, out, ctypes.c_longlong(row_stride(x)), ctypes.c_int(columns),
            ctypes.c_float(eps),
        )  # fmt: skip
        template = (C_NAME[dtype], threads, iters, str(wide).lower())
        CUDA.launch((rows,), threads, arguments, template=template)
    return out


def cuda_aot(dtype: str, arch: int) -> list[Cubin] | str:
    """A row in registers, a long row, and the narrow path."""
    try:
        cubins = []
        for columns, wide in ((4096, True), (131_072, True), (4096, False)):
            threads, iters = shape_of(columns, dtype, wide)
            template = (C_NAME[dtype], threads, iters, str(wide).lower())
            config: dict[str, Any] = {"columns": columns, "wide": wide}
            cubins.append(CUDA.aot(arch, *template, threads=threads, config=config))
    except NotCompiled as error:
        return str(error)
    return cubins


# --- the operator -----------------------------------------------------------------------------

MODELS = ((1, 4096), (64, 4096), (2048, 4096), (8192, 8192), (16_384, 4096), (16_384, 8192))
SWEEP = tuple((rows, 4096) for rows in (16, 64, 256, 1024, 4096, 16_384, 65_536))


def _shapes(pairs: Sequence[tuple[int, int]]) -> list[Dims]:
    return [{"M": m, "N": n} for m, n in pairs]


OPERATOR = Operator(
    name="rms_norm",
    title="RMSNorm",
    summary="x / sqrt(mean(x²) + eps) · weight over the last axis",
    dtypes=FLOATS,
    regime="memory",
    implementations={
        "torch": Implementation("torch", "torch", eager),
        "torch.compile": Implementation("torch.compile", "torch.compile", compiled_of(eager)),
        "triton": Implementation(
            "triton", "triton", by_triton, build=triton_aot, shown=rms_norm_kernel
        ),
        "cuda": Implementation("cuda", "cuda", by_cuda, build=cuda_aot),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=("M", "N"),
    suites={"smoke": _shapes([(64, 1024)]), "models": _shapes(MODELS), "sweep": _shapes(SWEEP)},
    adversarial=adversarial,
)
