"""rms_norm: x / sqrt(mean(x^2) + eps) * weight, over the last axis (Zhang and Sennrich, 2019).

Memory-bound: 4 FLOP against 2 bytes read and 2 written an element in bf16. A row is held in
registers between the sum and the product, so that memory sees it once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
import triton
import triton.language as tl

from compute.kernels.baselines.library import (
    fits_block,
    flashinfer,
    flashinfer_rms_norm,
    in_16_bits,
    liger,
    liger_rms_norm,
)
from compute.kernels.build.cuda import CudaKernel
from compute.kernels.build.torch_compile import compiled_of
from compute.kernels.build.triton import pointer
from compute.kernels.cases.data import dense_rows, dtype_name, generator, normal, row_stride
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
from compute.kernels.shared.rows import (
    block_for,
    cuda_builds,
    plan_choice,
    plan_for,
    row_cases,
    row_choice,
    shapes,
    triton_builds,
)

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
    """The rows that break kernels."""
    return row_cases(make_inputs, dtype, seed, device)


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
        for back in range(0, columns, BLOCK):  # L2 still has what was read last
            start = (columns - 1) // BLOCK * BLOCK - back
            inside = start + place < columns
            value = tl.load(x + start + place, mask=inside, other=0.0).to(tl.float32)
            factor = tl.load(weight + start + place, mask=inside, other=0.0).to(tl.float32)
            made = (value * scale * factor).to(out.dtype.element_ty)
            tl.store(out + start + place, made, mask=inside)


def by_triton(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """One launch."""
    x, weight = dense_rows(x), weight.contiguous()
    rows, columns = x.shape
    out = torch.empty((rows, columns), dtype=x.dtype, device=x.device)
    if out.numel():
        block, whole, warps = block_for(CHOICE, x)
        rms_norm_kernel[(rows,)](
            x, weight, out, row_stride(x), columns, eps, block, whole, num_warps=warps
        )
    return out


def arguments(dtype: str) -> dict[str, str]:
    """Types at run time."""
    kinds = dict.fromkeys(("x", "weight", "out"), pointer(dtype))
    return kinds | {"stride": "i32", "columns": "i32", "eps": "fp32"}


CHOICE = row_choice("rms_norm", rms_norm_kernel, arguments)


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """A row in one block, and a longer row."""
    return triton_builds(rms_norm_kernel, arch, arguments(dtype))


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "rms_norm",
    r"""
#include "rows.cuh"

template <class T, int W, int THREADS, int HELD, bool LONG>
__global__ void __launch_bounds__(THREADS)
rms_norm(const T* __restrict__ x, const T* __restrict__ weight, T* __restrict__ out, i64 stride,
         int columns, float eps) {
  __shared__ float shared[THREADS / 32];
  const T* from = x + blockIdx.x * stride;
  T* to = out + blockIdx.x * (i64)columns;
  auto read = [&](int at) { return load<W>(from + at); };
  Row<Vec<T, W>, W, THREADS, HELD, LONG> row(columns, read);
  float sum = 0.0f;
  row.each(read, [&](const Vec<T, W>& got, int) {
#pragma unroll
    for (int j = 0; j < W; j++) sum += to_float(got.v[j]) * to_float(got.v[j]);
  });
  const float mean = block_reduce<THREADS>(sum, shared, Sum()) / columns;
  const float scale = 1.0f / sqrtf(mean + eps);
  row.each_back(read, [&](const Vec<T, W>& got, int at) {
    const Vec<T, W> factor = load<W>(weight + at);
    Vec<T, W> made;
#pragma unroll
    for (int j = 0; j < W; j++)
      made.v[j] = from_float<T>(to_float(got.v[j]) * scale * to_float(factor.v[j]));
    store<W>(to + at, made);
  });
}
""",
)
CUDA_CHOICE = plan_choice("rms_norm", CUDA)


def by_cuda(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """One launch; rows that are not whole 16-byte vectors take the narrow path."""
    x, weight = dense_rows(x), weight.contiguous()
    rows, columns = x.shape
    out = torch.empty((rows, columns), dtype=x.dtype, device=x.device)
    if out.numel():
        taken = plan_for(CUDA_CHOICE, columns, x, weight, out)
        arguments = (
            x, weight, out, ctypes.c_longlong(row_stride(x)), ctypes.c_int(columns),
            ctypes.c_float(eps),
        )  # fmt: skip
        CUDA.launch((rows,), taken.threads, arguments, template=taken.template(dtype_name(x)))
    return out


# --- the operator -----------------------------------------------------------------------------

MODELS = ((1, 4096), (64, 4096), (2048, 4096), (8192, 8192), (16_384, 4096), (16_384, 8192))
SWEEP = tuple((rows, 4096) for rows in (16, 64, 256, 1024, 4096, 16_384, 65_536))


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
            "triton", "triton", by_triton, build=triton_aot, shown=rms_norm_kernel, choice=CHOICE
        ),
        "cuda": Implementation(
            "cuda", "cuda", by_cuda, build=cuda_builds(CUDA), choice=CUDA_CHOICE
        ),
        **liger(liger_rms_norm, fits_block),
        **flashinfer(flashinfer_rms_norm, in_16_bits),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=("M", "N"),
    suites={"smoke": shapes([(64, 1024)]), "models": shapes(MODELS), "sweep": shapes(SWEEP)},
    adversarial=adversarial,
)
