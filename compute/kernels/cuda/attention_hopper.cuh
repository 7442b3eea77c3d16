// Attention of 16-bit values on Hopper: the copy engine brings tiles, wgmma multiplies them.
//
// One block makes 128 query rows of a head, two warpgroups 64 each (with D = 64 three, 192 rows: a
// tile is used more often, and there are registers enough); one more only has tiles copied.
// For 128 queries, 128 keys and D = 128 the tensor cores of a multiprocessor take 4 x 128^3 / 4096
// = 2048 cycles. The softmax compiles to 382 instructions for the 64 logits of a lane, 764 issue
// slots of each scheduler for its two warps: 64 exponentials (16 lanes a cycle: 1024 cycles), 64
// maxima and 32 conversions (64 lanes: 384), 64 each of logit * scale - base, sums, and results
// rescaled (128 lanes: 384). It fits under the products if they never wait for it; two overlaps see
// to that.
// Within a warpgroup the logits of the next keys are begun before the values of the last ones, and
// softened while those are added. Between them, named barriers: one issues its products, then the
// next, so that each has its softmax while the tensor cores work for its neighbours (Shah et al.
// 2024, FlashAttention-3). Of 240 registers D = 128 uses 183 and D = 256 199, of 160 D = 64 151.
#pragma once
#include <hopper.cuh>

#include "flash.cuh"

// The rows of q, a ring of keys and one of values, each in panels of 64 columns: lines of 128
// bytes, as wide as a swizzle. Columns that a head has not are zeros.
template <class T, int D> struct HopperTiles {
  static constexpr int GROUPS = D <= 64 ? 3 : 2, QUERIES = 64 * GROUPS, STAGES = 2;
  static constexpr int KEYS = D <= 128 ? 128 : D <= 192 ? 96 : 64;  // of 227 KiB and registers
  static constexpr int THREADS = 128 * (GROUPS + 1), PANELS = (D + 63) / 64, PANEL = KEYS * 64;
  // Of values that are multiplied: whole lines of the swizzle. 96 of 128 would do for D = 80, but
  // that wgmma takes one and a half lines across the inner axis is nowhere said.
  static constexpr int COLUMNS = PANELS * 64;
  T q[PANELS * QUERIES * 64], k[STAGES][PANELS * PANEL], v[STAGES][PANELS * PANEL];
  u64 q_full, k_full[STAGES], k_empty[STAGES], v_full[STAGES], v_empty[STAGES];

  // ROWS of one head from row ``row``.
  template <int ROWS>
  static __device__ __forceinline__ void bring(T* to, const TensorMap& map, u64* full, int row,
                                               int head, int batch) {
    barrier_expect(full, PANELS * ROWS * 128);
#pragma unroll
    for (int i = 0; i < PANELS; i++)
      tma_load<4>(to + i * ROWS * 64, map, full, {64 * i, row, head, batch});
  }
};

// The n-th use of a ring: its stage, and the parity of the phase in which that is filled.
struct Turn {
  int stage;
  u32 parity;
  __device__ __forceinline__ explicit Turn(int n) : stage(n & 1), parity(n >> 1 & 1) {}
};

// One thread: keys and values of ``blocks`` blocks, the last first, each as soon as all
// warpgroups have done with what lay in its place.
template <class T, int D>
__device__ __forceinline__ void bring_tiles(HopperTiles<T, D>& tiles, const TensorMap& q,
                                            const TensorMap& k, const TensorMap& v, int blocks,
                                            int first, int query, int head, int batch) {
  using Tiles = HopperTiles<T, D>;
  constexpr int BN = Tiles::KEYS;
  Tiles::template bring<Tiles::QUERIES>(tiles.q, q, &tiles.q_full, first, query, batch);
  for (int i = 0; i <= blocks; i++) {  // values are needed one block later than their keys
    if (i < blocks) {
      const Turn to(i);
      barrier_wait(&tiles.k_empty[to.stage], to.parity ^ 1);
      const int row = (blocks - 1 - i) * BN;
      Tiles::template bring<BN>(tiles.k[to.stage], k, &tiles.k_full[to.stage], row, head, batch);
    }
    if (i > 0) {
      const Turn to(i - 1);
      barrier_wait(&tiles.v_empty[to.stage], to.parity ^ 1);
      const int row = (blocks - i) * BN;
      Tiles::template bring<BN>(tiles.v[to.stage], v, &tiles.v_full[to.stage], row, head, batch);
    }
  }
}

// 64 query rows of one warpgroup; a lane holds rows lane / 4 and 8 below of its warp's 16.
template <class T, int D> struct HopperRows {
  using Tiles = HopperTiles<T, D>;
  static constexpr int BN = Tiles::KEYS, COLUMNS = Tiles::COLUMNS;
  float out[COLUMNS / 2], logits[BN / 2];
  u32 left[BN / 16][4];              // exponentials, as the left operand of values
  float most[2], total[2], kept[2];  // kept: what is left of the sums at the new maximum

  __device__ __forceinline__ void clear() {
    most[0] = most[1] = minus_infinity();
    total[0] = total[1] = 0.0f;
#pragma unroll
    for (int i = 0; i < COLUMNS / 2; i++) out[i] = 0.0f;
  }
  // Issued, and not waited for.
  __device__ __forceinline__ void multiply_keys(const T* q, const T* keys) {
    const u64 a = tile_address(q, 16, 1024), b = tile_address(keys, 16, 1024);
#pragma unroll
    for (int s = 0; s < (D + 15) / 16; s++) {
      const int to_a = s / 4 * Tiles::QUERIES * 128 + s % 4 * 32;
      const int to_b = s / 4 * Tiles::PANEL * 2 + s % 4 * 32;
      wgmma<T, BN, true, true>(logits, a + to_a / 16, b + to_b / 16, s > 0);
    }
    wgmma_commit();
  }
  __device__ __forceinline__ void add_values(const T* values) {
    const u64 b = tile_address(values, Tiles::PANEL * 2, 1024);
#pragma unroll
    for (int s = 0; s < BN / 16; s++)
      wgmma<T, COLUMNS, false>(out, left[s], b + s * (2048 / 16), true);
    wgmma_commit();
  }
  // Of keys from ``at`` on those count that lie before ``sk`` and ``end``: the lane's first row's
  // end, the second one's is ``later``.
  __device__ __forceinline__ void mask(int at, int end, int later, int sk) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int left = min(sk, end + half * later) - at - threadIdx.x % 4 * 2;
#pragma unroll
      for (int j = 0; j < BN / 8; j++)
#pragma unroll
        for (int e = 0; e < 2; e++)
          if (8 * j + e >= left) logits[4 * j + 2 * half + e] = minus_infinity();
    }
  }
  // FlashRows::soften, but the sums are scaled later, when no product adds to them.
  __device__ __forceinline__ void soften(float scale) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float high = most[half];
#pragma unroll
      for (int j = 0; j < BN / 8; j++)
        high = fmaxf(high, fmaxf(logits[4 * j + 2 * half], logits[4 * j + 2 * half + 1]));
      high = quad_reduce(high, [](float a, float b) { return fmaxf(a, b); });
      const float base = high == minus_infinity() ? 0.0f : high * scale;
      kept[half] = fast_exp2(most[half] * scale - base);
      most[half] = high;
      float sum = 0.0f;
#pragma unroll
      for (int j = 0; j < BN / 8; j++)
#pragma unroll
        for (int e = 2 * half; e < 2 * half + 2; e++) {
          logits[4 * j + e] = fast_exp2(logits[4 * j + e] * scale - base);
          sum += logits[4 * j + e];
        }
      total[half] = total[half] * kept[half] + sum;
    }
  }
  __device__ __forceinline__ void rescale() {
#pragma unroll
    for (int i = 0; i < COLUMNS / 2; i++) out[i] *= kept[i / 2 % 2];
  }
  // The accumulators' layout is that of a left operand, two columns a register.
  __device__ __forceinline__ void convert() {
#pragma unroll
    for (int s = 0; s < BN / 16; s++)
#pragma unroll
      for (int i = 0; i < 4; i++)
        left[s][i] = pack<T>(logits[8 * s + 2 * i], logits[8 * s + 2 * i + 1]);
  }
  // Divided by their sums, to where this warpgroup's queries lay: a panel's line is 128 bytes.
  __device__ __forceinline__ void finish(T* to) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const float sum = quad_reduce(total[half], Sum());
      kept[half] = sum == 0.0f ? 0.0f : 1.0f / sum;
    }
    rescale();
    const int lane = threadIdx.x % 32, row = threadIdx.x % 128 / 32 * 16 + lane % 16;
#pragma unroll
    for (int s = 0; s < COLUMNS / 16; s++) {
      u32 r[4];
#pragma unroll
      for (int i = 0; i < 4; i++) r[i] = pack<T>(out[8 * s + 2 * i], out[8 * s + 2 * i + 1]);
      const int chunk = (s % 4 * 2 + lane / 16) ^ (row % 8);
      stmatrix4(to + s / 4 * Tiles::QUERIES * 64 + row * 64 + chunk * 8, r);
    }
  }
};

__device__ __forceinline__ void release(u64* empty) {
  __syncwarp();
  if (threadIdx.x % 32 == 0) barrier_arrive(empty);
}

// ``blocks`` blocks of keys, the last first; those from ``whole`` on are masked.
template <class T, int D>
__device__ __forceinline__ void attend_tiles(HopperRows<T, D>& rows, HopperTiles<T, D>& tiles,
                                             int blocks, int whole, int end, int later, int sk,
                                             float scale, int group) {
  constexpr int BN = HopperTiles<T, D>::KEYS, LAST = HopperTiles<T, D>::GROUPS - 1;
  constexpr int TOGETHER = 256;  // threads: whose turn it is, and who has just issued
  const int mine = 1 + group, following = group == LAST ? 1 : 2 + group;
  const T* q = tiles.q + group * 64 * 64;
  barrier_wait(&tiles.q_full, 0);
  barrier_wait(&tiles.k_full[0], 0);
  wgmma_begin();
  rows.multiply_keys(q, tiles.k[0]);
  if (group == LAST && blocks > 1) named_arrive(following, TOGETHER);  // the first one begins
  wgmma_wait<0>();
  keep(rows.logits);
  release(&tiles.k_empty[0]);
  if (blocks - 1 >= whole) rows.mask((blocks - 1) * BN, end, later, sk);
  rows.soften(scale);
  rows.convert();
  if (blocks > 1) barrier_wait(&tiles.k_full[1], 0);
  for (int i = 1; i < blocks; i++) {
    const int at = blocks - 1 - i;
    const Turn key(i), value(i - 1), next(i + 1);
    named_sync(mine, TOGETHER);
    wgmma_begin();
    rows.multiply_keys(q, tiles.k[key.stage]);
    barrier_wait(&tiles.v_full[value.stage], value.parity);
    keep(rows.out);
    wgmma_begin();
    rows.add_values(tiles.v[value.stage]);
    if (group < LAST || at > 0) named_arrive(following, TOGETHER);
    wgmma_wait<1>();
    keep(rows.logits);
    release(&tiles.k_empty[key.stage]);
    if (at >= whole) rows.mask(at * BN, end, later, sk);
    rows.soften(scale);
    keep(rows.logits);
    // Here, because the compiler does not move code across this loop: without it, it waited for
    // the values ahead of the softmax, and nothing overlapped.
    if (at > 0) barrier_wait(&tiles.k_full[next.stage], next.parity);
    wgmma_wait<0>();
    keep(rows.out);
    release(&tiles.v_empty[value.stage]);
    rows.rescale();
    rows.convert();
  }
  const Turn value(blocks - 1);
  barrier_wait(&tiles.v_full[value.stage], value.parity);
  keep(rows.out);
  wgmma_begin();
  rows.add_values(tiles.v[value.stage]);
  wgmma_wait<0>();
  keep(rows.out);
}

// q, k, v and out: boxes of 64 columns and QUERIES, KEYS, KEYS and 64 rows of [column, row, head,
// batch].
template <class T, int D>
__global__ void __launch_bounds__(HopperTiles<T, D>::THREADS, 1)
attention_hopper(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k,
                 const __grid_constant__ TensorMap v, const __grid_constant__ TensorMap out,
                 int kv_heads, int group, int sq, int sk, float scale, int causal) {
  using Tiles = HopperTiles<T, D>;
  constexpr int BM = Tiles::QUERIES, BN = Tiles::KEYS, GROUPS = Tiles::GROUPS, WARPS = 4 * GROUPS;
  Tiles& tiles = *reinterpret_cast<Tiles*>(tile_shared());
  const int count = (sq + BM - 1) / BM, place = blockIdx.x / group;
  const int first = (count - 1 - place % count) * BM, head = place / count % kv_heads;
  const int batch = place / count / kv_heads, query = head * group + blockIdx.x % group;
  const int ahead = sk - sq, seen = causal ? min(sk, first + BM + ahead) : sk;
  const int blocks = (max(seen, 0) + BN - 1) / BN;
  if (threadIdx.x == 0) {
    tma_prefetch(q);
    tma_prefetch(k);
    tma_prefetch(v);
    barrier_init(&tiles.q_full, 1);
    for (int i = 0; i < Tiles::STAGES; i++) {
      barrier_init(&tiles.k_full[i], 1);
      barrier_init(&tiles.v_full[i], 1);
      barrier_init(&tiles.k_empty[i], WARPS);
      barrier_init(&tiles.v_empty[i], WARPS);
    }
    barrier_init_done();
  }
  __syncthreads();
  const int warpgroup = __shfl_sync(0xffffffffu, threadIdx.x / 128, 0);  // the same in a warp
  if (warpgroup == GROUPS) {  // 65536 registers: 2 x 240 + 24 or 3 x 160 + 32 of 128 threads each
    registers_down<GROUPS == 2 ? 24 : 32>();
    if (threadIdx.x == 128 * GROUPS && blocks > 0)
      bring_tiles<T, D>(tiles, q, k, v, blocks, first, query, head, batch);
  } else {
    registers_up<GROUPS == 2 ? 240 : 160>();
    const int top = first + 64 * warpgroup;
    HopperRows<T, D> rows;
    rows.clear();
    if (blocks > 0) {
      const int row = top + threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4;
      const int whole = max(0, causal ? min(sk, top + ahead + 1) : sk) / BN;
      attend_tiles<T, D>(rows, tiles, blocks, whole, causal ? row + ahead + 1 : sk, causal ? 8 : 0,
                         sk, scale, warpgroup);
    }
    T* held = tiles.q + warpgroup * 64 * 64;
    rows.finish(held);
    fence_async_shared();
    named_sync(1 + GROUPS + warpgroup, 128);
    if (threadIdx.x % 128 == 0 && top < sq) {
#pragma unroll
      for (int i = 0; i < Tiles::PANELS; i++)
        tma_store<4>(out, held + i * BM * 64, {64 * i, top, query, batch});
      tma_store_commit();
      tma_store_wait_read<0>();
    }
  }
}
