"""fused_add_rms_norm: h = x + residual and the rms_norm of h, as between two layers of a model.

Memory-bound: 5 FLOP against four elements moved; apart, the two operators would move five and read
h from memory. The norm is taken of h before it is rounded.
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
    flashinfer_fused_add_rms_norm,
    in_16_bits,
    liger,
    liger_fused_add_rms_norm,
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


def reference(
    x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """float64: (the norm, h)."""
    h = x.to(torch.float64) + residual.to(torch.float64)
    scale = torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + eps)
    return h * scale * weight.to(torch.float64), h


def flops(dims: Dims, dtype: str) -> int:
    """A sum, a square, a sum, and two products an element."""
    return 5 * dims["M"] * dims["N"]


def moved(dims: Dims, dtype: str) -> int:
    """x, residual and both results once each, the weight once."""
    return (4 * dims["M"] * dims["N"] + dims["N"]) * SIZES[dtype]


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Normal x and residual, weights around 1."""
    made = generator(seed, device)
    x, residual = (normal((dims["M"], dims["N"]), dtype, made) for _ in range(2))
    weight = (1 + 0.1 * normal((dims["N"],), "float32", made)).to(x.dtype)
    return {"x": x, "residual": residual, "weight": weight, "eps": EPS}


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """The rows that break kernels."""
    return row_cases(make_inputs, dtype, seed, device, rows=("x", "residual"))


# --- PyTorch ----------------------------------------------------------------------------------


def eager(
    x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """In fp32, each result rounded once."""
    h = x.float() + residual.float()
    scale = torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + eps)
    return (h * scale * weight.float()).to(x.dtype), h.to(x.dtype)


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def fused_add_rms_norm_kernel(
    x: tl.tensor, residual: tl.tensor, weight: tl.tensor, out: tl.tensor, h: tl.tensor,
    x_stride: tl.tensor, residual_stride: tl.tensor, columns: tl.tensor, eps: tl.tensor,
    BLOCK: tl.constexpr, WHOLE: tl.constexpr,
) -> None:  # fmt: skip
    """One program a row. WHOLE: the row fits one block and stays in registers; else x and
    residual are read twice, the second time mostly from L2.
    """
    row = tl.program_id(0).to(tl.int64)
    x += row * x_stride
    residual += row * residual_stride
    out += row * columns
    h += row * columns
    place = tl.arange(0, BLOCK)
    if WHOLE:
        inside = place < columns
        value = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
        value += tl.load(residual + place, mask=inside, other=0.0).to(tl.float32)
        tl.store(h + place, value.to(h.dtype.element_ty), mask=inside)
        scale = 1.0 / tl.sqrt_rn(tl.sum(value * value, 0) / columns + eps)
        factor = tl.load(weight + place, mask=inside, other=0.0).to(tl.float32)
        tl.store(out + place, (value * scale * factor).to(out.dtype.element_ty), mask=inside)
    else:
        total = tl.zeros([BLOCK], tl.float32)
        for start in range(0, columns, BLOCK):
            inside = start + place < columns
            value = tl.load(x + start + place, mask=inside, other=0.0).to(tl.float32)
            value += tl.load(residual + start + place, mask=inside, other=0.0).to(tl.float32)
            tl.store(h + start + place, value.to(h.dtype.element_ty), mask=inside)
            total += value * value
        scale = 1.0 / tl.sqrt_rn(tl.sum(total, 0) / columns + eps)
        for back in range(0, columns, BLOCK):  # L2 still has what was read last
            start = (columns - 1) // BLOCK * BLOCK - back
            inside = start + place < columns
            value = tl.load(x + start + place, mask=inside, other=0.0).to(tl.float32)
            value += tl.load(residual + start + place, mask=inside, other=0.0).to(tl.float32)
            factor = tl.load(weight + start + place, mask=inside, other=0.0).to(tl.float32)
            made = (value * scale * factor).to(out.dtype.element_ty)
            tl.store(out + start + place, made, mask=inside)


def by_triton(
    x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """One launch."""
    x, residual, weight = dense_rows(x), dense_rows(residual), weight.contiguous()
    rows, columns = x.shape
    out, h = (torch.empty(x.shape, dtype=x.dtype, device=x.device) for _ in range(2))
    if out.numel():
        block, whole, warps = block_for(CHOICE, x)
        strides = row_stride(x), row_stride(residual)
        fused_add_rms_norm_kernel[(rows,)](
            x, residual, weight, out, h, *strides, columns, eps, block, whole, num_warps=warps
        )
    return out, h


def arguments(dtype: str) -> dict[str, str]:
    """Types at run time."""
    kinds = dict.fromkeys(("x", "residual", "weight", "out", "h"), pointer(dtype))
    kinds |= dict.fromkeys(("x_stride", "residual_stride", "columns"), "i32")
    return kinds | {"eps": "fp32"}


CHOICE = row_choice("fused_add_rms_norm", fused_add_rms_norm_kernel, arguments)


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """A row in one block, and a longer row."""
    return triton_builds(fused_add_rms_norm_kernel, arch, arguments(dtype))


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "fused_add_rms_norm",
    r"""
#include "rows.cuh"

template <class T, int W> struct Both {
  Vec<T, W> x, residual;
  __device__ __forceinline__ float sum(int j) const {
    return to_float(x.v[j]) + to_float(residual.v[j]);
  }
};

template <class T, int W, int THREADS, int HELD, bool LONG>
__global__ void __launch_bounds__(THREADS)
fused_add_rms_norm(const T* __restrict__ x, const T* __restrict__ residual,
                   const T* __restrict__ weight, T* __restrict__ out, T* __restrict__ h,
                   i64 x_stride, i64 residual_stride, int columns, float eps) {
  __shared__ float shared[THREADS / 32];
  const T* one = x + blockIdx.x * x_stride;
  const T* other = residual + blockIdx.x * residual_stride;
  T* sums = h + blockIdx.x * (i64)columns;
  T* to = out + blockIdx.x * (i64)columns;
  using V = Both<T, W>;
  auto read = [&](int at) { return V{load<W>(one + at), load<W>(other + at)}; };
  Row<V, W, THREADS, HELD, LONG> row(columns, read);
  float sum = 0.0f;
  row.each(read, [&](const V& got, int at) {
    Vec<T, W> made;
#pragma unroll
    for (int j = 0; j < W; j++) {
      const float v = got.sum(j);
      made.v[j] = from_float<T>(v);
      sum += v * v;
    }
    store<W>(sums + at, made);
  });
  const float mean = block_reduce<THREADS>(sum, shared, Sum()) / columns;
  const float scale = 1.0f / sqrtf(mean + eps);
  row.each_back(read, [&](const V& got, int at) {
    const Vec<T, W> factor = load<W>(weight + at);
    Vec<T, W> made;
#pragma unroll
    for (int j = 0; j < W; j++)
      made.v[j] = from_float<T>(got.sum(j) * scale * to_float(factor.v[j]));
    store<W>(to + at, made);
  });
}
""",
)
HELD = 2  # of x and of residual each: four loads of 16 bytes a thread
CUDA_CHOICE = plan_choice("fused_add_rms_norm", CUDA, HELD)


def by_cuda(
    x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """One launch; rows that are not whole 16-byte vectors take the narrow path."""
    x, residual, weight = dense_rows(x), dense_rows(residual), weight.contiguous()
    rows, columns = x.shape
    out, h = (torch.empty(x.shape, dtype=x.dtype, device=x.device) for _ in range(2))
    if out.numel():
        taken = plan_for(CUDA_CHOICE, columns, x, residual, weight, out, h)
        arguments = (
            x, residual, weight, out, h, ctypes.c_longlong(row_stride(x)),
            ctypes.c_longlong(row_stride(residual)), ctypes.c_int(columns), ctypes.c_float(eps),
        )  # fmt: skip
        CUDA.launch((rows,), taken.threads, arguments, template=taken.template(dtype_name(x)))
    return out, h


# --- the operator -----------------------------------------------------------------------------

MODELS = ((1, 4096), (64, 4096), (2048, 4096), (8192, 8192), (16_384, 4096), (16_384, 8192))
SWEEP = tuple((rows, 4096) for rows in (16, 64, 256, 1024, 4096, 16_384, 65_536))


OPERATOR = Operator(
    name="fused_add_rms_norm",
    title="Residual sum and RMSNorm",
    summary="h = x + residual, and the rms_norm of h",
    dtypes=FLOATS,
    regime="memory",
    implementations={
        "torch": Implementation("torch", "torch", eager),
        "torch.compile": Implementation("torch.compile", "torch.compile", compiled_of(eager)),
        "triton": Implementation(
            "triton",
            "triton",
            by_triton,
            build=triton_aot,
            shown=fused_add_rms_norm_kernel,
            choice=CHOICE,
        ),
        "cuda": Implementation(
            "cuda", "cuda", by_cuda, build=cuda_builds(CUDA, HELD), choice=CUDA_CHOICE
        ),
        **liger(liger_fused_add_rms_norm, fits_block),
        **flashinfer(flashinfer_fused_add_rms_norm, in_16_bits),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=("M", "N"),
    suites={"smoke": shapes([(64, 1024)]), "models": shapes(MODELS), "sweep": shapes(SWEEP)},
    adversarial=adversarial,
)
