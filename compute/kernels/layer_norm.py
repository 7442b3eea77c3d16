"""layer_norm: (x - mean) / sqrt(var + eps) * weight + bias, over the last axis (Ba et al., 2016).

Memory-bound: 8 FLOP against two elements moved. The variance is taken of x - mean, and the mean of
that corrects the first one: with mean 10,000 and deviation 1 in fp32, E[x^2] - E[x]^2 has no digit
left and the rounding of the mean alone costs three.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
import torch.nn.functional as F
import triton
import triton.language as tl

from compute.kernels.baselines.library import fits_block, liger, liger_layer_norm
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

EPS = 1e-5


# --- what it is -------------------------------------------------------------------------------


def reference(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float
) -> torch.Tensor:
    """float64, with the biased variance."""
    wide = x.to(torch.float64)
    apart = wide - wide.mean(-1, keepdim=True)
    scale = torch.rsqrt(apart.pow(2).mean(-1, keepdim=True) + eps)
    return apart * scale * weight.to(torch.float64) + bias.to(torch.float64)


def flops(dims: Dims, dtype: str) -> int:
    """Four sums, a square, a difference and two products an element."""
    return 8 * dims["M"] * dims["N"]


def moved(dims: Dims, dtype: str) -> int:
    """x and the result once each, weight and bias once."""
    return (2 * dims["M"] * dims["N"] + 2 * dims["N"]) * SIZES[dtype]


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Normal x, weights around 1, small biases."""
    made = generator(seed, device)
    x = normal((dims["M"], dims["N"]), dtype, made)
    weight = (1 + 0.1 * normal((dims["N"],), "float32", made)).to(x.dtype)
    bias = normal((dims["N"],), dtype, made, scale=0.1)
    return {"x": x, "weight": weight, "bias": bias, "eps": EPS}


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """The rows that break kernels, and means far above the deviation."""
    cases = row_cases(make_inputs, dtype, seed, device)
    mean = {"float32": 1e4, "float16": 500.0, "bfloat16": 50.0}[dtype]
    for columns in (136, 1001):
        base = make_inputs({"M": 4, "N": columns}, dtype, seed, device)
        x = (base["x"].float() + mean).to(base["x"].dtype)
        cases.append(Case(f"mean far above deviation, {columns}", {**base, "x": x}))
    return cases


# --- PyTorch ----------------------------------------------------------------------------------


def eager(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
    """In fp32 and rounded once."""
    wide = x.float()
    apart = wide - wide.mean(-1, keepdim=True)
    apart = apart - apart.mean(-1, keepdim=True)
    scale = torch.rsqrt(apart.pow(2).mean(-1, keepdim=True) + eps)
    return (apart * scale * weight.float() + bias.float()).to(x.dtype)


def library(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
    """PyTorch's own kernel."""
    return F.layer_norm(x, (x.shape[1],), weight, bias, eps)


def library_limits(inputs: Inputs, device: str) -> str | None:
    """Where its result is not good enough, or it has none."""
    if inputs["x"].dtype == torch.float32:
        return "F.layer_norm rounds the mean: in fp32 a mean far above the deviation is not exact"
    return None if inputs["x"].shape[1] else "F.layer_norm takes no empty rows"


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def layer_norm_kernel(
    x: tl.tensor, weight: tl.tensor, bias: tl.tensor, out: tl.tensor, stride: tl.tensor,
    columns: tl.tensor, eps: tl.tensor,
    BLOCK: tl.constexpr, WHOLE: tl.constexpr,
) -> None:  # fmt: skip
    """One program a row. WHOLE: the row fits one block and stays in registers; else it is read
    three times, the later ones mostly from L2.
    """
    row = tl.program_id(0).to(tl.int64)
    x += row * stride
    out += row * columns
    place = tl.arange(0, BLOCK)
    if WHOLE:
        inside = place < columns
        value = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
        apart = tl.where(inside, value - tl.sum(value, 0) / columns, 0.0)
        rest = tl.sum(apart, 0) / columns
        scale = 1.0 / tl.sqrt_rn(tl.sum(apart * apart, 0) / columns - rest * rest + eps)
        factor = tl.load(weight + place, mask=inside, other=0.0).to(tl.float32)
        added = tl.load(bias + place, mask=inside, other=0.0).to(tl.float32)
        made = (apart - rest) * scale * factor + added
        tl.store(out + place, made.to(out.dtype.element_ty), mask=inside)
    else:
        total = tl.zeros([BLOCK], tl.float32)
        squares = tl.zeros([BLOCK], tl.float32)
        for start in range(0, columns, BLOCK):
            inside = start + place < columns
            total += tl.load(x + start + place, mask=inside, other=0.0).to(tl.float32)
        mean = tl.sum(total, 0) / columns
        total = tl.zeros([BLOCK], tl.float32)
        for start in range(0, columns, BLOCK):
            inside = start + place < columns
            value = tl.load(x + start + place, mask=inside, other=0.0).to(tl.float32)
            apart = tl.where(inside, value - mean, 0.0)
            total += apart
            squares += apart * apart
        rest = tl.sum(total, 0) / columns
        scale = 1.0 / tl.sqrt_rn(tl.sum(squares, 0) / columns - rest * rest + eps)
        for back in range(0, columns, BLOCK):  # L2 still has what was read last
            start = (columns - 1) // BLOCK * BLOCK - back
            inside = start + place < columns
            value = tl.load(x + start + place, mask=inside, other=0.0).to(tl.float32)
            factor = tl.load(weight + start + place, mask=inside, other=0.0).to(tl.float32)
            added = tl.load(bias + start + place, mask=inside, other=0.0).to(tl.float32)
            made = (value - mean - rest) * scale * factor + added
            tl.store(out + start + place, made.to(out.dtype.element_ty), mask=inside)


def by_triton(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float
) -> torch.Tensor:
    """One launch."""
    x, weight, bias = dense_rows(x), weight.contiguous(), bias.contiguous()
    rows, columns = x.shape
    out = torch.empty((rows, columns), dtype=x.dtype, device=x.device)
    if out.numel():
        block, whole, warps = block_for(CHOICE, x)
        layer_norm_kernel[(rows,)](
            x, weight, bias, out, row_stride(x), columns, eps, block, whole, num_warps=warps
        )
    return out


def arguments(dtype: str) -> dict[str, str]:
    """Types at run time."""
    kinds = dict.fromkeys(("x", "weight", "bias", "out"), pointer(dtype))
    return kinds | {"stride": "i32", "columns": "i32", "eps": "fp32"}


CHOICE = row_choice("layer_norm", layer_norm_kernel, arguments)


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """A row in one block, and a longer row."""
    return triton_builds(layer_norm_kernel, arch, arguments(dtype))


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "layer_norm",
    r"""
#include "rows.cuh"

template <class T, int W, int THREADS, int HELD, bool LONG>
__global__ void __launch_bounds__(THREADS)
layer_norm(const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias,
           T* __restrict__ out, i64 stride, int columns, float eps) {
  __shared__ float shared[THREADS / 32];
  const T* from = x + blockIdx.x * stride;
  T* to = out + blockIdx.x * (i64)columns;
  auto read = [&](int at) { return load<W>(from + at); };
  Row<Vec<T, W>, W, THREADS, HELD, LONG> row(columns, read);
  float sum = 0.0f;
  row.each(read, [&](const Vec<T, W>& got, int) {
#pragma unroll
    for (int j = 0; j < W; j++) sum += to_float(got.v[j]);
  });
  const float mean = block_reduce<THREADS>(sum, shared, Sum()) / columns;
  float squares = 0.0f;
  sum = 0.0f;
  row.each(read, [&](const Vec<T, W>& got, int) {
#pragma unroll
    for (int j = 0; j < W; j++) {
      const float apart = to_float(got.v[j]) - mean;
      sum += apart;
      squares += apart * apart;
    }
  });
  const float rest = block_reduce<THREADS>(sum, shared, Sum()) / columns;
  const float var = block_reduce<THREADS>(squares, shared, Sum()) / columns - rest * rest;
  const float scale = 1.0f / sqrtf(var + eps);
  row.each_back(read, [&](const Vec<T, W>& got, int at) {
    const Vec<T, W> factor = load<W>(weight + at), added = load<W>(bias + at);
    Vec<T, W> made;
#pragma unroll
    for (int j = 0; j < W; j++) {
      const float apart = to_float(got.v[j]) - mean - rest;
      made.v[j] = from_float<T>(apart * scale * to_float(factor.v[j]) + to_float(added.v[j]));
    }
    store<W>(to + at, made);
  });
}
""",
)
CUDA_CHOICE = plan_choice("layer_norm", CUDA)


def by_cuda(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
    """One launch; rows that are not whole 16-byte vectors take the narrow path."""
    x, weight, bias = dense_rows(x), weight.contiguous(), bias.contiguous()
    rows, columns = x.shape
    out = torch.empty((rows, columns), dtype=x.dtype, device=x.device)
    if out.numel():
        taken = plan_for(CUDA_CHOICE, columns, x, weight, bias, out)
        arguments = (
            x, weight, bias, out, ctypes.c_longlong(row_stride(x)), ctypes.c_int(columns),
            ctypes.c_float(eps),
        )  # fmt: skip
        CUDA.launch((rows,), taken.threads, arguments, template=taken.template(dtype_name(x)))
    return out


# --- the operator -----------------------------------------------------------------------------

# BERT base (768), GPT-2 XL (1,600), Whisper large (1,280), Command R+ (12,288), StableLM 2 (5,120).
MODELS = ((8192, 768), (8192, 1280), (8192, 1600), (8192, 5120), (16_384, 12_288))
SWEEP = tuple((rows, 4096) for rows in (16, 64, 256, 1024, 4096, 16_384, 65_536))


OPERATOR = Operator(
    name="layer_norm",
    title="LayerNorm",
    summary="(x - mean) / sqrt(var + eps) · weight + bias over the last axis",
    dtypes=FLOATS,
    regime="memory",
    implementations={
        "torch": Implementation("torch", "torch", eager),
        "torch.compile": Implementation("torch.compile", "torch.compile", compiled_of(eager)),
        "triton": Implementation(
            "triton", "triton", by_triton, build=triton_aot, shown=layer_norm_kernel, choice=CHOICE
        ),
        "cuda": Implementation(
            "cuda", "cuda", by_cuda, build=cuda_builds(CUDA), choice=CUDA_CHOICE
        ),
        "F.layer_norm": Implementation("F.layer_norm", "library", library, limits=library_limits),
        **liger(liger_layer_norm, fits_block),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=("M", "N"),
    suites={"smoke": shapes([(64, 1024)]), "models": shapes(MODELS), "sweep": shapes(SWEEP)},
    adversarial=adversarial,
)
