"""The second step of a product whose inner axis was cut into parts: their sum, always in the same
order, so that two runs agree to the bit (atomic additions would not).
"""

from __future__ import annotations

import ctypes

import torch
import triton
import triton.language as tl

from compute.kernels.build.cuda import C_NAME, CudaKernel
from compute.kernels.build.triton import aot, pointer
from compute.kernels.operator import Cubin

BLOCK = 1024
THREADS = 256


@triton.jit
def sum_parts_kernel(
    parts: tl.tensor, out: tl.tensor, length: tl.tensor, count: tl.tensor, BLOCK: tl.constexpr
) -> None:
    """``count`` arrays of ``length`` fp32 values become one."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < length
    total = tl.zeros([BLOCK], tl.float32)
    for _part in range(count):
        total += tl.load(parts + place, mask=inside, other=0.0).to(tl.float32)
        parts += length
    tl.store(out + place, total.to(out.dtype.element_ty), mask=inside)


def sum_by_triton(parts: torch.Tensor, out: torch.Tensor) -> None:
    """``out`` becomes the sum of ``parts`` [count, ...] in its own dtype."""
    grid = (triton.cdiv(out.numel(), BLOCK),)
    sum_parts_kernel[grid](parts, out, out.numel(), parts.shape[0], BLOCK, num_warps=4)


def sum_triton_aot(dtype: str, arch: int) -> Cubin:
    """As the launcher promises: aligned, the length a multiple of 16."""
    arguments = {"parts": "*fp32", "out": pointer(dtype), "length": "i32", "count": "i32"}
    divisible = ("parts", "out", "length")
    return aot(sum_parts_kernel, arch, arguments, {"BLOCK": BLOCK}, divisible=divisible)


SUM = CudaKernel(
    "sum_parts",
    r"""
#include "common.cuh"

// Four results a thread, read as 16 bytes where ``length`` keeps all parts aligned.
template <class T>
__global__ void __launch_bounds__(256)
sum_parts(const float* __restrict__ parts, T* __restrict__ out, i64 length, int count) {
  const i64 at = (blockIdx.x * (i64)blockDim.x + threadIdx.x) * 4;
  float total[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  if (length % 4 == 0 && at < length) {
    for (int part = 0; part < count; part++) {
      const Vec<float> got = load16(parts + part * length + at);
#pragma unroll
      for (int e = 0; e < 4; e++) total[e] += got.v[e];
    }
  } else {
    for (int e = 0; e < 4 && at + e < length; e++)
      for (int part = 0; part < count; part++) total[e] += parts[part * length + at + e];
  }
#pragma unroll
  for (int e = 0; e < 4; e++)
    if (at + e < length) out[at + e] = from_float<T>(total[e]);
}
""",
)


def sum_by_cuda(parts: torch.Tensor, out: torch.Tensor) -> None:
    """``out`` becomes the sum of ``parts`` [count, ...] in its own dtype."""
    dtype = str(out.dtype).removeprefix("torch.")
    grid = (triton.cdiv(out.numel(), 4 * THREADS),)
    arguments = (parts, out, ctypes.c_longlong(out.numel()), ctypes.c_int(parts.shape[0]))
    SUM.launch(grid, THREADS, arguments, template=(C_NAME[dtype],))


def sum_cuda_aot(dtype: str, arch: int) -> Cubin:
    """The same for ``arch``."""
    return SUM.aot(arch, C_NAME[dtype], threads=THREADS)
