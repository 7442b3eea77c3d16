// Attention in IEEE fp32, without tensor cores: 256 threads as 16 x 16, each with every sixteenth
// of BM query rows against every sixteenth of BN keys, then against four neighbours of every 64
// columns of the values.
#pragma once
#include "mma.cuh"

__device__ __forceinline__ float row_reduce_max(float v) {
#pragma unroll
  for (int step = 8; step > 0; step >>= 1) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, step));
  return v;
}
__device__ __forceinline__ float row_reduce_sum(float v) {
#pragma unroll
  for (int step = 8; step > 0; step >>= 1) v += __shfl_xor_sync(0xffffffffu, v, step);
  return v;
}

// The same arguments and order of blocks as the kernel for 16-bit values in attention.py.
template <int D, int BM, int BN>
__global__ void __launch_bounds__(256, 1)
attention_fp32(const float* __restrict__ q, const float* __restrict__ k,
               const float* __restrict__ v, float* __restrict__ out, i64 q_batch, i64 q_head,
               i64 q_row, i64 k_batch, i64 k_head, i64 k_row, i64 v_batch, i64 v_head, i64 v_row,
               int kv_heads, int group, int sq, int sk, int dense, int size, float scale,
               int causal) {
  constexpr int I = BM / 16, J = BN / 16, C = D / 64;
  constexpr int STRIDE = Rows<float, D>::STRIDE, P_STRIDE = Rows<float, BN>::STRIDE;
  float* held_q = reinterpret_cast<float*>(dynamic_shared());
  float* held_k = held_q + BM * STRIDE;
  float* held_v = held_k + BN * STRIDE;
  float* held_p = held_v + BN * STRIDE;
  const int tiles = (sq + BM - 1) / BM, place = blockIdx.x / group;
  const int first = (tiles - 1 - place % tiles) * BM, head = place / tiles % kv_heads;
  const i64 batch = place / tiles / kv_heads, query = head * group + blockIdx.x % group;
  q += batch * q_batch + query * q_head + first * q_row;
  k += batch * k_batch + head * k_head;
  v += batch * v_batch + head * v_head;
  const int ahead = sk - sq, end = causal ? min(sk, first + BM + ahead) : sk;
  const int y = threadIdx.x / 16, x = threadIdx.x % 16;
  float sums[I][C * 4], most[I], total[I];
#pragma unroll
  for (int i = 0; i < I; i++) {
    most[i] = __int_as_float(0xff800000);
    total[i] = 0.0f;
#pragma unroll
    for (int c = 0; c < C * 4; c++) sums[i][c] = 0.0f;
  }
  load_rows<BM, D, 256>(held_q, q, q_row, sq - first, dense);
  for (int at = 0; at < end; at += BN) {
    load_rows<BN, D, 256>(held_k, k + at * k_row, k_row, sk - at, dense);
    cp_async_commit();
    load_rows<BN, D, 256>(held_v, v + at * v_row, v_row, sk - at, dense);
    cp_async_commit();
    cp_async_wait<1>();
    __syncthreads();
    float p[I][J];
#pragma unroll
    for (int i = 0; i < I; i++)
#pragma unroll
      for (int j = 0; j < J; j++) p[i][j] = 0.0f;
#pragma unroll 2
    for (int d = 0; d < D; d += 4) {
      Vec<float> key[J];
#pragma unroll
      for (int j = 0; j < J; j++) key[j] = load16(held_k + (x + 16 * j) * STRIDE + d);
#pragma unroll
      for (int i = 0; i < I; i++) {
        const Vec<float> row = load16(held_q + (y + 16 * i) * STRIDE + d);
#pragma unroll
        for (int j = 0; j < J; j++)
#pragma unroll
          for (int e = 0; e < 4; e++) p[i][j] = fmaf(row.v[e], key[j].v[e], p[i][j]);
      }
    }
#pragma unroll
    for (int i = 0; i < I; i++) {
      float high = most[i];
#pragma unroll
      for (int j = 0; j < J; j++) {
        const int key = at + x + 16 * j, last = first + y + 16 * i + ahead;
        if (key >= sk || (causal && key > last)) p[i][j] = __int_as_float(0xff800000);
        high = fmaxf(high, p[i][j]);
      }
      high = row_reduce_max(high);
      const float base = high == __int_as_float(0xff800000) ? 0.0f : high;
      const float keep = exp2f((most[i] - base) * scale);
      most[i] = high;
      float sum = 0.0f;
#pragma unroll
      for (int j = 0; j < J; j++) {
        p[i][j] = exp2f((p[i][j] - base) * scale);  // the difference first: exact where it counts
        sum += p[i][j];
        held_p[(y + 16 * i) * P_STRIDE + x + 16 * j] = p[i][j];
      }
      total[i] = total[i] * keep + row_reduce_sum(sum);
#pragma unroll
      for (int c = 0; c < C * 4; c++) sums[i][c] *= keep;
    }
    cp_async_wait<0>();
    __syncthreads();
#pragma unroll 2
    for (int key = 0; key < BN; key += 4) {
      Vec<float> weight[I];
#pragma unroll
      for (int i = 0; i < I; i++) weight[i] = load16(held_p + (y + 16 * i) * P_STRIDE + key);
#pragma unroll
      for (int e = 0; e < 4; e++)
#pragma unroll
        for (int c = 0; c < C; c++) {
          const Vec<float> value = load16(held_v + (key + e) * STRIDE + 64 * c + 4 * x);
#pragma unroll
          for (int i = 0; i < I; i++)
#pragma unroll
            for (int n = 0; n < 4; n++)
              sums[i][4 * c + n] = fmaf(weight[i].v[e], value.v[n], sums[i][4 * c + n]);
        }
    }
    __syncthreads();  // before the next keys, values and weights
  }
  cp_async_wait<0>();
  out += ((batch * kv_heads * group + query) * sq + first) * size;
#pragma unroll
  for (int i = 0; i < I; i++) {
    const int row = y + 16 * i;
    const float factor = total[i] == 0.0f ? 0.0f : 1.0f / total[i];
#pragma unroll
    for (int c = 0; c < C * 4; c++) {
      const int column = c / 4 * 64 + 4 * x + c % 4;
      if (first + row < sq && column < size) out[(i64)row * size + column] = sums[i][c] * factor;
    }
  }
}
