"""copy: a vector in new memory. No arithmetic: the ceiling of everything that is memory-bound.

2N elements are moved. Its best time over many sizes is what "90 % of a copy" refers to.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
import triton
import triton.language as tl

from compute.kernels.compiling import compiled_of
from compute.kernels.cuda_build import CudaKernel
from compute.kernels.data import generator, normal
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
from compute.kernels.pieces import (
    BLOCK,
    THREADS,
    WARPS,
    as_rows,
    cuda_builds,
    line_cases,
    pieces_of,
    plan_for,
)
from compute.kernels.rows import dtype_name
from compute.kernels.triton_build import aot, pointer

# --- what it is -------------------------------------------------------------------------------


def reference(x: torch.Tensor) -> torch.Tensor:
    """float64."""
    return x.to(torch.float64, copy=True)


def flops(dims: Dims, dtype: str) -> int:
    """None."""
    return 0


def moved(dims: Dims, dtype: str) -> int:
    """Read once, written once."""
    return 2 * dims["N"] * SIZES[dtype]


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Normal values."""
    return {"x": normal((dims["N"],), dtype, generator(seed, device))}


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """The vectors that break kernels."""
    return line_cases(make_inputs, dtype, seed, device)


# --- PyTorch ----------------------------------------------------------------------------------


def eager(x: torch.Tensor) -> torch.Tensor:
    """A copy by the driver where x is dense."""
    return x.clone(memory_format=torch.contiguous_format)


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def copy_kernel(x: tl.tensor, out: tl.tensor, count: tl.tensor, BLOCK: tl.constexpr) -> None:
    """One block of elements a program."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + place, tl.load(x + place, mask=place < count), mask=place < count)


def by_triton(x: torch.Tensor) -> torch.Tensor:
    """One launch, after a copy of x where x is not dense."""
    x = x.contiguous()
    out = torch.empty_like(x)
    if count := x.numel():
        copy_kernel[(pieces_of(count),)](x, out, count, BLOCK, num_warps=WARPS)
    return out


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """Whole vectors, and a count that is not a multiple of 16."""
    arguments = {"x": pointer(dtype), "out": pointer(dtype), "count": "i64"}
    return [
        aot(copy_kernel, arch, arguments, {"BLOCK": BLOCK}, divisible=promised, num_warps=WARPS)
        for promised in (("x", "out", "count"), ("x", "out"))
    ]


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "copy",
    r"""
#include "pieces.cuh"

template <class T, int W, int THREADS, int EACH>
__global__ void __launch_bounds__(THREADS) copy(const T* __restrict__ x, T* __restrict__ out,
                                                i64 count, u32 pieces) {
  make_piece<T, W, THREADS, EACH>({x}, {count}, out, count, pieces,
                                  [](const T(&v)[1]) { return v[0]; });
}
""",
)


def by_cuda(x: torch.Tensor) -> torch.Tensor:
    """One launch, after a copy of x where x is not dense."""
    (row,) = as_rows(x)
    out = torch.empty_like(row)
    if count := row.numel():
        taken = plan_for(row, out)
        arguments = (row, out, ctypes.c_longlong(count), ctypes.c_uint(taken.pieces))
        CUDA.launch((taken.pieces,), THREADS, arguments, template=taken.template(dtype_name(x)))
    return out.view(-1)


# --- the operator -----------------------------------------------------------------------------

OPERATOR = Operator(
    name="copy",
    title="Copy",
    summary="x in new memory: the ceiling of memory-bound operators",
    dtypes=FLOATS,
    regime="memory",
    implementations={
        "torch": Implementation("torch", "torch", eager),
        "torch.compile": Implementation("torch.compile", "torch.compile", compiled_of(eager)),
        "triton": Implementation(
            "triton", "triton", by_triton, build=triton_aot, shown=copy_kernel
        ),
        "cuda": Implementation("cuda", "cuda", by_cuda, build=cuda_builds(CUDA)),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=("N",),
    suites={
        "smoke": [{"N": 1 << 16}],
        "models": [{"N": 1 << 26}, {"N": 1 << 28}],
        "sweep": [{"N": 1 << power} for power in range(10, 29, 2)],
    },
    adversarial=adversarial,
)
