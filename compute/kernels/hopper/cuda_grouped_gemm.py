"""grouped_gemm on Hopper in CUDA C++: wgmma on tiles that the copy engine brings.

Taken where groups have more than 64 rows on average. A tile may reach beyond its group: rows of the
next one are multiplied too, but not stored.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence

import torch

from compute.kernels.build.cuda import C_NAME, CudaKernel
from compute.kernels.build.tensor_maps import TensorMap, why_not_mapped
from compute.kernels.hopper.matrices import (
    LINE_BYTES,
    operand_map,
    result_map,
    shared_bytes,
    threads,
)
from compute.kernels.operator import Cubin
from compute.kernels.shared.matrices import TilePlan, multiprocessors_of

KERNEL = CudaKernel(
    "grouped_gemm_hopper",
    r"""
#include "gemm_hopper.cuh"

// Where tiles of BM rows lie among groups, for a whole warp that asks for them in rising order. A
// lane holds a group of 32: four shuffles a tile, and one load for 32 groups that are passed.
template <int BM> struct Groups {
  const int* sizes;
  int groups;
  int base = 0, rows_before = 0, tiles_before = 0;
  int size, rows, tiles;  // this lane's; the last two with the lanes before

  __device__ __forceinline__ Groups(const int* sizes_, int groups_)
      : sizes(sizes_), groups(groups_) {
    load();
  }
  __device__ __forceinline__ static int count(int rows) { return (rows + BM - 1) / BM; }
  __device__ __forceinline__ void load() {
    const int lane = threadIdx.x % 32;
    size = base + lane < groups ? sizes[base + lane] : 0;
    rows = size;
    tiles = count(size);
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
      const int more_rows = __shfl_up_sync(0xffffffffu, rows, step);
      const int more_tiles = __shfl_up_sync(0xffffffffu, tiles, step);
      if (lane >= step) {
        rows += more_rows;
        tiles += more_tiles;
      }
    }
  }
  // Its group, its first row, and where the group's rows end; false where no tile is left.
  __device__ __forceinline__ bool find(int tile, int& group, int& row, int& end) {
    for (; base < groups; base += 32, load()) {
      const u32 found = __ballot_sync(0xffffffffu, tile < tiles_before + tiles);
      if (found) {
        const int lane = __ffs(int(found)) - 1;
        const int held = __shfl_sync(0xffffffffu, size, lane);
        const int first = tiles_before + __shfl_sync(0xffffffffu, tiles, lane) - count(held);
        end = rows_before + __shfl_sync(0xffffffffu, rows, lane);
        row = end - held + (tile - first) * BM;
        group = base + lane;
        return true;
      }
      tiles_before += __shfl_sync(0xffffffffu, tiles, 31);
      rows_before += __shfl_sync(0xffffffffu, rows, 31);
    }
    return false;
  }
};

// A block for each multiprocessor walks over tiles, all columns of some rows side by side, which
// share x in L2. W_K: the columns of a matrix run along the inner axis. MAPPED: rows of the result
// begin at multiples of 16 bytes, so that the copy engine can store them.
template <class T, int BM, int BN, int STAGES, bool W_K, bool MAPPED>
__global__ void __launch_bounds__(RingPlan<T, BM, BN, STAGES, true, W_K>::THREADS, 1)
grouped_gemm_hopper(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w,
                    const __grid_constant__ TensorMap to, const int* __restrict__ sizes,
                    T* __restrict__ out, int groups, int n, int k) {
  using P = RingPlan<T, BM, BN, STAGES, true, W_K>;
  unsigned char* shared = tile_shared();
  Ring<P> ring(shared);
  ring.begin();
  const int tiles_n = (n + BN - 1) / BN, steps = (k + P::BK - 1) / P::BK;
  int tile = blockIdx.x, group, row, end;
  if (threadIdx.x < 128) {
    registers_down<P::FEW>();
    if (threadIdx.x < 32) {
      Groups<BM> all(sizes, groups);
      for (; all.find(tile / tiles_n, group, row, end); tile += gridDim.x) {
        if (threadIdx.x == 0)
          fetch_tiles<true>(ring, x, w, row, tile % tiles_n * BN, steps, group);
        __syncwarp();
      }
    }
  } else {
    registers_up<P::MANY>();
    float c[BN / 2];
    u32 turn = 0;
    Groups<BM> all(sizes, groups);
    for (; all.find(tile / tiles_n, group, row, end); tile += gridDim.x) {
      const int column = tile % tiles_n * BN;
      if (row + (int(threadIdx.x) / 128 - 1) * 64 >= end) {  // the half of a tile that is empty
        pass_tiles(ring, steps);
        continue;
      }
      multiply_tiles(ring, c, steps);
      if (MAPPED && row + (int(threadIdx.x) / 32 - 3) * 16 <= end)  // all rows of the warp
        store_by_copies<P, T>(c, to, shared, turn, row, column, end, n);
      else
        each_pair<P>(c, [&](int i, int j, float one, float two) {
          const int left = n - column - j;
          if (row + i < end)
            store_pair(out + (i64)(row + i) * n + column + j, one, two, left, n % 2 == 0);
        });
    }
    if (MAPPED && threadIdx.x % 32 == 0) tma_store_wait<0>();
  }
}
""",
)
ROWS = 128
WIDE = TilePlan(ROWS, 256, 64, 16, 256, 4, 1)
NARROW = TilePlan(ROWS, 128, 64, 16, 128, 6, 1)


def plan_for(n: int) -> TilePlan:
    """L2 brings 128 x 256 in the time of 1.5 of 128 x 128."""
    return WIDE if n > NARROW.bn else NARROW


def multiplied(
    x: tuple[torch.Tensor, int],
    w: tuple[torch.Tensor, Sequence[int]],
    along_k: bool,
    group_sizes: torch.Tensor,
    out: torch.Tensor,
    k: int,
) -> bool:
    """The products in ``out``: rows ``x`` and their distance, matrices ``w`` and the distances of
    groups and lines; False where the copy engine cannot address an operand.
    """
    (t, n), groups = out.shape, group_sizes.numel()
    plan = plan_for(n)
    left = operand_map(x[0], True, x[1], t, k, plan.bm)
    right = matrices_map(*w, along_k, (groups, k, n), plan.bn)
    if left is None or right is None:
        return False
    to = result_map(out)
    # The most there can be; which there are stands on the GPU.
    tiles = (t // ROWS + min(t, groups)) * math.ceil(n / plan.bn)
    KERNEL.launch(
        (min(tiles, multiprocessors_of(out)),),
        threads(plan),
        (left, right, to or left, group_sizes, out, *map(ctypes.c_int, (groups, n, k))),
        template=template(plan, str(out.dtype).removeprefix("torch."), along_k, to is not None),
        shared_bytes=shared_bytes(plan),
    )
    return True


def matrices_map(
    w: torch.Tensor, strides: Sequence[int], along_k: bool, shape: tuple[int, int, int], tile: int
) -> TensorMap | None:
    """Of [G, K, N] matrices whose groups and lines are ``strides`` apart, in boxes of one group."""
    groups, k, n = shape
    size = w.element_size()
    each = LINE_BYTES // size
    length, lines = (k, n) if along_k else (n, k)
    line = strides[1] if lines > 1 else math.ceil(length / each) * each
    group = strides[0] if groups > 1 else line * lines
    sizes, steps = (length, lines, groups), (line * size, group * size)
    if why_not_mapped(w, sizes, steps):
        return None
    return TensorMap(w, sizes, steps, (each, tile if along_k else each, 1))


def template(plan: TilePlan, dtype: str, along_k: bool, stored: bool) -> tuple[str | int, ...]:
    """The kernel's arguments."""
    flags = (str(flag).lower() for flag in (along_k, stored))
    return (C_NAME[dtype], plan.bm, plan.bn, plan.stages, *flags)


def hopper_cubin(dtype: str, arch: int, n: int, along_k: bool, stored: bool) -> Cubin:
    """For ``n`` columns; ``stored``: by copies."""
    plan = plan_for(n)
    config = {"rows": ROWS, "w_k": along_k, "stored": stored, "shared_bytes": shared_bytes(plan)}
    arguments = template(plan, dtype, along_k, stored)
    return KERNEL.aot(arch, *arguments, threads=threads(plan), config=config)
