"""vector_add: x + y. One FLOP against three elements moved: the smallest kernel that computes."""

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


def reference(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """float64."""
    return x.to(torch.float64) + y.to(torch.float64)


def flops(dims: Dims, dtype: str) -> int:
    """A sum an element."""
    return dims["N"]


def moved(dims: Dims, dtype: str) -> int:
    """Two read, one written."""
    return 3 * dims["N"] * SIZES[dtype]


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Normal values."""
    made = generator(seed, device)
    return {name: normal((dims["N"],), dtype, made) for name in ("x", "y")}


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """The vectors that break kernels."""
    return line_cases(make_inputs, dtype, seed, device)


# --- PyTorch ----------------------------------------------------------------------------------


def eager(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """One kernel."""
    return x + y


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def vector_add_kernel(
    x: tl.tensor, y: tl.tensor, out: tl.tensor, count: tl.tensor, BLOCK: tl.constexpr
) -> None:
    """One block of elements a program."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    one = tl.load(x + place, mask=place < count).to(tl.float32)
    other = tl.load(y + place, mask=place < count).to(tl.float32)
    tl.store(out + place, (one + other).to(out.dtype.element_ty), mask=place < count)


CHOICE = block_choice("vector_add", vector_add_kernel, partial(line_kinds, ("x", "y")))


def by_triton(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """One launch, after a copy of what is not dense."""
    return line_by_triton(CHOICE, vector_add_kernel, x, y)


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """Whole vectors, and a count that is not a multiple of 16."""
    return triton_builds(
        vector_add_kernel, arch, *(line_kinds(("x", "y"), dtype, whole) for whole in (True, False))
    )


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "vector_add",
    r"""
#include "pieces.cuh"

template <class T, int W, int THREADS, int EACH>
__global__ void __launch_bounds__(THREADS)
vector_add(const T* __restrict__ x, const T* __restrict__ y, T* __restrict__ out, i64 count,
           u32 pieces) {
  make_piece<T, W, THREADS, EACH>({x, y}, {count, count}, out, count, pieces, [](const T(&v)[2]) {
    return from_float<T>(to_float(v[0]) + to_float(v[1]));
  });
}
""",
)
CUDA_CHOICE = plan_choice("vector_add", CUDA)


def by_cuda(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """One launch, after a copy of what is not dense."""
    return line_by_cuda(CUDA_CHOICE, CUDA, x, y)


# --- the operator -----------------------------------------------------------------------------

OPERATOR = Operator(
    name="vector_add",
    title="Vector addition",
    also=("add",),
    summary="x + y",
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
            shown=vector_add_kernel,
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
