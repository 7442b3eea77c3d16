"""scaled_mm on Hopper in CUDA C++: fp8 by wgmma, which mma.sync widens to fp16 there first."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence

import torch

from compute.kernels.build.cuda import C_NAME, CudaKernel
from compute.kernels.hopper.matrices import fills, operand_map, result_map, shared_bytes, threads
from compute.kernels.operator import Cubin
from compute.kernels.shared.matrices import TilePlan, multiprocessors_of

FP8 = "float8_e4m3fn"

KERNEL = CudaKernel(
    "scaled_mm_hopper",
    r"""
#include "gemm_hopper.cuh"

// Results of this thread by their scales; the last ones again for what lies beyond the matrix.
template <class P>
__device__ __forceinline__ void apply_scales(float (&c)[P::BN / 2], const float* scale_a,
                                             const float* scale_b, int row, int column, int m,
                                             int n, int step_a, int step_b) {
  row += (threadIdx.x / 32 - 4) * 16 + threadIdx.x % 32 / 4;
  column += threadIdx.x % 4 * 2;
  const float upper = scale_a[(i64)min(row, m - 1) * step_a];
  const float lower = scale_a[(i64)min(row + 8, m - 1) * step_a];
#pragma unroll
  for (int i = 0; i < P::BN / 4; i++) {
    const int at = i / 2 * 4 + i % 2;
    const float scale = scale_b[(i64)min(column + i / 2 * 8 + i % 2, n - 1) * step_b];
    c[at] = c[at] * upper * scale;
    c[at + 2] = c[at + 2] * lower * scale;
  }
}

// ``step_a`` and ``step_b`` are 0 for one scale for all. MAPPED: rows of the result begin at
// multiples of 16 bytes, so that the copy engine can store them.
template <class T, class Out, int BM, int BN, int STAGES, bool MAPPED>
__global__ void __launch_bounds__(RingPlan<T, BM, BN, STAGES, true, true>::THREADS, 1)
scaled_mm_hopper(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b,
                 const __grid_constant__ TensorMap to, const float* __restrict__ scale_a,
                 const float* __restrict__ scale_b, Out* __restrict__ out, int m, int n, int k,
                 int step_a, int step_b) {
  using P = RingPlan<T, BM, BN, STAGES, true, true>;
  unsigned char* shared = tile_shared();
  Ring<P> ring(shared);
  ring.begin();
  const int tiles_m = (m + BM - 1) / BM, tiles_n = (n + BN - 1) / BN;
  const int steps = (k + P::BK - 1) / P::BK;
  const u32 tiles = u32(tiles_m) * tiles_n;
  int tile_m, tile_n;
  if (threadIdx.x < 128) {
    registers_down<P::FEW>();
    if (threadIdx.x == 0)
      for (u32 tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        walk(tile, tiles_m, tiles_n, tile_m, tile_n);
        fetch_tiles<false>(ring, a, b, tile_m * BM, tile_n * BN, steps);
      }
  } else {
    registers_up<P::MANY>();
    float c[BN / 2];
    u32 turn = 0;
    for (u32 tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
      walk(tile, tiles_m, tiles_n, tile_m, tile_n);
      const int row = tile_m * BM, column = tile_n * BN;
      multiply_exactly(ring, c, steps);
      apply_scales<P>(c, scale_a, scale_b, row, column, m, n, step_a, step_b);
      if constexpr (MAPPED)
        store_by_copies<P, Out>(c, to, shared, turn, row, column, m, n);
      else
        each_pair<P>(c, [&](int i, int j, float one, float two) {
          const int left = n - column - j;
          if (row + i < m)
            store_pair(out + (i64)(row + i) * n + column + j, one, two, left, n % 2 == 0);
        });
    }
    if (MAPPED && threadIdx.x % 32 == 0) tma_store_wait<0>();
  }
}
""",
)
# Sums twice are 192 registers a thread, of 232.
PLAN = TilePlan(128, 192, 128, 16, 192, 4, 1)


def multiplied(
    left: torch.Tensor,
    right: torch.Tensor,
    strides: Sequence[int],
    scales: Sequence[torch.Tensor],
    out: torch.Tensor,
    k: int,
) -> bool:
    """The product of rows of ``left`` and of ``right``, ``strides`` apart, in ``out``; False where
    it does not pay, or the copy engine cannot address an operand.
    """
    m, n = out.shape
    if not fills(m, n, multiprocessors_of(out)):
        return False
    a = operand_map(left, True, strides[0], m, k, PLAN.bm)
    b = operand_map(right, True, strides[1], n, k, PLAN.bn)
    if a is None or b is None:
        return False
    to = result_map(out)
    tiles = math.ceil(m / PLAN.bm) * math.ceil(n / PLAN.bn)
    steps = (int(scale.numel() > 1) for scale in scales)
    KERNEL.launch(
        (min(tiles, multiprocessors_of(out)),),
        threads(PLAN),
        (a, b, to or a, *scales, out, *map(ctypes.c_int, (m, n, k, *steps))),
        template=template(stored=to is not None),
        shared_bytes=shared_bytes(PLAN),
    )
    return True


def template(*, stored: bool) -> tuple[str | int, ...]:
    """The kernel's arguments."""
    names = (C_NAME[FP8], C_NAME["bfloat16"])
    return (*names, PLAN.bm, PLAN.bn, PLAN.stages, str(stored).lower())


def hopper_cubin(arch: int, *, stored: bool) -> Cubin:
    """``stored``: by copies."""
    config = {"kind": "hopper", "stored": stored, "shared_bytes": shared_bytes(PLAN)}
    return KERNEL.aot(arch, *template(stored=stored), threads=threads(PLAN), config=config)
