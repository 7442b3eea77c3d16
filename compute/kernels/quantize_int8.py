"""quantize_int8: each row to int8 with one scale, absmax / 127, as activations are per token.

Memory-bound: an element is read once and a byte written.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl

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
    Verdict,
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

# --- what it is -------------------------------------------------------------------------------


def reference(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """float64: (x, the scales [M, 1]); any int8 within half a step of x is right."""
    wide = x.to(torch.float64)
    most = wide.abs().amax(-1, keepdim=True) if x.shape[1] else wide.new_zeros((x.shape[0], 1))
    return wide, most / 127


def flops(dims: Dims, dtype: str) -> int:
    """A comparison, a product and a rounding an element."""
    return 3 * dims["M"] * dims["N"]


def moved(dims: Dims, dtype: str) -> int:
    """x read, a byte an element and an fp32 scale a row written."""
    return dims["M"] * dims["N"] * (SIZES[dtype] + 1) + 4 * dims["M"]


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Normal values."""
    return {"x": normal((dims["M"], dims["N"]), dtype, generator(seed, device))}


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """The rows that break kernels, one that is zero, and one whose 127 / absmax is infinite."""
    cases = row_cases(make_inputs, dtype, seed, device)
    x = make_inputs({"M": 4, "N": 136}, dtype, seed, device)["x"]
    some = x.clone()
    some[1] = 0
    some[2, 1:] = 0
    cases.append(Case("zero rows", {"x": some}))
    if dtype == "float32":  # the interpreter of Triton has no subnormal bf16
        cases.append(Case("near the smallest", {"x": x * 1e-37}))
    return cases


HALF_STEP = 0.51  # half a step and 2 % of it
SCALE_ERROR = {"float32": 1e-5, "float16": 4e-3, "bfloat16": 4e-3}


def judge(
    operator: Operator, inputs: Inputs, got: Any, want: Any, dtype: str, slack: float
) -> Verdict:
    """Scales to a relative error, values within half a step; the error is in steps."""
    values, scales = got
    exact, steps = want
    worst = float("inf")
    if values.dtype != torch.int8 or scales.dtype != torch.float32:
        return Verdict(worst, HALF_STEP, f"the dtypes are {values.dtype} and {scales.dtype}")
    if values.shape != exact.shape or scales.numel() != steps.numel():
        return Verdict(worst, HALF_STEP, "the shapes are not those of x and its rows")
    wide = scales.to(torch.float64).view(-1, 1)
    if not torch.equal(wide.isnan(), steps.isnan()):
        return Verdict(worst, HALF_STEP, "NaN stands in other rows")
    rows = ~steps.isnan()
    if bool(((wide - steps).abs() > SCALE_ERROR[dtype] * steps)[rows & (steps > 0)].any()):
        return Verdict(worst, HALF_STEP, "a scale is not absmax / 127")
    if bool((values == -128).any()) or not bool(wide[rows].isfinite().all()):
        return Verdict(worst, HALF_STEP, "a value is -128 or a scale infinite")
    off = (values.to(torch.float64) * wide - exact).abs() / torch.where(steps > 0, steps, 1.0)
    error = float(off[rows.expand_as(off)].max()) if bool(rows.any()) and off.numel() else 0.0
    why = "" if error <= HALF_STEP else f"a value is {error:.2f} steps off"
    return Verdict(error, HALF_STEP, why)


# --- PyTorch ----------------------------------------------------------------------------------


def eager(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """In fp32."""
    wide = x.float()
    if not x.shape[1]:
        return wide.to(torch.int8), wide.new_zeros((x.shape[0], 1))
    scale = wide.abs().amax(-1, keepdim=True) / 127
    steps = torch.round(wide / scale).nan_to_num(0.0)  # 0 / 0 in a row of zeros
    return steps.to(torch.int8), scale


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def absmax_of(value: tl.tensor) -> tl.tensor:
    """|value| as ordered integers, where a NaN stands above infinity; tl.max of floats drops it."""
    return value.to(tl.int32, bitcast=True) & 0x7FFFFFFF


@triton.jit
def steps_of(value: tl.tensor, top: tl.tensor) -> tl.tensor:
    """int8 of value / (top / 127). 127 / top is infinite below 4e-37: both are raised first."""
    raised = tl.where(top < 1e-30, 1.8446744073709552e19, 1.0)
    factor = tl.where(top > 0.0, 127.0 / (top * raised), 0.0)
    steps = tl.floor(value * raised * factor + 0.5)
    return tl.where(steps == steps, steps, 0.0).to(tl.int8)


@triton.jit
def quantize_int8_kernel(
    x: tl.tensor, out: tl.tensor, scales: tl.tensor, stride: tl.tensor, columns: tl.tensor,
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
        top = tl.max(absmax_of(value), 0).to(tl.float32, bitcast=True)
        tl.store(out + place, steps_of(value, top), mask=place < columns)
    else:
        tops = tl.zeros([BLOCK], tl.int32)
        for start in range(0, columns, BLOCK):
            inside = start + place < columns
            value = tl.load(x + start + place, mask=inside, other=0.0).to(tl.float32)
            tops = tl.maximum(tops, absmax_of(value))
        top = tl.max(tops, 0).to(tl.float32, bitcast=True)
        for back in range(0, columns, BLOCK):  # L2 still has what was read last
            start = (columns - 1) // BLOCK * BLOCK - back
            inside = start + place < columns
            value = tl.load(x + start + place, mask=inside, other=0.0).to(tl.float32)
            tl.store(out + start + place, steps_of(value, top), mask=inside)
    tl.store(scales + row, top / 127.0)


def empty_results(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Values [M, N] and scales [M, 1]; a row without columns has the scale 0."""
    made = torch.empty if x.shape[1] else torch.zeros
    scales = made((x.shape[0], 1), dtype=torch.float32, device=x.device)
    return torch.empty(x.shape, dtype=torch.int8, device=x.device), scales


def by_triton(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One launch."""
    x = dense_rows(x)
    rows, columns = x.shape
    out, scales = empty_results(x)
    if out.numel():
        block, whole, warps = block_for(CHOICE, x)
        quantize_int8_kernel[(rows,)](
            x, out, scales, row_stride(x), columns, block, whole, num_warps=warps
        )
    return out, scales


def arguments(dtype: str) -> dict[str, str]:
    """Types at run time."""
    kinds = {"x": pointer(dtype), "out": pointer("int8"), "scales": pointer("float32")}
    return kinds | {"stride": "i32", "columns": "i32"}


CHOICE = row_choice("quantize_int8", quantize_int8_kernel, arguments)


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """A row in one block, and a longer row."""
    return triton_builds(quantize_int8_kernel, arch, arguments(dtype))


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "quantize_int8",
    r"""
#include "rows.cuh"

template <class T, int W, int THREADS, int HELD, bool LONG>
__global__ void __launch_bounds__(THREADS)
quantize_int8(const T* __restrict__ x, signed char* __restrict__ out, float* __restrict__ scales,
              i64 stride, int columns) {
  __shared__ float shared[THREADS / 32];
  const T* from = x + blockIdx.x * stride;
  signed char* to = out + blockIdx.x * (i64)columns;
  auto read = [&](int at) { return load<W>(from + at); };
  Row<Vec<T, W>, W, THREADS, HELD, LONG> row(columns, read);
  const MaxSize most;
  float top = 0.0f;
  row.each(read, [&](const Vec<T, W>& got, int) {
#pragma unroll
    for (int j = 0; j < W; j++) top = most(top, fabsf(to_float(got.v[j])));
  });
  top = block_reduce<THREADS>(top, shared, most);
  // 127 / top is infinite below 4e-37: both are raised first.
  const float raised = top < 1e-30f ? 1.8446744e19f : 1.0f;
  const float factor = top > 0.0f ? 127.0f / (top * raised) : 0.0f;
  row.each_back(read, [&](const Vec<T, W>& got, int at) {
    Vec<signed char, W> made;
#pragma unroll
    for (int j = 0; j < W; j++)
      made.v[j] = (signed char)__float2int_rn(to_float(got.v[j]) * raised * factor);
    store<W>(to + at, made);
  });
  if (threadIdx.x == 0) scales[blockIdx.x] = top / 127.0f;
}
""",
)
CUDA_CHOICE = plan_choice("quantize_int8", CUDA)


def by_cuda(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One launch; rows that are not whole 16-byte vectors take the narrow path."""
    x = dense_rows(x)
    rows, columns = x.shape
    out, scales = empty_results(x)
    if out.numel():
        taken = plan_for(CUDA_CHOICE, columns, x)
        arguments = (x, out, scales, ctypes.c_longlong(row_stride(x)), ctypes.c_int(columns))
        CUDA.launch((rows,), taken.threads, arguments, template=taken.template(dtype_name(x)))
    return out, scales


# --- the operator -----------------------------------------------------------------------------

# Llama 3 8B (4,096; 14,336), Llama 3 70B (8,192; 28,672).
MODELS = ((1, 4096), (64, 4096), (8192, 4096), (8192, 8192), (8192, 14_336), (8192, 28_672))
SWEEP = tuple((rows, 4096) for rows in (16, 64, 256, 1024, 4096, 16_384, 65_536))

OPERATOR = Operator(
    name="quantize_int8",
    title="Quantise to int8",
    also=("int8 quantization",),
    summary="each row to int8 with the scale absmax / 127",
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
            shown=quantize_int8_kernel,
            choice=CHOICE,
        ),
        "cuda": Implementation(
            "cuda", "cuda", by_cuda, build=cuda_builds(CUDA), choice=CUDA_CHOICE
        ),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=("M", "N"),
    suites={"smoke": shapes([(64, 1024)]), "models": shapes(MODELS), "sweep": shapes(SWEEP)},
    adversarial=adversarial,
    judge=judge,
)
