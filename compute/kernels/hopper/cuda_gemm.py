"""gemm on Hopper in CUDA C++: wgmma on tiles that the copy engine brings (cuda/gemm_hopper.cuh).

Taken for 16-bit values and products that fill the GPU with tiles; the others, and what the copy
engine cannot address, stay with mma.sync (gemm.py).
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import torch

from compute.kernels.build.cuda import C_NAME, CudaKernel
from compute.kernels.hopper.matrices import operand_map, result_map, shared_bytes, threads
from compute.kernels.operator import Cubin
from compute.kernels.shared.matrices import Operand, TilePlan, multiprocessors_of

KERNEL = CudaKernel(
    "gemm_hopper",
    r"""
#include "gemm_hopper.cuh"

// A block for each multiprocessor walks over tiles. MAPPED: rows of the result begin at multiples
// of 16 bytes, so that the copy engine can store them.
template <class T, int BM, int BN, int STAGES, bool A_K, bool B_K, bool MAPPED>
__global__ void __launch_bounds__(RingPlan<T, BM, BN, STAGES, A_K, B_K>::THREADS, 1)
gemm_hopper(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b,
            const __grid_constant__ TensorMap to, T* __restrict__ out, int m, int n, int k) {
  using P = RingPlan<T, BM, BN, STAGES, A_K, B_K>;
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
      multiply_tiles(ring, c, steps);
      if constexpr (MAPPED)
        store_by_copies<P, T>(c, to, shared, turn, row, column, m, n);
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


def multiplied(left: Operand, right: Operand, out: torch.Tensor, k: int, plan: TilePlan) -> bool:
    """The product in ``out``; False where the copy engine cannot address an operand."""
    m, n = out.shape
    a = operand_map(left.tensor, left.along_columns, left.stride, m, k, plan.bm)
    b = operand_map(right.tensor, not right.along_columns, right.stride, n, k, plan.bn)
    if a is None or b is None:
        return False
    to = result_map(out)
    tiles = math.ceil(m / plan.bm) * math.ceil(n / plan.bn)
    order = {"a_k": left.along_columns, "b_k": not right.along_columns}
    name = C_NAME[str(out.dtype).removeprefix("torch.")]
    KERNEL.launch(
        (min(tiles, multiprocessors_of(out)),),
        threads(plan),
        (a, b, to or a, out, *map(ctypes.c_int, (m, n, k))),  # a stands in where none is read
        template=template(plan, name, **order, stored=to is not None),
        shared_bytes=shared_bytes(plan),
    )
    return True


def template(
    plan: TilePlan, name: str, *, a_k: bool, b_k: bool, stored: bool
) -> tuple[str | int, ...]:
    """The kernel's arguments."""
    flags = (str(flag).lower() for flag in (a_k, b_k, stored))
    return (name, plan.bm, plan.bn, plan.stages, *flags)


def hopper_cubin(dtype: str, arch: int, plan: TilePlan, config: dict[str, Any]) -> Cubin:
    """``config`` tells the orders of the operands, and whether copies store (they do if it says
    nothing), beside what else is to be shown.
    """
    config = {"stored": True} | config | {"shared_bytes": shared_bytes(plan)}
    order = {name: config[name] for name in ("a_k", "b_k", "stored")}
    arguments = template(plan, C_NAME[dtype], **order)
    return KERNEL.aot(arch, *arguments, threads=threads(plan), config=config)
