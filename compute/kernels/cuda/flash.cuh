// Attention without the matrix of logits: one pass over keys and values with a running maximum and
// sum (Milakov and Gimelshein 2018, Dao 2022), for query rows that stand in fragments of mma.sync.
#pragma once
#include "mma.cuh"

__device__ __forceinline__ float minus_infinity() { return __int_as_float(0xff800000); }
// The same over the four lanes that share a row of a fragment.
template <class Op> __device__ __forceinline__ float quad_reduce(float v, Op op) {
  v = op(v, __shfl_xor_sync(0xffffffffu, v, 1));
  return op(v, __shfl_xor_sync(0xffffffffu, v, 2));
}

// 16 query rows of one warp against BN keys at a time; a lane holds rows lane / 4 and 8 below.
template <class T, int D, int BN> struct FlashRows {
  float out[D / 8][4];
  float most[2], total[2];  // of the scaled logits in powers of two, and of the exponentials

  __device__ __forceinline__ void clear() {
    most[0] = most[1] = minus_infinity();
    total[0] = total[1] = 0.0f;
#pragma unroll
    for (int j = 0; j < D / 8; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) out[j][e] = 0.0f;
  }
  // ``logits`` become exponentials; what was summed before is scaled to the new maximum. A row
  // that has seen no key yet keeps the sum 0 and no NaN comes of -inf - -inf.
  __device__ __forceinline__ void soften(float (&logits)[BN / 8][4], float scale) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float high = most[half];
#pragma unroll
      for (int j = 0; j < BN / 8; j++)
        high = fmaxf(high, fmaxf(logits[j][2 * half], logits[j][2 * half + 1]));
      high = quad_reduce(high, [](float a, float b) { return fmaxf(a, b); });
      const float base = high == minus_infinity() ? 0.0f : high * scale;
      const float keep = fast_exp2(most[half] * scale - base);
      most[half] = high;
      float sum = 0.0f;
#pragma unroll
      for (int j = 0; j < BN / 8; j++)
#pragma unroll
        for (int e = 2 * half; e < 2 * half + 2; e++) {
          logits[j][e] = fast_exp2(logits[j][e] * scale - base);
          sum += logits[j][e];
        }
      total[half] = total[half] * keep + sum;  // this lane's share; summed at the end
#pragma unroll
      for (int j = 0; j < D / 8; j++) {
        out[j][2 * half] *= keep;
        out[j][2 * half + 1] *= keep;
      }
    }
  }
};

// The exponentials of keys 16 s ... 16 s + 15 as a left operand.
template <class T, int N>
__device__ __forceinline__ void left_of(u32 (&r)[4], const float (&p)[N][4], int s) {
  r[0] = pack<T>(p[2 * s][0], p[2 * s][1]);
  r[1] = pack<T>(p[2 * s][2], p[2 * s][3]);
  r[2] = pack<T>(p[2 * s + 1][0], p[2 * s + 1][1]);
  r[3] = pack<T>(p[2 * s + 1][2], p[2 * s + 1][3]);
}

// Logits of TILES times 16 rows of q against BN keys, both along D in shared memory.
template <class T, int D, int BN, int TILES>
__device__ __forceinline__ void logits_of(float (&s)[TILES][BN / 8][4], const T* q, const T* keys) {
  constexpr int STRIDE = Rows<T, D>::STRIDE;
#pragma unroll
  for (int i = 0; i < TILES; i++)
#pragma unroll
    for (int j = 0; j < BN / 8; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) s[i][j][e] = 0.0f;
#pragma unroll
  for (int k = 0; k < D; k += 16) {
    u32 left[TILES][4];
#pragma unroll
    for (int i = 0; i < TILES; i++) load_left<STRIDE, true>(left[i], q, 16 * i, k);
#pragma unroll
    for (int j = 0; j < BN / 16; j++) {
      u32 right[4];
      load_right<STRIDE, true>(right, keys, k, 16 * j);
#pragma unroll
      for (int i = 0; i < TILES; i++) {
        mma16<T>(s[i][2 * j], left[i], right[0], right[1]);
        mma16<T>(s[i][2 * j + 1], left[i], right[2], right[3]);
      }
    }
  }
}

// out += exponentials times values, which lie key by key in shared memory.
template <class T, int D, int BN, int TILES>
__device__ __forceinline__ void add_values(FlashRows<T, D, BN> (&rows)[TILES],
                                           const float (&p)[TILES][BN / 8][4], const T* values) {
  constexpr int STRIDE = Rows<T, D>::STRIDE;
#pragma unroll
  for (int s = 0; s < BN / 16; s++) {
    u32 left[TILES][4];
#pragma unroll
    for (int i = 0; i < TILES; i++) left_of<T>(left[i], p[i], s);
#pragma unroll
    for (int j = 0; j < D / 16; j++) {
      u32 right[4];
      load_right<STRIDE, false>(right, values, 16 * s, 16 * j);
#pragma unroll
      for (int i = 0; i < TILES; i++) {
        mma16<T>(rows[i].out[2 * j], left[i], right[0], right[1]);
        mma16<T>(rows[i].out[2 * j + 1], left[i], right[2], right[3]);
      }
    }
  }
}
