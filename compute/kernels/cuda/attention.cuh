// Attention of 16-bit values by mma.sync, for a tile of queries of one head a block.
#pragma once
#include "flash.cuh"

// 16 TILES rows of queries a warp. Values arrive while logits are made, the next keys while values
// are added: one buffer each, so that two blocks of D = 128 share a multiprocessor.
template <class T, int D, int BN, int TILES, int WARPS, int BLOCKS>
__global__ void __launch_bounds__(WARPS * 32, BLOCKS)
attention(const T* __restrict__ q, const T* __restrict__ k, const T* __restrict__ v,
          T* __restrict__ out, i64 q_batch, i64 q_head, i64 q_row, i64 k_batch, i64 k_head,
          i64 k_row, i64 v_batch, i64 v_head, i64 v_row, int kv_heads, int group, int sq, int sk,
          int dense, int size, float scale, int causal) {
  constexpr int BM = 16 * TILES * WARPS, THREADS = 32 * WARPS, STRIDE = Rows<T, D>::STRIDE;
  T* held_q = reinterpret_cast<T*>(dynamic_shared());
  T* held_k = held_q + BM * STRIDE;
  T* held_v = held_k + BN * STRIDE;
  const int tiles = (sq + BM - 1) / BM, place = blockIdx.x / group;
  const int first = (tiles - 1 - place % tiles) * BM, head = place / tiles % kv_heads;
  const i64 batch = place / tiles / kv_heads, query = head * group + blockIdx.x % group;
  q += batch * q_batch + query * q_head + first * q_row;
  k += batch * k_batch + head * k_head;
  v += batch * v_batch + head * v_head;
  const int ahead = sk - sq, end = causal ? min(sk, first + BM + ahead) : sk;
  const int warp = threadIdx.x / 32 * 16 * TILES, lane = threadIdx.x % 32;
  FlashRows<T, D, BN> rows[TILES];
#pragma unroll
  for (int i = 0; i < TILES; i++) rows[i].clear();
  load_rows<BM, D, THREADS>(held_q, q, q_row, sq - first, dense);
  load_rows<BN, D, THREADS>(held_k, k, k_row, sk, dense);
  cp_async_commit();
  for (int at = 0; at < end; at += BN) {
    cp_async_wait<0>();
    __syncthreads();  // these keys are there, the values of before are read
    load_rows<BN, D, THREADS>(held_v, v + at * v_row, v_row, sk - at, dense);
    cp_async_commit();
    float p[TILES][BN / 8][4];
    logits_of<T, D, BN>(p, held_q + warp * STRIDE, held_k);
    if (at + BN > sk || (causal && at + BN - 1 > first + warp + ahead)) {
#pragma unroll
      for (int i = 0; i < TILES; i++)
#pragma unroll
        for (int j = 0; j < BN / 8; j++)
#pragma unroll
          for (int e = 0; e < 4; e++) {
            const int row = first + warp + 16 * i + lane / 4 + e / 2 * 8;
            const int key = at + 8 * j + lane % 4 * 2 + e % 2;
            if (key >= sk || (causal && key > row + ahead)) p[i][j][e] = minus_infinity();
          }
    }
#pragma unroll
    for (int i = 0; i < TILES; i++) rows[i].soften(p[i], scale);
    cp_async_wait<0>();
    __syncthreads();  // the values are there, these keys are read
    if (at + BN < end)
      load_rows<BN, D, THREADS>(held_k, k + (at + BN) * k_row, k_row, sk - at - BN, dense);
    cp_async_commit();
    add_values<T, D, BN>(rows, p, held_v);
  }
  cp_async_wait<0>();
  out += ((batch * kv_heads * group + query) * sq + first + warp) * size;
#pragma unroll
  for (int i = 0; i < TILES; i++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const float total = quad_reduce(rows[i].total[half], Sum());
      const float factor = total == 0.0f ? 0.0f : 1.0f / total;
      const int row = 16 * i + lane / 4 + 8 * half;
      if (first + warp + row >= sq) continue;
#pragma unroll
      for (int j = 0; j < D / 8; j++) {
        const int column = 8 * j + lane % 4 * 2;
        store_pair(out + (i64)row * size + column, rows[i].out[j][2 * half] * factor,
                   rows[i].out[j][2 * half + 1] * factor, size - column, size % 2 == 0);
      }
    }
}
