"""softmax: e^(x - max) over its sum, along the last axis.

Memory-bound: one reading where the row fits the registers of a block. A longer row is read twice:
once for maximum and sum together (Milakov and Gimelshein, 2018), once for the result.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
import triton
import triton.language as tl

from compute.kernels.baselines.library import liger, liger_softmax
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

# --- what it is -------------------------------------------------------------------------------


def reference(x: torch.Tensor) -> torch.Tensor:
    """float64; a NaN makes its row NaN, and so does a row of only -inf."""
    return torch.softmax(x.to(torch.float64), dim=-1)


def flops(dims: Dims, dtype: str) -> int:
    """A comparison, a difference, an exponential, a sum and a product an element."""
    return 5 * dims["M"] * dims["N"]


def moved(dims: Dims, dtype: str) -> int:
    """Read once, written once."""
    return 2 * dims["M"] * dims["N"] * SIZES[dtype]


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Normal logits."""
    return {"x": normal((dims["M"], dims["N"]), dtype, generator(seed, device), scale=2.0)}


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """The rows that break kernels, masks of -inf, infinities."""
    cases = row_cases(make_inputs, dtype, seed, device)
    x = make_inputs({"M": 6, "N": 136}, dtype, seed, device)["x"]
    for name, value in (("masked", -float("inf")), ("an infinity", float("inf"))):
        changed = x.clone()
        changed[0, 7] = value
        changed[1] = value
        changed[2, :128] = value
        changed[3, 1:] = value
        cases.append(Case(name, {"x": changed}))
    cases.append(Case("far below zero", {"x": x - (3e4 if dtype == "float16" else 1e6)}))
    return cases


# --- PyTorch ----------------------------------------------------------------------------------


def eager(x: torch.Tensor) -> torch.Tensor:
    """One kernel, with fp32 inside."""
    return torch.softmax(x, dim=-1)


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def softmax_kernel(
    x: tl.tensor, out: tl.tensor, stride: tl.tensor, columns: tl.tensor,
    BLOCK: tl.constexpr, WHOLE: tl.constexpr,
) -> None:  # fmt: skip
    """One program a row. The maximum starts at the lowest finite value, so that -inf adds 0, only
    -inf gives 0 / 0, and a NaN, which tl.max drops, comes back through the sum.
    """
    LOWEST: tl.constexpr = -3.402823466e38
    LOG2_E: tl.constexpr = 1.4426950408889634  # exp2 is one instruction, exp five
    row = tl.program_id(0).to(tl.int64)
    x += row * stride
    out += row * columns
    place = tl.arange(0, BLOCK)
    if WHOLE:
        value = tl.load(x + place, mask=place < columns, other=-float("inf")).to(tl.float32)
        power = tl.exp2((value - tl.maximum(tl.max(value, 0), LOWEST)) * LOG2_E)
        made = (power / tl.sum(power, 0)).to(out.dtype.element_ty)
        tl.store(out + place, made, mask=place < columns)
    else:
        tops = tl.full([BLOCK], LOWEST, tl.float32)
        sums = tl.zeros([BLOCK], tl.float32)
        # The next block is under way during the exponentials of this one: to ask for 32 KiB, wait
        # 0.7 us and compute 1.1 us for them would be 2.4 TB/s, 79 % of a copy on an H100. fp32 has
        # 64 KiB a block, does not need it, and spilled for sm_100.
        AHEAD: tl.constexpr = 1 if x.dtype.element_ty == tl.float32 else 2
        for start in tl.range(0, columns, BLOCK, num_stages=AHEAD):
            inside = start + place < columns
            value = tl.load(x + start + place, mask=inside, other=-float("inf")).to(tl.float32)
            # Of the two factors e^(old - new) and e^(value - new), one is always 1.
            power = tl.exp2(-tl.abs(value - tops) * LOG2_E)
            sums = tl.where(value > tops, sums * power + 1.0, sums + power)
            tops = tl.maximum(tops, value)
        top = tl.max(tops, 0)
        factor = 1.0 / tl.sum(sums * tl.exp2((tops - top) * LOG2_E), 0)
        for back in tl.range(0, columns, BLOCK, num_stages=2):  # L2 still has what was read last
            start = (columns - 1) // BLOCK * BLOCK - back
            inside = start + place < columns
            value = tl.load(x + start + place, mask=inside, other=-float("inf")).to(tl.float32)
            made = (tl.exp2((value - top) * LOG2_E) * factor).to(out.dtype.element_ty)
            tl.store(out + start + place, made, mask=inside)


def by_triton(x: torch.Tensor) -> torch.Tensor:
    """One launch."""
    x = dense_rows(x)
    rows, columns = x.shape
    out = torch.empty((rows, columns), dtype=x.dtype, device=x.device)
    if out.numel():
        block, whole, warps = block_for(CHOICE, x)
        softmax_kernel[(rows,)](x, out, row_stride(x), columns, block, whole, num_warps=warps)
    return out


def arguments(dtype: str) -> dict[str, str]:
    """Types at run time."""
    return {"x": pointer(dtype), "out": pointer(dtype), "stride": "i32", "columns": "i32"}


CHOICE = row_choice("softmax", softmax_kernel, arguments)


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """A row in one block, and a longer row."""
    return triton_builds(softmax_kernel, arch, arguments(dtype))


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "softmax",
    r"""
#include "rows.cuh"

template <class T, int W, int THREADS, int HELD, bool LONG>
__global__ void __launch_bounds__(THREADS)
softmax(const T* __restrict__ x, T* __restrict__ out, i64 stride, int columns) {
  __shared__ float shared[2 * (THREADS / 32)];
  const T* from = x + blockIdx.x * stride;
  T* to = out + blockIdx.x * (i64)columns;
  auto read = [&](int at) { return load<W>(from + at); };
  Row<Vec<T, W>, W, THREADS, HELD, LONG> row(columns, read);
  Online seen;
  row.each(read, [&](const Vec<T, W>& got, int) { seen.add(got); });
  block_join<THREADS>(seen, shared);
  const float factor = 1.0f / seen.sum;
  row.each_back(read, [&](const Vec<T, W>& got, int at) {
    Vec<T, W> made;
#pragma unroll
    for (int j = 0; j < W; j++)
      made.v[j] = from_float<T>(fast_exp(to_float(got.v[j]) - seen.top) * factor);
    store<W>(to + at, made);
  });
}
""",
)
CUDA_CHOICE = plan_choice("softmax", CUDA)


def by_cuda(x: torch.Tensor) -> torch.Tensor:
    """One launch; rows that are not whole 16-byte vectors take the narrow path."""
    x = dense_rows(x)
    rows, columns = x.shape
    out = torch.empty((rows, columns), dtype=x.dtype, device=x.device)
    if out.numel():
        taken = plan_for(CUDA_CHOICE, columns, x, out)
        arguments = (x, out, ctypes.c_longlong(row_stride(x)), ctypes.c_int(columns))
        CUDA.launch((rows,), taken.threads, arguments, template=taken.template(dtype_name(x)))
    return out


# --- the operator -----------------------------------------------------------------------------

# Attention scores of 4 k and 16 k tokens; logits of Llama 3 (128,256) and Qwen 2.5 (152,064).
MODELS = ((8192, 4096), (4096, 16_384), (32, 128_256), (2048, 128_256), (2048, 152_064))
SWEEP = tuple(((1 << 27) // columns, columns) for columns in (1024, 4096, 16_384, 65_536, 262_144))

OPERATOR = Operator(
    name="softmax",
    title="Softmax",
    summary="e^(x - max) over its sum, along the last axis",
    dtypes=FLOATS,
    regime="memory",
    implementations={
        "torch": Implementation("torch", "torch", eager),
        "torch.compile": Implementation("torch.compile", "torch.compile", compiled_of(eager)),
        "triton": Implementation(
            "triton", "triton", by_triton, build=triton_aot, shown=softmax_kernel, choice=CHOICE
        ),
        "cuda": Implementation(
            "cuda", "cuda", by_cuda, build=cuda_builds(CUDA), choice=CUDA_CHOICE
        ),
        **liger(liger_softmax),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=("M", "N"),
    suites={"smoke": shapes([(64, 1024)]), "models": shapes(MODELS), "sweep": shapes(SWEEP)},
    adversarial=adversarial,
)
