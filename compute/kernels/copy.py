"""copy: a vector in new memory. No arithmetic: the ceiling of everything that is memory-bound.

2N elements are moved. Its best time over many sizes is what "90 % of a copy" refers to.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import triton
import triton.language as tl

from compute.kernels.build.cuda import CudaKernel
from compute.kernels.build.torch_compile import compiled_of
from compute.kernels.cases.data import generator, normal
from compute.kernels.cases.pieces import line_cases
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
from compute.kernels.shared.pieces import (
    block_choice,
    cuda_builds,
    line_by_cuda,
    line_by_triton,
    line_kinds,
    plan_choice,
    triton_builds,
)

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


CHOICE = block_choice("copy", copy_kernel, partial(line_kinds, ("x",)))


def by_triton(x: torch.Tensor) -> torch.Tensor:
    """One launch, after a copy of what is not dense."""
    return line_by_triton(CHOICE, copy_kernel, x)


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """Whole vectors, and a count that is not a multiple of 16."""
    return triton_builds(
        copy_kernel, arch, *(line_kinds(("x",), dtype, whole) for whole in (True, False))
    )


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
CUDA_CHOICE = plan_choice("copy", CUDA)


def by_cuda(x: torch.Tensor) -> torch.Tensor:
    """One launch, after a copy of what is not dense."""
    return line_by_cuda(CUDA_CHOICE, CUDA, x)


# --- the operator -----------------------------------------------------------------------------

OPERATOR = Operator(
    name="copy",
    title="Copy",
    also=("memcpy", "bandwidth"),
    summary="x in new memory: the ceiling of memory-bound operators",
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
            shown=copy_kernel,
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
    dims=("N",),
    suites={
        "smoke": [{"N": 1 << 16}],
        "models": [{"N": 1 << 26}, {"N": 1 << 28}],
        "sweep": [{"N": 1 << power} for power in range(10, 29, 2)],
    },
    adversarial=adversarial,
)
