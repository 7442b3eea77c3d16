"""gelu_tanh_and_mul: 0.5 g (1 + tanh(sqrt(2/pi) (g + 0.044715 g^3))) * up, as in Gemma's GeGLU.

Memory-bound: 10 FLOP against three elements moved. (1 + tanh y) / 2 is sigmoid(2 y), so that one
exponential does (Hendrycks and Gimpel, 2016).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
import triton
import triton.language as tl

from compute.kernels.baselines.library import fits_block, liger, liger_gelu_tanh_and_mul
from compute.kernels.build.cuda import CudaKernel
from compute.kernels.build.torch_compile import compiled_of
from compute.kernels.cases.data import generator, normal
from compute.kernels.cases.pieces import pair_cases
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
    pair_by_cuda,
    pair_by_triton,
    pair_kinds,
    plan_choice,
    triton_builds,
)
from compute.kernels.shared.rows import shapes

# --- what it is -------------------------------------------------------------------------------


def reference(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """float64."""
    wide = gate.to(torch.float64)
    inner = math.sqrt(2 / math.pi) * (wide + 0.044715 * wide.pow(3))
    return 0.5 * wide * (1 + torch.tanh(inner)) * up.to(torch.float64)


def flops(dims: Dims, dtype: str) -> int:
    """Six products, three sums and a tanh an element."""
    return 10 * dims["M"] * dims["N"]


def moved(dims: Dims, dtype: str) -> int:
    """Two read, one written."""
    return 3 * dims["M"] * dims["N"] * SIZES[dtype]


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Normal values."""
    made = generator(seed, device)
    return {name: normal((dims["M"], dims["N"]), dtype, made) for name in ("gate", "up")}


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """The pairs of matrices that break kernels."""
    return pair_cases(make_inputs, dtype, seed, device, ("gate", "up"))


# --- PyTorch ----------------------------------------------------------------------------------


def eager(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """In fp32 and rounded once."""
    return (F.gelu(gate.float(), approximate="tanh") * up.float()).to(gate.dtype)


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def gelu_tanh_and_mul_kernel(
    gate: tl.tensor, up: tl.tensor, out: tl.tensor, gate_stride: tl.tensor, up_stride: tl.tensor,
    columns: tl.tensor, pieces: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:  # fmt: skip
    """One piece of one row a program."""
    row = (tl.program_id(0) // pieces).to(tl.int64)
    place = (tl.program_id(0) % pieces).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < columns
    g = tl.load(gate + row * gate_stride + place, mask=inside, other=0.0).to(tl.float32)
    u = tl.load(up + row * up_stride + place, mask=inside, other=0.0).to(tl.float32)
    # -2 sqrt(2/pi) and the same times 0.044715
    power = tl.exp(g * (-1.5957691216057308 - 0.07135481627159764 * g * g))
    made = g / (1.0 + power) * u
    tl.store(out + row * columns + place, made.to(out.dtype.element_ty), mask=inside)


CHOICE = block_choice("gelu_tanh_and_mul", gelu_tanh_and_mul_kernel, pair_kinds)


def by_triton(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """One launch, after a copy of what has no dense rows."""
    return pair_by_triton(CHOICE, gelu_tanh_and_mul_kernel, gate, up)


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """Whole vectors, and rows that begin anywhere."""
    return triton_builds(
        gelu_tanh_and_mul_kernel, arch, pair_kinds(dtype), pair_kinds(dtype, whole=False)
    )


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "gelu_tanh_and_mul",
    r"""
#include "pieces.cuh"

template <class T, int W, int THREADS, int EACH>
__global__ void __launch_bounds__(THREADS)
gelu_tanh_and_mul(const T* __restrict__ gate, const T* __restrict__ up, T* __restrict__ out,
             i64 gate_stride, i64 up_stride, i64 columns, u32 pieces) {
  make_piece<T, W, THREADS, EACH>(
      {gate, up}, {gate_stride, up_stride}, out, columns, pieces, [](const T(&v)[2]) {
        const float g = to_float(v[0]);
        // -2 sqrt(2/pi) and the same times 0.044715
        const float power = fast_exp(g * (-1.5957691216f - 0.0713548163f * g * g));
        return from_float<T>(__fdividef(g, 1.0f + power) * to_float(v[1]));
      });
}
""",
)
CUDA_CHOICE = plan_choice("gelu_tanh_and_mul", CUDA)


def by_cuda(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """One launch, after a copy of what has no dense rows."""
    return pair_by_cuda(CUDA_CHOICE, CUDA, gate, up)


# --- the operator -----------------------------------------------------------------------------

# Gemma 2 9B and 3 4B (14,336 and 10,240), Gemma 2 27B (36,864).
MODELS = ((1, 14_336), (64, 14_336), (8192, 10_240), (8192, 14_336), (8192, 36_864))
SWEEP = tuple((rows, 14_336) for rows in (1, 16, 64, 256, 1024, 4096, 16_384))

OPERATOR = Operator(
    name="gelu_tanh_and_mul",
    title="GELU (tanh) and multiply",
    also=("geglu",),
    summary="gelu(gate) · up with the tanh form, the middle of a GeGLU layer",
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
            shown=gelu_tanh_and_mul_kernel,
            choice=CHOICE,
        ),
        "cuda": Implementation(
            "cuda", "cuda", by_cuda, build=cuda_builds(CUDA), choice=CUDA_CHOICE
        ),
        **liger(liger_gelu_tanh_and_mul, fits_block),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=("M", "N"),
    suites={"smoke": shapes([(64, 1024)]), "models": shapes(MODELS), "sweep": shapes(SWEEP)},
    adversarial=adversarial,
)
